/* W4A8 of many rows with vpdpbusd: weights are expanded to bytes once for a block of rows. */
namespace tetrad {
namespace TT_PATH {

constexpr int MANY_ROWS = 6;    /* register block: rows x tiles */
constexpr int MANY_TILES = 4;
constexpr int64_t MANY_GROUPS = 32;  /* of K expanded at once: 256 KiB for 4 tiles, half of a second-level cache */
constexpr int64_t TASK_ROWS = 512;

/* W8 + 128 of some tiles and groups: [K / 4][tiles][16 channels][4]. */
static void expand(const tt_weight &weight, int64_t tile, int tiles, int64_t g0, int64_t g1, uint8_t *out) {
  for (int t = 0; t < tiles; t++) {
    for (int64_t g = g0; g < g1; g++) expandGroup(weight, tile + t, g, 0x80, out + ((g - g0) * 32 * tiles + t) * 64, tiles * 64);
  }
}

/* sums [R][T tiles][16] += x [R][4 * steps] * expanded [steps][T]. */
template <int R, int T> static void manyBlock(const uint8_t *w, const int8_t *x, int64_t stride, int64_t steps, __m512i *sums) {
  __m512i acc[R][T];
#pragma GCC unroll 6
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) acc[r][t] = sums[r * T + t];
  }
  for (int64_t k = 0; k < steps; k++) {
    __m512i values[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) values[t] = _mm512_load_si512(w + (k * T + t) * 64);
#pragma GCC unroll 6
    for (int r = 0; r < R; r++) {
      const __m512i xv = four(x + r * stride + k * 4);
#pragma GCC unroll 4
      for (int t = 0; t < T; t++) acc[r][t] = _mm512_dpbusd_epi32(acc[r][t], values[t], xv);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; r++) {
#pragma GCC unroll 4
    for (int t = 0; t < T; t++) sums[r * T + t] = acc[r][t];
  }
}

typedef void (*ManyBlock)(const uint8_t *, const int8_t *, int64_t, int64_t, __m512i *);
template <int T> static ManyBlock manyKernel(int64_t rows) {
  static const ManyBlock kernels[MANY_ROWS] = {manyBlock<1, T>, manyBlock<2, T>, manyBlock<3, T>, manyBlock<4, T>, manyBlock<5, T>, manyBlock<6, T>};
  return kernels[rows - 1];
}

static void manyTask(const LinearArgs &args, int64_t tile, int tiles, int64_t row0, int64_t row1, uint8_t *scratch) {
  const tt_weight &weight = *args.weight;
  const int64_t groups = weight.groups, stride = groups * 128;
  uint8_t *expanded = scratch;
  __m512i *sums = (__m512i *)(scratch + MANY_GROUPS * 128 * MANY_TILES * 16);
  /* The expanded bytes are W8 + 128: take 128 times the row's sum away first. */
  for (int64_t row = row0; row < row1; row++) {
    int32_t sum = 0;
    for (int64_t g = 0; g < groups; g++) sum += args.input.sums[row * groups + g];
    for (int t = 0; t < tiles; t++) sums[(row - row0) * tiles + t] = _mm512_set1_epi32(-128 * sum);
  }
  for (int64_t g = 0; g < groups; g += MANY_GROUPS) {
    const int64_t end = minOf(groups, g + MANY_GROUPS);
    expand(weight, tile, tiles, g, end, expanded);
    for (int64_t row = row0, rows; row < row1; row += rows) {
      /* Register blocks of like height: a low one would wait for loads. */
      rows = ceilDiv(row1 - row, ceilDiv(row1 - row, MANY_ROWS));
      const ManyBlock kernel = tiles == 4 ? manyKernel<4>(rows) : tiles == 3 ? manyKernel<3>(rows) : tiles == 2 ? manyKernel<2>(rows) : manyKernel<1>(rows);
      kernel(expanded, args.input.q + row * stride + g * 128, stride, (end - g) * 32, sums + (row - row0) * tiles);
    }
  }
  const bool past = pastCaches(args);
  for (int64_t row = row0; row < row1; row++) {
    for (int t = 0; t < tiles; t++) finish(args, tile + t, row, sums[(row - row0) * tiles + t], past);
  }
  _mm_sfence();
}

/* Many rows: a task is 4 tiles and a block of rows. */
static int w4Many(Runtime &runtime, const LinearArgs &args) {
  const int64_t blocks = ceilDiv(args.weight->tiles, MANY_TILES);
  int64_t parts = ceilDiv(args.size, TASK_ROWS);
  while (blocks * parts < 2 * threadsOf(runtime) && ceilDiv(args.size, parts * 2) >= 48) parts *= 2;
  const int64_t rows = ceilDiv(args.size, parts);
  int64_t stride;
  uint8_t *scratch = workerScratch(runtime, MANY_GROUPS * 128 * MANY_TILES * 16 + TASK_ROWS * MANY_TILES * 64, &stride);
  if (!scratch) return fail(runtime, TT_OUT_OF_MEMORY, "no memory for expanded weights");
  parallel(runtime, blocks * parts, [&](int task, int worker) {
    const int64_t tile = task / parts * MANY_TILES, row = task % parts * rows;
    if (row >= args.size) return;
    manyTask(args, tile, (int)minOf(MANY_TILES, args.weight->tiles - tile), row, minOf(args.size, row + rows), scratch + worker * stride);
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
