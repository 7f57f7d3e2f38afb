/* W4A8 in vectors of 256 bits: half a tile (8 channels) at a time. Layout: linear.cpp. */
namespace tetrad {
namespace TT_PATH {

constexpr int W4_ROWS = 4;

/* dot[r] += nibbles of four steps * x[r]. In 16 bits: |q * x| summed over 2 columns is at most 15 * 127 * 2 = 3810, so that 8 of them still fit and nothing saturates. */
template <int R> TT_INLINE void fourSteps(const uint8_t *q, const int8_t *x, int64_t stride, __m256i *dot) {
  const __m256i mask = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  __m256i narrow[R];
  for (int r = 0; r < R; r++) narrow[r] = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (int u = 0; u < 4; u++) {
    const __m256i w = _mm256_loadu_si256((const __m256i *)(q + u * 64));
    const __m256i low = _mm256_and_si256(w, mask), high = _mm256_and_si256(_mm256_srli_epi16(w, 4), mask);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
      int32_t a, b;
      memcpy(&a, x + r * stride + u * 8, 4);
      memcpy(&b, x + r * stride + u * 8 + 4, 4);
      narrow[r] = _mm256_add_epi16(narrow[r], _mm256_maddubs_epi16(low, _mm256_set1_epi32(a)));
      narrow[r] = _mm256_add_epi16(narrow[r], _mm256_maddubs_epi16(high, _mm256_set1_epi32(b)));
    }
  }
  for (int r = 0; r < R; r++) dot[r] = _mm256_add_epi32(dot[r], _mm256_madd_epi16(narrow[r], ones));
}

template <int R> static void w4HalfTile(const LinearArgs &args, int64_t tile, int half, int64_t row) {
  const tt_weight &weight = *args.weight;
  const int64_t groups = weight.groups, stride = groups * 128;
  const int8_t *x = args.input.q + row * stride;
  const int32_t *sums = args.input.sums + row * groups;
  __m256i total[R];
  for (int r = 0; r < R; r++) total[r] = _mm256_setzero_si256();
  for (int64_t g = 0; g < groups; g++) {
    const uint8_t *q = weight.q + (tile * groups + g) * 1024 + half * 32;
    const uint8_t *levels = weight.levels + (tile * groups + g) * 32 + half * 8;
    __m256i dot[R];
    for (int r = 0; r < R; r++) dot[r] = _mm256_setzero_si256();
    for (int j = 0; j < 16; j += 4) fourSteps<R>(q + j * 64, x + g * 128 + j * 8, stride, dot);
    const __m256i s1 = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)levels));
    const __m256i m = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(levels + 16)));
    for (int r = 0; r < R; r++) {
      const __m256i offset = _mm256_mullo_epi32(m, _mm256_set1_epi32(sums[r * groups + g]));
      total[r] = _mm256_add_epi32(total[r], _mm256_add_epi32(_mm256_mullo_epi32(dot[r], s1), offset));
    }
  }
  const int64_t n = tile * 16 + half * 8, lanes = minOf(8, weight.N - n);
  if (lanes <= 0) return;
  for (int r = 0; r < R; r++) {
    vf y = (vf)_mm256_cvtepi32_ps(total[r]) * splat(args.input.scale[row + r]) * load(weight.s0 + n);
    if (weight.bias) y = y + load(weight.bias + n);
    storeLanes(args.out + (row + r) * weight.N + n, y, lanes);
  }
}

static void w4Tile(const LinearArgs &args, int64_t tile, int64_t row, int rows) {
  for (int half = 0; half < 2; half++) {
    if (rows == 4) w4HalfTile<4>(args, tile, half, row);
    else if (rows == 3) w4HalfTile<3>(args, tile, half, row);
    else if (rows == 2) w4HalfTile<2>(args, tile, half, row);
    else w4HalfTile<1>(args, tile, half, row);
  }
}

}  // namespace TT_PATH
}  // namespace tetrad
