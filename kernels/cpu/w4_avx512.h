/* W4A8 with vpdpbusd: unsigned bytes are weights, signed bytes activations, 16 channels a vector. Layout: linear.cpp. */
namespace tetrad {
namespace TT_PATH {

constexpr int W4_ROWS = 8;
constexpr int W4_MANY = 16;     /* more rows than this: expand the weights first */
constexpr int MANY_ROWS = 6;    /* register block: rows x tiles */
constexpr int MANY_TILES = 4;
constexpr int64_t MANY_GROUPS = 32;  /* of K expanded at once: 256 KiB for 4 tiles, half of a second-level cache */
constexpr int64_t TASK_ROWS = 512;

TT_INLINE __m512i four(const int8_t *x) {
  int32_t bytes;
  memcpy(&bytes, x, 4);
  return _mm512_set1_epi32(bytes);
}
TT_INLINE __mmask16 firstLanes(int64_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << (n < 0 ? 0 : n)) - 1); }

TT_INLINE void finish(const LinearArgs &args, int64_t tile, int64_t row, __m512i total) {
  const tt_weight &weight = *args.weight;
  const int64_t n = tile * 16;
  __m512 y = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(total), _mm512_set1_ps(args.input.scale[row])), _mm512_loadu_ps(weight.s0 + n));
  if (weight.bias) y = _mm512_add_ps(y, _mm512_loadu_ps(weight.bias + n));
  _mm512_mask_storeu_ps(args.out + row * weight.N + n, firstLanes(weight.N - n), y);
}

/* Few rows: nibbles as they lie; s1 and m act on the sums of each group. Chains: enough independent sums for the latency. */
template <int R> static void w4RowsTile(const LinearArgs &args, int64_t tile, int64_t row) {
  constexpr int CHAINS = R == 1 ? 4 : R < 5 ? 2 : 1;
  const tt_weight &weight = *args.weight;
  const int64_t groups = weight.groups, stride = groups * 128;
  const uint8_t *q = weight.q + tile * groups * 1024, *levels = weight.levels + tile * groups * 32;
  const int8_t *x = args.input.q + row * stride;
  const int32_t *sums = args.input.sums + row * groups;
  const __m512i mask = _mm512_set1_epi8(15);
  __m512i total[R];
  for (int r = 0; r < R; r++) total[r] = _mm512_setzero_si512();
  for (int64_t g = 0; g < groups; g++, q += 1024, levels += 32, x += 128) {
    __m512i dot[R][CHAINS];
    for (int r = 0; r < R; r++) {
      for (int c = 0; c < CHAINS; c++) dot[r][c] = _mm512_setzero_si512();
    }
#pragma GCC unroll 4
    for (int j = 0; j < 16; j++) {
      const __m512i w = _mm512_loadu_si512(q + j * 64);
      _mm_prefetch((const char *)(q + j * 64 + 4096), _MM_HINT_T0);
      const __m512i low = _mm512_and_si512(w, mask), high = _mm512_and_si512(_mm512_srli_epi16(w, 4), mask);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        dot[r][2 * j % CHAINS] = _mm512_dpbusd_epi32(dot[r][2 * j % CHAINS], low, four(x + r * stride + j * 8));
        dot[r][(2 * j + 1) % CHAINS] = _mm512_dpbusd_epi32(dot[r][(2 * j + 1) % CHAINS], high, four(x + r * stride + j * 8 + 4));
      }
    }
    const __m512i s1 = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)levels));
    const __m512i m = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(levels + 16)));
    for (int r = 0; r < R; r++) {
      for (int c = 1; c < CHAINS; c++) dot[r][0] = _mm512_add_epi32(dot[r][0], dot[r][c]);
      const __m512i offset = _mm512_mullo_epi32(m, _mm512_set1_epi32(sums[r * groups + g]));
      total[r] = _mm512_add_epi32(total[r], _mm512_add_epi32(_mm512_mullo_epi32(dot[r][0], s1), offset));
    }
  }
  for (int r = 0; r < R; r++) finish(args, tile, row + r, total[r]);
}

static void w4Tile(const LinearArgs &args, int64_t tile, int64_t row, int rows) {
  switch (rows) {
    case 1: return w4RowsTile<1>(args, tile, row);
    case 2: return w4RowsTile<2>(args, tile, row);
    case 3: return w4RowsTile<3>(args, tile, row);
    case 4: return w4RowsTile<4>(args, tile, row);
    case 5: return w4RowsTile<5>(args, tile, row);
    case 6: return w4RowsTile<6>(args, tile, row);
    case 7: return w4RowsTile<7>(args, tile, row);
    default: return w4RowsTile<8>(args, tile, row);
  }
}

/* q * s1 + m + 128 of some tiles and groups as unsigned bytes: [K / 4][tiles][16 channels][4]. q * s1 is at most 255 (it is W8 - m), so
 * both bytes of a 16-bit product come out right. */
static void expand(const tt_weight &weight, int64_t tile, int tiles, int64_t g0, int64_t g1, uint8_t *out) {
  const __m512i mask = _mm512_set1_epi8(15);
  const __m512i bytesOf = _mm512_set1_epi32(0x01010101);
  for (int t = 0; t < tiles; t++) {
    for (int64_t g = g0; g < g1; g++) {
      const uint8_t *q = weight.q + ((tile + t) * weight.groups + g) * 1024;
      const uint8_t *levels = weight.levels + ((tile + t) * weight.groups + g) * 32;
      const __m512i s1 = _mm512_mullo_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)levels)), _mm512_set1_epi32(0x10001));
      const __m128i m = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(levels + 16)), _mm_set1_epi8((char)0x80));
      const __m512i offset = _mm512_mullo_epi32(_mm512_cvtepu8_epi32(m), bytesOf);
      uint8_t *to = out + ((g - g0) * 32 * tiles + t) * 64;
      for (int j = 0; j < 16; j++, to += 2 * tiles * 64) {
        const __m512i w = _mm512_loadu_si512(q + j * 64);
        const __m512i low = _mm512_mullo_epi16(_mm512_and_si512(w, mask), s1);
        const __m512i high = _mm512_mullo_epi16(_mm512_and_si512(_mm512_srli_epi16(w, 4), mask), s1);
        _mm512_store_si512(to, _mm512_add_epi8(low, offset));
        _mm512_store_si512(to + tiles * 64, _mm512_add_epi8(high, offset));
      }
    }
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
  for (int64_t row = row0; row < row1; row++) {
    for (int t = 0; t < tiles; t++) finish(args, tile + t, row, sums[(row - row0) * tiles + t]);
  }
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
