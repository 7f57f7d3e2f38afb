/* KV4 products in bytes: an integer of a query or a weight is two signed bytes, a code an unsigned one, and vpdpbusd adds four products
 * at a time. Exact, so the same as the float form in kv4_float.h. Layout of the cache: rope.cpp. */
namespace tetrad {
namespace TT_PATH {

/* Bytes of a number: all high bytes of a row, then all low ones. */
constexpr int64_t CODE_BYTES = 2;

TT_INLINE void storeBytes(vi high, vi low, int64_t i, int64_t n, uint8_t *to) {
  const vs8 a = __builtin_convertvector(high, vs8), b = __builtin_convertvector(low, vs8);
  memcpy(to + i, &a, sizeof a);
  memcpy(to + n + i, &b, sizeof b);
}
/* Numbers i .. i + 15 of a row of n. A query of -2048..2047 is 16 * high + low: 16 times a code is still a byte. A weight of up to 8191
 * is 128 * high + low. */
TT_INLINE void storeQueryCodes(vi value, int64_t i, int64_t n, uint8_t *to) { storeBytes(value >> 4, value & 15, i, n, to); }
TT_INLINE void storeWeightCodes(vi value, int64_t i, int64_t n, uint8_t *to) {
  const vi high = (value + 64) >> 7;
  storeBytes(high, value - (high << 7), i, n, to);
}
TT_INLINE __m512i weightSums(__m512i high, __m512i low) { return _mm512_add_epi32(_mm512_slli_epi32(high, 7), low); }

/* Scores as the products leave them. */
TT_INLINE vf loadScores(const float *p) { return __builtin_convertvector(loadAs<vi>(p), vf); }

TT_INLINE __m512i fourCodes(const uint8_t *p) {
  int32_t bytes;
  memcpy(&bytes, p, 4);
  return _mm512_set1_epi32(bytes);
}

/* out[r][16 tokens] = q[r] . keys; q is `width` numbers a row. */
template <int R> static void scoresKV4(const uint8_t *keys, int64_t d8, const uint8_t *q, int64_t width, float *out, int64_t places) {
  const __m512i mask = _mm512_set1_epi8(15);
  __m512i high[R], low[R];
  for (int r = 0; r < R; r++) high[r] = low[r] = _mm512_setzero_si512();
  for (int64_t j = 0; j < d8; j++) {
    const __m512i codes = _mm512_loadu_si512(keys + j * 64);
    const __m512i a = _mm512_and_si512(codes, mask), b = _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask);
    const __m512i a16 = _mm512_slli_epi16(a, 4), b16 = _mm512_andnot_si512(mask, codes);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const uint8_t *row = q + r * CODE_BYTES * width + j * 8;
      high[r] = _mm512_dpbusd_epi32(high[r], a16, fourCodes(row));
      low[r] = _mm512_dpbusd_epi32(low[r], a, fourCodes(row + width));
      high[r] = _mm512_dpbusd_epi32(high[r], b16, fourCodes(row + 4));
      low[r] = _mm512_dpbusd_epi32(low[r], b, fourCodes(row + width + 4));
    }
  }
  for (int r = 0; r < R; r++) _mm512_storeu_si512(out + r * places, _mm512_add_epi32(high[r], low[r]));
}

template <int R> static void valueRows(const uint8_t *const *tiles, int count, int64_t keyBytes, int64_t d32, const uint8_t *weights, int64_t places, float *sum, int64_t stride) {
  const __m512i mask = _mm512_set1_epi8(15);
  for (int64_t j = 0; j < d32; j++) {
    __m512i high[R][2], low[R][2];
    for (int r = 0; r < R; r++) high[r][0] = high[r][1] = low[r][0] = low[r][1] = _mm512_setzero_si512();
    for (int tile = 0; tile < count; tile++) {
      const uint8_t *values = tiles[tile] + keyBytes + j * 64;
#pragma GCC unroll 4
      for (int quad = 0; quad < 4; quad++) {
        const __m512i codes = _mm512_loadu_si512(values + quad * d32 * 64);
        const __m512i a = _mm512_and_si512(codes, mask), b = _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
          const uint8_t *row = weights + r * CODE_BYTES * places + tile * 16 + quad * 4;
          const __m512i h = fourCodes(row), l = fourCodes(row + places);
          high[r][0] = _mm512_dpbusd_epi32(high[r][0], a, h);
          low[r][0] = _mm512_dpbusd_epi32(low[r][0], a, l);
          high[r][1] = _mm512_dpbusd_epi32(high[r][1], b, h);
          low[r][1] = _mm512_dpbusd_epi32(low[r][1], b, l);
        }
      }
    }
    for (int r = 0; r < R; r++) {
      for (int half = 0; half < 2; half++) _mm512_storeu_ps(sum + r * stride + j * 32 + half * 16, _mm512_cvtepi32_ps(weightSums(high[r][half], low[r][half])));
    }
  }
}

/* sum[r][..] = weights[r] . values: four rows at a time fill the registers. */
template <int R> static void valuesKV4(const uint8_t *const *tiles, int count, int64_t keyBytes, int64_t d32, const uint8_t *weights, int64_t places, float *sum, int64_t stride) {
  constexpr int FIRST = R < 4 ? R : 4;
  valueRows<FIRST>(tiles, count, keyBytes, d32, weights, places, sum, stride);
  if constexpr (R > FIRST) valueRows<R - FIRST>(tiles, count, keyBytes, d32, weights + FIRST * CODE_BYTES * places, places, sum + FIRST * stride, stride);
}

}  // namespace TT_PATH
}  // namespace tetrad
