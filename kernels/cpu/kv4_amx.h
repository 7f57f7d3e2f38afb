/* KV4 products of up to 16 rows with AMX: a chunk's codes are unpacked once, as right operands, and the numbers of queries and weights are
 * left operands as they lie (kv4_vnni.h). */
#include "tiles.h"

namespace tetrad {
namespace TT_PATH {

constexpr int64_t HEAD_PAD = 64;   /* columns of one product */
constexpr int64_t WIDE_ROWS = 16, WIDE_TILES = 4;
constexpr int64_t TILE_BYTES = 1024;

/* Bytes that the two functions below need: operands, and sums of values. */
TT_INLINE int64_t wideBytes(int64_t paddedD) { return maxOf(WIDE_TILES * paddedD / 64 * 2, paddedD / 16 * 3) * TILE_BYTES; }

/* out[16 rows][4 tiles of 16 tokens] = q . keys, in integers. Operands: [4 tiles][paddedD / 64][16 times the codes, the codes][16][64]. */
static void wideScores(const uint8_t *const *tiles, int64_t d8, const uint8_t *q, int64_t paddedD, float *out, int64_t places, uint8_t *operands) {
  const __m512i mask = _mm512_set1_epi8(15);
  const int64_t steps = paddedD / 64, tileStride = steps * 2 * TILE_BYTES;
  for (int64_t tile = 0; tile < WIDE_TILES; tile++) {
    for (int64_t j = 0; j < d8; j++) {
      uint8_t *to = operands + tile * tileStride + j / 8 * 2 * TILE_BYTES + j % 8 * 128;
      const __m512i codes = _mm512_loadu_si512(tiles[tile] + j * 64);
      const __m512i a = _mm512_and_si512(codes, mask), b = _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask);
      _mm512_store_si512(to, _mm512_slli_epi16(a, 4));
      _mm512_store_si512(to + 64, _mm512_andnot_si512(mask, codes));
      _mm512_store_si512(to + TILE_BYTES, a);
      _mm512_store_si512(to + TILE_BYTES + 64, b);
    }
  }
  beforeTileLoads();
  TILE_ZERO(0);
  TILE_ZERO(1);
  TILE_ZERO(2);
  TILE_ZERO(3);
  for (int64_t step = 0; step < steps; step++) {
    const uint8_t *right = operands + step * 2 * TILE_BYTES;
    TILE_LOAD(4, q + step * 64, CODE_BYTES * paddedD);
    TILE_LOAD(5, q + paddedD + step * 64, CODE_BYTES * paddedD);
#define TILE_SCORES(tile)                                          \
  TILE_LOAD(6, right + tile * tileStride, 64);                     \
  TILE_DOT_UNSIGNED(tile, 4, 6);                                   \
  TILE_LOAD(7, right + tile * tileStride + TILE_BYTES, 64);        \
  TILE_DOT_UNSIGNED(tile, 5, 7)
    TILE_SCORES(0);
    TILE_SCORES(1);
    TILE_SCORES(2);
    TILE_SCORES(3);
#undef TILE_SCORES
  }
  TILE_STORE(0, out, places * 4);
  TILE_STORE(1, out + 16, places * 4);
  TILE_STORE(2, out + 32, places * 4);
  TILE_STORE(3, out + 48, places * 4);
}

/* sum[rows][..] = weights . values over 4 tiles of 16 tokens. Operands: [2 d32][16 times 4 tokens][16 elements][4]. */
static void wideValues(const uint8_t *const *tiles, int64_t rows, int64_t keyBytes, int64_t d32, const uint8_t *weights, int64_t places, float *sum, int64_t stride, uint8_t *operands) {
  const __m512i mask = _mm512_set1_epi8(15);
  for (int64_t quad = 0; quad < WIDE_TILES * 4; quad++) {
    const uint8_t *values = tiles[quad / 4] + keyBytes + quad % 4 * d32 * 64;
    for (int64_t j = 0; j < d32; j++) {
      uint8_t *to = operands + 2 * j * TILE_BYTES + quad * 64;
      const __m512i codes = _mm512_loadu_si512(values + j * 64);
      _mm512_store_si512(to, _mm512_and_si512(codes, mask));
      _mm512_store_si512(to + TILE_BYTES, _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask));
    }
  }
  beforeTileLoads();
  uint8_t *sums = operands + 2 * d32 * TILE_BYTES;  /* [2 d32][high, low][16 rows][16] */
  TILE_LOAD(4, weights, CODE_BYTES * places);
  TILE_LOAD(5, weights + places, CODE_BYTES * places);
  for (int64_t j = 0; j < d32; j++) {
    const uint8_t *right = operands + 2 * j * TILE_BYTES;
    uint8_t *to = sums + 4 * j * TILE_BYTES;
    TILE_LOAD(6, right, 64);
    TILE_LOAD(7, right + TILE_BYTES, 64);
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    TILE_DOT_UNSIGNED(0, 4, 6);
    TILE_DOT_UNSIGNED(1, 5, 6);
    TILE_DOT_UNSIGNED(2, 4, 7);
    TILE_DOT_UNSIGNED(3, 5, 7);
    TILE_STORE(0, to, 64);
    TILE_STORE(1, to + TILE_BYTES, 64);
    TILE_STORE(2, to + 2 * TILE_BYTES, 64);
    TILE_STORE(3, to + 3 * TILE_BYTES, 64);
  }
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t e = 0; e < 2 * d32; e++) {
      const uint8_t *high = sums + 2 * e * TILE_BYTES + r * 64;
      store(sum + r * stride + e * 16, __builtin_convertvector(weightSums(loadAs<vi>(high), loadAs<vi>(high + TILE_BYTES)), vf));
    }
  }
}

}  // namespace TT_PATH
}  // namespace tetrad
