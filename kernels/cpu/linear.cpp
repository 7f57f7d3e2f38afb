/* Linears: W4A8 and W8A8 in integers here, dense weights in float32 in dense.cpp.
 *
 * All kinds lie in tiles of 16 output channels, so that lanes of a vector are channels and nothing is summed across lanes.
 *   w4     q [tiles, groups, 16 steps, 16 channels, 4]: a step of 64 bytes carries 8 columns of 16 channels: low nibbles are columns
 *          8j + 0..3 of the group, high nibbles 8j + 4..7: both are operands of a four-way byte product as they stand;
 *          levels [tiles, groups, 16 s1 + 16 m]. A row that is one group has its levels repeated.
 *   w8     q + 128 [tiles, groups, 32 steps, 16 channels, 4 columns], one scale a channel.
 *   dense  [tiles, K, 16].
 * w4 sums are exact, so few rows (nibbles, levels applied to each group's sums) and many rows (levels applied to the
 * weights, once for a block of rows) give the same bits. */
#include "rows.h"

#if defined(__AVX512VNNI__)
#include "w4_avx512.h"
#if defined(__AMX_INT8__)
#include "w4_many_amx.h"
#else
#include "w4_many_vnni.h"
#endif
#elif defined(TT_BYTE_DOTS)
#include "w4_dots.h"
#elif defined(__AVX2__)
#include "w4_avx2.h"
#else
#include "w4_portable.h"
#endif

#include "w8.h"

namespace tetrad {
namespace TT_BASE {
int dense(Runtime &, const LinearArgs &);
}
namespace TT_PATH {

/* A task is some tiles; each is read once from memory and stays in a near cache for all rows, `rowsAtOnce` of which pass together. */
template <class F> static int byTiles(Runtime &runtime, const LinearArgs &args, int64_t tileBytes, int rowsAtOnce, const F &rowsOfTile) {
  const tt_weight &weight = *args.weight;
  const int64_t each = itemsPerTask(runtime, weight.tiles, tileBytes * args.size, 65536);
  parallel(runtime, ceilDiv(weight.tiles, each), [&](int task, int) {
    for (int64_t tile = task * each; tile < minOf(weight.tiles, (task + 1) * each); tile++) {
      for (int64_t row = 0; row < args.size; row += rowsAtOnce) rowsOfTile(args, tile, row, (int)minOf(rowsAtOnce, args.size - row));
    }
  });
  return TT_OK;
}

int linear(Runtime &runtime, const LinearArgs &args) {
  if (args.size == 0) return TT_OK;
  const int64_t groups = args.weight->groups;
  if (args.weight->dtype == TT_I8) return byTiles(runtime, args, groups * 2048, W8_ROWS, w8Tile);
  if (args.weight->dtype != TT_U8) return TT_BASE::dense(runtime, args);
#if defined(__AVX512VNNI__)
  if (args.size > MANY_FROM) return w4Many(runtime, args);
#endif
  return byTiles(runtime, args, groups * 1024, W4_ROWS, w4Tile);
}

}  // namespace TT_PATH
}  // namespace tetrad
