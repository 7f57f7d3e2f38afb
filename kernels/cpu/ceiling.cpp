/* What one thread can do at most: the loops behind tt_ceilings. */
#include "simd.h"
#include "ops.h"
#if defined(__AMX_INT8__)
#include "tiles.h"
#endif

namespace tetrad {
namespace TT_PATH {

uint64_t readAll(const uint8_t *memory, int64_t bytes) {
  vi sum[8] = {};
  for (int64_t i = 0; i + (int64_t)sizeof sum <= bytes; i += sizeof sum) {
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) sum[u] = sum[u] ^ loadAs<vi>(memory + i + u * LANES * 4);
  }
  for (int u = 1; u < 8; u++) sum[0] = sum[0] ^ sum[u];
  uint64_t result = 0;
  for (int i = 0; i < LANES; i++) result ^= (uint32_t)sum[0][i];
  return result;
}

#if defined(__aarch64__)
#define VECTOR_OPERAND(v) "+w"(v)
#else
#define VECTOR_OPERAND(v) "+x"(v)
#endif

/* Twelve chains of four-way byte products, or four of tile products; the compiler must not know the operands. */
double multiplyAdds(int64_t rounds) {
  constexpr int CHAINS = 12;
#if defined(__AMX_INT8__)
  alignas(64) uint8_t operands[4][1024];
  memset(operands, 3, sizeof operands);
  openTiles();
  TILE_ZERO(0);
  TILE_ZERO(1);
  TILE_ZERO(2);
  TILE_ZERO(3);
  beforeTileLoads();
  TILE_LOAD(4, operands[0], 64);
  TILE_LOAD(5, operands[1], 64);
  TILE_LOAD(6, operands[2], 64);
  TILE_LOAD(7, operands[3], 64);
  for (int64_t i = 0; i < rounds / 16; i++) {
    TILE_DOT(0, 4, 6);
    TILE_DOT(1, 4, 7);
    TILE_DOT(2, 5, 6);
    TILE_DOT(3, 5, 7);
  }
  TILE_STORE(0, operands[0], 64);
  closeTiles();
  (void)CHAINS;
  return (double)(rounds / 16) * 4 * 16 * 16 * 64 * 2;
#elif defined(__AVX512VNNI__)
  __m512i acc[CHAINS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);
  for (int c = 0; c < CHAINS; c++) acc[c] = _mm512_setzero_si512();
  for (int64_t i = 0; i < rounds; i += 8) {
    asm volatile("" : "+v"(a), "+v"(b));
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
#pragma GCC unroll 12
      for (int c = 0; c < CHAINS; c++) acc[c] = _mm512_dpbusd_epi32(acc[c], a, b);
    }
  }
  for (int c = 0; c < CHAINS; c++) asm volatile("" ::"v"(acc[c]));
  return (double)rounds * CHAINS * 64 * 2;
#elif defined(TT_BYTE_DOTS)
  vi acc[CHAINS] = {}, b = splatInt(0x05050505);
  vu a = (vu)splatInt(0x03030303);
  for (int64_t i = 0; i < rounds; i += 8) {
    asm volatile("" : VECTOR_OPERAND(a), VECTOR_OPERAND(b));
#pragma GCC unroll 8
    for (int u = 0; u < 8; u++) {
#pragma GCC unroll 12
      for (int c = 0; c < CHAINS; c++) acc[c] = dotBytes(acc[c], a, b);
    }
  }
  for (int c = 0; c < CHAINS; c++) asm volatile("" : VECTOR_OPERAND(acc[c]));
  return (double)rounds * CHAINS * LANES * 4 * 2;
#elif defined(__AVX2__)
  __m256i acc[CHAINS], a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(5);
  for (int c = 0; c < CHAINS; c++) acc[c] = _mm256_setzero_si256();
  for (int64_t i = 0; i < rounds; i++) {
    asm volatile("" : "+x"(a), "+x"(b));
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++) {
      asm volatile("" : "+x"(a));
      acc[c] = _mm256_add_epi16(acc[c], _mm256_maddubs_epi16(a, b));
    }
  }
  for (int c = 0; c < CHAINS; c++) asm volatile("" ::"x"(acc[c]));
  return (double)rounds * CHAINS * 32 * 2;
#else
  int32_t acc[16] = {0};
  uint8_t a[64];
  int8_t b[64];
  memset(a, 3, sizeof a);
  memset(b, 5, sizeof b);
  for (int64_t i = 0; i < rounds; i++) {
    asm volatile("" ::"r"(a), "r"(b) : "memory");
    for (int n = 0; n < 16; n++) {
      for (int k = 0; k < 4; k++) acc[n] += a[n * 4 + k] * b[n * 4 + k];
    }
  }
  asm volatile("" ::"r"(acc) : "memory");
  (void)CHAINS;
  return (double)rounds * 64 * 2;
#endif
}

}  // namespace TT_PATH
}  // namespace tetrad
