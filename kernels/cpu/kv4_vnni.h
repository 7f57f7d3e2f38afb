/* KV4 products in bytes: an integer of a query or a weight is two signed bytes, a code an unsigned one, and vpdpbusd adds four
 * products at a time. Exact, so the same as the float form in kv4_float.h. Layout of the cache: rope.cpp. */
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
TT_INLINE vi weightSums(vi high, vi low) { return (high << 7) + low; }

/* Scores as the products leave them. */
TT_INLINE vf loadScores(const float *p) { return __builtin_convertvector(loadAs<vi>(p), vf); }

TT_INLINE vi fourCodes(const uint8_t *p) {
  int32_t bytes;
  memcpy(&bytes, p, 4);
  return splatInt(bytes);
}
TT_INLINE vu lowNibbles(vu w) { return w & 0x0f0f0f0fu; }

/* out[r][16 tokens] = q[r] . keys; q is `width` numbers a row. */
template <int R> static void scoresKV4(const uint8_t *keys, int64_t d8, const uint8_t *q, int64_t width, float *out, int64_t places) {
  constexpr int CHAINS = LANES == 16 ? 2 : 1;  /* what registers hold */
  for (int u = 0; u < 16; u += LANES) {
    vi sums[R][CHAINS];
    for (int r = 0; r < R; r++) {
      for (int c = 0; c < CHAINS; c++) sums[r][c] = vi{};
    }
    for (int64_t j = 0; j < d8; j++) {
      const vu codes = loadAs<vu>(keys + j * 64 + u * 4);
      const vu a = lowNibbles(codes), b = lowNibbles(codes >> 4), a16 = a << 4, b16 = codes & 0xf0f0f0f0u;
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const uint8_t *row = q + r * CODE_BYTES * width + j * 8;
        sums[r][0] = dotBytes(sums[r][0], a16, fourCodes(row));
        sums[r][CHAINS - 1] = dotBytes(sums[r][CHAINS - 1], a, fourCodes(row + width));
        sums[r][0] = dotBytes(sums[r][0], b16, fourCodes(row + 4));
        sums[r][CHAINS - 1] = dotBytes(sums[r][CHAINS - 1], b, fourCodes(row + width + 4));
      }
    }
    for (int r = 0; r < R; r++) {
      const vi sum = CHAINS == 2 ? sums[r][0] + sums[r][CHAINS - 1] : sums[r][0];
      memcpy(out + r * places + u, &sum, sizeof sum);
    }
  }
}

template <int R> static void valueRows(const uint8_t *const *tiles, int count, int64_t keyBytes, int64_t d32, const uint8_t *weights, int64_t places, float *sum, int64_t stride) {
  for (int64_t j = 0; j < d32; j++) {
    for (int u = 0; u < 16; u += LANES) {
      vi high[R][2], low[R][2];
      for (int r = 0; r < R; r++) high[r][0] = high[r][1] = low[r][0] = low[r][1] = vi{};
      for (int tile = 0; tile < count; tile++) {
        const uint8_t *values = tiles[tile] + keyBytes + j * 64 + u * 4;
#pragma GCC unroll 4
        for (int quad = 0; quad < 4; quad++) {
          const vu codes = loadAs<vu>(values + quad * d32 * 64);
          const vu a = lowNibbles(codes), b = lowNibbles(codes >> 4);
#pragma GCC unroll 4
          for (int r = 0; r < R; r++) {
            const uint8_t *row = weights + r * CODE_BYTES * places + tile * 16 + quad * 4;
            const vi h = fourCodes(row), l = fourCodes(row + places);
            high[r][0] = dotBytes(high[r][0], a, h);
            low[r][0] = dotBytes(low[r][0], a, l);
            high[r][1] = dotBytes(high[r][1], b, h);
            low[r][1] = dotBytes(low[r][1], b, l);
          }
        }
      }
      for (int r = 0; r < R; r++) {
        for (int half = 0; half < 2; half++) store(sum + r * stride + j * 32 + half * 16 + u, __builtin_convertvector(weightSums(high[r][half], low[r][half]), vf));
      }
    }
  }
}

/* sum[r][..] = weights[r] . values: as many rows at a time as registers hold. */
template <int R> static void valuesKV4(const uint8_t *const *tiles, int count, int64_t keyBytes, int64_t d32, const uint8_t *weights, int64_t places, float *sum, int64_t stride) {
  constexpr int MOST = LANES == 16 ? 4 : 2, FIRST = R < MOST ? R : MOST;
  valueRows<FIRST>(tiles, count, keyBytes, d32, weights, places, sum, stride);
  if constexpr (R > FIRST) valuesKV4<R - FIRST>(tiles, count, keyBytes, d32, weights + FIRST * CODE_BYTES * places, places, sum + FIRST * stride, stride);
}

}  // namespace TT_PATH
}  // namespace tetrad
