/* W8A8: weights are bytes q + 128, so that every processor's byte product takes them; 128 times the row's sum is taken away at the end.
 * Layout: linear.cpp. */
namespace tetrad {
namespace TT_PATH {

constexpr int W8_ROWS = LANES == 16 ? 8 : 4;

template <int R> static void w8Rows(const LinearArgs &args, int64_t tile, int64_t row) {
  constexpr int CHAINS = R == 1 ? 4 : R == 2 ? 2 : 1, VECTORS = 16 / LANES;  /* enough independent sums for the latency */
  const tt_weight &weight = *args.weight;
  const int64_t groups = weight.groups, stride = groups * 128;
  const uint8_t *q = weight.q + tile * groups * 2048;
  const int8_t *x = args.input.q + row * stride;
  vi sums[R][VECTORS][CHAINS];
  for (int r = 0; r < R; r++) {
    for (int v = 0; v < VECTORS; v++) {
      for (int c = 0; c < CHAINS; c++) sums[r][v][c] = vi{};
    }
  }
  for (int64_t step = 0; step < groups * 32; step += 4) {
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) {
      vu w[VECTORS];
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; v++) w[v] = loadAs<vu>(q + (step + u) * 64 + v * LANES * 4);
#if defined(__AVX2__)
      _mm_prefetch((const char *)(q + (step + u) * 64 + 4096), _MM_HINT_T0);
#endif
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        int32_t four;
        memcpy(&four, x + r * stride + (step + u) * 4, 4);
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) sums[r][v][u % CHAINS] = dotBytes(sums[r][v][u % CHAINS], w[v], splatInt(four));
      }
    }
  }
  for (int r = 0; r < R; r++) {
    int32_t total = 0;
    for (int64_t g = 0; g < groups; g++) total += args.input.sums[(row + r) * groups + g];
    for (int v = 0; v < VECTORS; v++) {
      vi sum = sums[r][v][0] - splatInt(128 * total);
      for (int c = 1; c < CHAINS; c++) sum = sum + sums[r][v][c];
      const int64_t n = tile * 16 + v * LANES, lanes = minOf(LANES, weight.N - n);
      if (lanes <= 0) break;
      vf y = __builtin_convertvector(sum, vf) * splat(args.input.scale[row + r]) * load(weight.s0 + n);
      if (weight.bias) y = y + load(weight.bias + n);
      storeLanes(args.out + (row + r) * weight.N + n, y, lanes);
    }
  }
}

template <int R> static void w8Some(const LinearArgs &args, int64_t tile, int64_t row, int64_t rows) {
  if constexpr (R > 1) {
    if (rows < R) return w8Some<R - 1>(args, tile, row, rows);
  }
  w8Rows<R>(args, tile, row);
}
static void w8Tile(const LinearArgs &args, int64_t tile, int64_t row, int rows) { w8Some<W8_ROWS>(args, tile, row, rows); }

}  // namespace TT_PATH
}  // namespace tetrad
