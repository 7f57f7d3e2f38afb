/* W4A8 with four-way byte products, on nibbles as they lie, a vector of channels at a time. Layout: linear.cpp. */
namespace tetrad {
namespace TT_PATH {

constexpr int W4_ROWS = 4;

template <int R> static void w4Vector(const LinearArgs &args, int64_t tile, int first, int64_t row) {
  const tt_weight &weight = *args.weight;
  const int64_t groups = weight.groups, stride = groups * 128;
  const int8_t *x = args.input.q + row * stride;
  const int32_t *sums = args.input.sums + row * groups;
  vi total[R];
  for (int r = 0; r < R; r++) total[r] = vi{};
  for (int64_t g = 0; g < groups; g++, x += 128) {
    const uint8_t *q = weight.q + (tile * groups + g) * 1024 + first * 4;
    const uint8_t *levels = weight.levels + (tile * groups + g) * 32 + first;
    vi even[R], odd[R];
    for (int r = 0; r < R; r++) even[r] = odd[r] = vi{};
#pragma GCC unroll 4
    for (int j = 0; j < 16; j++) {
      const vu w = loadAs<vu>(q + j * 64);
      const vu low = w & 0x0f0f0f0fu, high = (w >> 4) & 0x0f0f0f0fu;
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) {
        int32_t a, b;
        memcpy(&a, x + r * stride + j * 8, 4);
        memcpy(&b, x + r * stride + j * 8 + 4, 4);
        even[r] = dotBytes(even[r], low, splatInt(a));
        odd[r] = dotBytes(odd[r], high, splatInt(b));
      }
    }
    typedef uint8_t Bytes __attribute__((vector_size(LANES)));
    const vi s1 = __builtin_convertvector(loadAs<Bytes>(levels), vi), m = __builtin_convertvector(loadAs<vs8>(levels + 16), vi);
    for (int r = 0; r < R; r++) total[r] = total[r] + (even[r] + odd[r]) * s1 + m * splatInt(sums[r * groups + g]);
  }
  const int64_t n = tile * 16 + first, lanes = minOf(LANES, weight.N - n);
  if (lanes <= 0) return;
  for (int r = 0; r < R; r++) {
    vf y = __builtin_convertvector(total[r], vf) * splat(args.input.scale[row + r]) * load(weight.s0 + n);
    if (weight.bias) y = y + load(weight.bias + n);
    storeLanes(args.out + (row + r) * weight.N + n, y, lanes);
  }
}

static void w4Tile(const LinearArgs &args, int64_t tile, int64_t row, int rows) {
  for (int first = 0; first < 16; first += LANES) {
    if (rows == 4) w4Vector<4>(args, tile, first, row);
    else if (rows == 3) w4Vector<3>(args, tile, first, row);
    else if (rows == 2) w4Vector<2>(args, tile, first, row);
    else w4Vector<1>(args, tile, first, row);
  }
}

}  // namespace TT_PATH
}  // namespace tetrad
