/* The tile instructions of AMX. With TETRAD_EMULATE they are plain loops, so that what uses them can be tested on any processor
 * with AVX512-VNNI. A tile's number must be a literal. */
#ifndef TETRAD_CPU_TILES_H
#define TETRAD_CPU_TILES_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

namespace tetrad {
namespace TT_PATH {

/* Eight tiles of 16 rows of 64 bytes. */
struct alignas(64) TileShapes {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static const TileShapes WHOLE_TILES;

#if defined(TETRAD_EMULATE)

struct Tile { uint8_t bytes[16][64]; };
static thread_local Tile emulatedTiles[8];
static thread_local bool tilesReady;

static inline Tile &tileAt(int tile) {
  if (!tilesReady) __builtin_trap();
  return emulatedTiles[tile];
}
static inline void tileLoad(int tile, const void *p, int64_t stride) {
  for (int r = 0; r < 16; r++) memcpy(tileAt(tile).bytes[r], (const uint8_t *)p + r * stride, 64);
}
static inline void tileStore(int tile, void *p, int64_t stride) {
  for (int r = 0; r < 16; r++) memcpy((uint8_t *)p + r * stride, tileAt(tile).bytes[r], 64);
}
template <class A, class B> static inline void tileDot(int to, int left, int right) {
  int32_t sums[16][16];
  memcpy(sums, tileAt(to).bytes, sizeof sums);
  for (int m = 0; m < 16; m++) {
    for (int n = 0; n < 16; n++) {
      for (int k = 0; k < 64; k++) sums[m][n] += (A)tileAt(left).bytes[m][k] * (B)tileAt(right).bytes[k / 4][n * 4 + k % 4];
    }
  }
  memcpy(tileAt(to).bytes, sums, sizeof sums);
}
static inline void openTiles() {
  tilesReady = true;
  memset(emulatedTiles, 0, sizeof emulatedTiles);
}
static inline void closeTiles() { tilesReady = false; }
#define TILE_ZERO(tile) memset(tileAt(tile).bytes, 0, 1024)
#define TILE_LOAD(tile, p, stride) tileLoad(tile, p, stride)
#define TILE_STORE(tile, p, stride) tileStore(tile, p, stride)
/* Signed bytes times signed bytes; signed times unsigned. */
#define TILE_DOT(to, left, right) tileDot<int8_t, int8_t>(to, left, right)
#define TILE_DOT_UNSIGNED(to, left, right) tileDot<int8_t, uint8_t>(to, left, right)

#else

static inline void openTiles() { _tile_loadconfig(&WHOLE_TILES); }
/* A thread without tiles in use is cheap to switch. */
static inline void closeTiles() { _tile_release(); }
#define TILE_ZERO(tile) _tile_zero(tile)
#define TILE_LOAD(tile, p, stride) _tile_loadd(tile, p, stride)
#define TILE_STORE(tile, p, stride) _tile_stored(tile, p, stride)
#define TILE_DOT(to, left, right) _tile_dpbssd(to, left, right)
#define TILE_DOT_UNSIGNED(to, left, right) _tile_dpbsud(to, left, right)

#endif

/* Not every compiler knows that a tile load reads memory: what was stored before this is in memory after it. */
static inline void beforeTileLoads() { asm volatile("" ::: "memory"); }

}  // namespace TT_PATH
}  // namespace tetrad
#endif
