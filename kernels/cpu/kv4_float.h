/* KV4 products in float: integers of queries and weights times codes, exact below 2^24. Layout of the cache: rope.cpp. */
namespace tetrad {
namespace TT_PATH {

constexpr int64_t CODE_BYTES = 4;

/* Numbers i .. i + LANES - 1 of a row. */
TT_INLINE void storeQueryCodes(vi value, int64_t i, int64_t, uint8_t *to) { store((float *)to + i, __builtin_convertvector(value, vf)); }
TT_INLINE void storeWeightCodes(vi value, int64_t i, int64_t n, uint8_t *to) { storeQueryCodes(value, i, n, to); }
TT_INLINE vf loadScores(const float *p) { return load(p); }

/* Nibble `shift / 4` of every dword, as float. */
TT_INLINE vf nibble(vu v, int shift) { return __builtin_convertvector((vi)((v >> shift) & 15), vf); }

/* out[r][16 tokens] = q[r] . keys: even and odd halves of eight elements in two sums. */
template <int R> static void scoresKV4(const uint8_t *keys, int64_t d8, const uint8_t *codes, int64_t width, float *out, int64_t places) {
  const float *q = (const float *)codes;
  for (int u = 0; u < 16; u += LANES) {
    vf low[R], high[R];
    for (int r = 0; r < R; r++) low[r] = high[r] = vf{};
    for (int64_t j = 0; j < d8; j++) {
      const vu w = loadAs<vu>(keys + j * 64 + u * 4);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        const vf a = nibble(w, 8 * i), b = nibble(w, 8 * i + 4);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
          low[r] = fma(splat(q[r * width + j * 8 + i]), a, low[r]);
          high[r] = fma(splat(q[r * width + j * 8 + 4 + i]), b, high[r]);
        }
      }
    }
    for (int r = 0; r < R; r++) store(out + r * places + u, low[r] + high[r]);
  }
}
/* sum[r][32j ..] = weights[r][token] * values. */
template <int R> static void valuesKV4(const uint8_t *const *tiles, int count, int64_t keyBytes, int64_t d32, const uint8_t *codes, int64_t places, float *sum, int64_t stride) {
  const float *weights = (const float *)codes;
  for (int64_t j = 0; j < d32; j++) {
    for (int u = 0; u < 16; u += LANES) {
      vf low[R], high[R];
      for (int r = 0; r < R; r++) {
        low[r] = high[r] = vf{};
      }
      for (int tile = 0; tile < count; tile++) {
        const uint8_t *values = tiles[tile] + keyBytes + j * 64 + u * 4;
        for (int quad = 0; quad < 4; quad++) {
          const vu w = loadAs<vu>(values + quad * d32 * 64);
#pragma GCC unroll 4
          for (int i = 0; i < 4; i++) {
            const vf a = nibble(w, 8 * i), b = nibble(w, 8 * i + 4);
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) {
              const vf p = splat(weights[r * places + tile * 16 + quad * 4 + i]);
              low[r] = fma(p, a, low[r]);
              high[r] = fma(p, b, high[r]);
            }
          }
        }
      }
      for (int r = 0; r < R; r++) {
        store(sum + r * stride + j * 32 + u, low[r]);
        store(sum + r * stride + j * 32 + 16 + u, high[r]);
      }
    }
  }
}

}  // namespace TT_PATH
}  // namespace tetrad
