/* W4A8 of many rows with AMX: 16 rows times 16 channels times 64 columns in one instruction, all of K in int32. Weights are expanded
 * to signed bytes once for a block of rows; activations are laid out once for all tasks. */
#include "tiles.h"

namespace tetrad {
namespace TT_PATH {

constexpr int64_t TILE_BYTES = 1024;
constexpr int64_t STEP_GROUPS = 8;   /* of K at a time: two tiles of channels are 32 KiB, within the first cache */
constexpr int64_t TASK_TILES = 8, TASK_ROWS = 512;

/* Activations as left operands: [ceil(rows / 16)][K / 64][16 rows][64], zeros behind the last row. */
static void layOutRows(const Activation &input, int64_t size, int64_t block, uint8_t *to) {
  const int64_t stride = input.groups * 128;
  const int64_t rows = minOf(16, size - block * 16);
  const int8_t *x = input.q + block * 16 * stride;
  to += block * 16 * stride;
  for (int64_t k = 0; k < stride; k += 64, to += TILE_BYTES) {
    for (int64_t r = 0; r < rows; r++) _mm512_store_si512(to + r * 64, _mm512_loadu_si512(x + r * stride + k));
    memset(to + rows * 64, 0, (size_t)(16 - rows) * 64);
  }
}

/* sums [R blocks][T tiles] (+)= left [R] * right [T], `steps` times 64 columns; blocks lie `leftStride` apart, tiles `rightStride`,
 * sums of blocks `sumStride`. */
template <int R, int T> static void tileBlock(const uint8_t *left, int64_t leftStride, const uint8_t *right, int64_t rightStride, int64_t steps, bool first, uint8_t *sums, int64_t sumStride) {
  if (first) {
    TILE_ZERO(0);
    if constexpr (T == 2) TILE_ZERO(1);
    if constexpr (R == 2) TILE_ZERO(2);
    if constexpr (R == 2 && T == 2) TILE_ZERO(3);
  } else {
    TILE_LOAD(0, sums, 64);
    if constexpr (T == 2) TILE_LOAD(1, sums + TILE_BYTES, 64);
    if constexpr (R == 2) TILE_LOAD(2, sums + sumStride, 64);
    if constexpr (R == 2 && T == 2) TILE_LOAD(3, sums + sumStride + TILE_BYTES, 64);
  }
  for (int64_t k = 0; k < steps; k++, left += TILE_BYTES, right += TILE_BYTES) {
    TILE_LOAD(4, left, 64);
    TILE_LOAD(6, right, 64);
    TILE_DOT(0, 4, 6);
    if constexpr (T == 2) {
      TILE_LOAD(7, right + rightStride, 64);
      TILE_DOT(1, 4, 7);
    }
    if constexpr (R == 2) {
      TILE_LOAD(5, left + leftStride, 64);
      TILE_DOT(2, 5, 6);
    }
    if constexpr (R == 2 && T == 2) TILE_DOT(3, 5, 7);
  }
  TILE_STORE(0, sums, 64);
  if constexpr (T == 2) TILE_STORE(1, sums + TILE_BYTES, 64);
  if constexpr (R == 2) TILE_STORE(2, sums + sumStride, 64);
  if constexpr (R == 2 && T == 2) TILE_STORE(3, sums + sumStride + TILE_BYTES, 64);
}

typedef void (*TileBlock)(const uint8_t *, int64_t, const uint8_t *, int64_t, int64_t, bool, uint8_t *, int64_t);
static const TileBlock TILE_BLOCKS[2][2] = {{tileBlock<1, 1>, tileBlock<1, 2>}, {tileBlock<2, 1>, tileBlock<2, 2>}};

struct ManyTask {
  const LinearArgs &args;
  const uint8_t *left;         /* of all rows: layOutRows */
  int64_t tile, tiles;
  int64_t block0, block1;      /* of 16 rows */
  uint8_t *right;              /* [tiles][columns / 64][16][64] */
  uint8_t *sums;               /* [blocks][tiles][16 rows][16] */
};

/* Some columns of all of a task's blocks and tiles. */
static void manyColumns(const ManyTask &task, int64_t g0, int64_t g1) {
  const tt_weight &weight = *task.args.weight;
  const int64_t steps = (g1 - g0) * 2, rightStride = steps * TILE_BYTES, leftStride = weight.groups * 2 * TILE_BYTES, sumStride = task.tiles * TILE_BYTES;
  for (int64_t t = 0; t < task.tiles; t++) {
    for (int64_t g = g0; g < g1; g++) expandGroup(weight, task.tile + t, g, 0, task.right + t * rightStride + (g - g0) * 2 * TILE_BYTES, 64);
  }
  beforeTileLoads();
  for (int64_t t = 0; t < task.tiles; t += 2) {
    const int64_t T = minOf(2, task.tiles - t);
    for (int64_t block = task.block0; block < task.block1; block += 2) {
      const int64_t R = minOf(2, task.block1 - block);
      uint8_t *sums = task.sums + (block - task.block0) * sumStride + t * TILE_BYTES;
      TILE_BLOCKS[R - 1][T - 1](task.left + block * leftStride + g0 * 2 * TILE_BYTES, leftStride, task.right + t * rightStride, rightStride, steps, g0 == 0, sums, sumStride);
    }
  }
}

/* All columns, then output row by row: a row's channels lie together. */
static void manyTask(const ManyTask &task) {
  const int64_t groups = task.args.weight->groups;
  const bool past = pastCaches(task.args);
  for (int64_t g = 0; g < groups; g += STEP_GROUPS) manyColumns(task, g, minOf(groups, g + STEP_GROUPS));
  for (int64_t row = task.block0 * 16; row < minOf(task.args.size, task.block1 * 16); row++) {
    const uint8_t *sums = task.sums + (row / 16 - task.block0) * task.tiles * TILE_BYTES + row % 16 * 64;
    for (int64_t t = 0; t < task.tiles; t++) finish(task.args, task.tile + t, row, _mm512_load_si512(sums + t * TILE_BYTES), past);
  }
  _mm_sfence();
}

static int w4Many(Runtime &runtime, const LinearArgs &args) {
  const tt_weight &weight = *args.weight;
  const int64_t blocks = ceilDiv(args.size, 16), columns = weight.groups * 128;
  /* Large tasks read less; there must be enough of them to share. */
  int64_t tiles = TASK_TILES, rowBlocks = minOf(blocks, TASK_ROWS / 16);
  const auto tasks = [&] { return ceilDiv(weight.tiles, tiles) * ceilDiv(blocks, rowBlocks); };
  while (tiles > 2 && tasks() < 2 * threadsOf(runtime)) tiles /= 2;
  while (rowBlocks > 4 && tasks() < 2 * threadsOf(runtime)) rowBlocks = ceilDiv(rowBlocks, 4) * 2;
  const int64_t parts = ceilDiv(blocks, rowBlocks);

  uint8_t *left = (uint8_t *)sharedScratch(runtime, blocks * 16 * columns);
  int64_t stride;
  const int64_t rightBytes = tiles * minOf(weight.groups, STEP_GROUPS) * 2 * TILE_BYTES;
  uint8_t *scratch = workerScratch(runtime, rightBytes + rowBlocks * tiles * TILE_BYTES, &stride);
  if (!left || !scratch) return fail(runtime, TT_OUT_OF_MEMORY, "no memory for %d rows of %d", (int)args.size, (int)columns);
  const int64_t each = itemsPerTask(runtime, blocks, 16 * columns, 65536);
  parallel(runtime, ceilDiv(blocks, each), [&](int task, int) {
    for (int64_t block = task * each; block < minOf(blocks, (task + 1) * each); block++) layOutRows(args.input, args.size, block, left);
  });
  parallel(runtime, ceilDiv(weight.tiles, tiles) * parts, [&](int task, int worker) {
    const int64_t tile = task / parts * tiles, block = task % parts * rowBlocks;
    uint8_t *right = scratch + worker * stride;
    const ManyTask many = {args, left, tile, minOf(tiles, weight.tiles - tile), block, minOf(blocks, block + rowBlocks), right, right + rightBytes};
    openTiles();
    manyTask(many);
    closeTiles();
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
