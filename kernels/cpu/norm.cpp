/* Residual add, RMSNorm and quantization of rows, in two passes over a row that stays in the first cache. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

static void normRow(const NormArgs &args, int64_t i, float *y) {
  const int64_t C = args.width;
  const int64_t r = args.gather ? args.gather[i] : i;
  float *x = args.residual + r * C;
  if (args.delta) {
    const float *delta = args.delta + r * C;
    if (args.deltaNorm) {
      const vf inverse = splat(inverseRms(delta, C, args.epsilon));
      forVectors(C, [&](int64_t c, int64_t lanes) {
        const vf add = loadLanes(delta + c, lanes) * inverse * loadLanes(args.deltaNorm + c, lanes);
        storeLanes(x + c, loadLanes(x + c, lanes) + add, lanes);
      });
    } else {
      forVectors(C, [&](int64_t c, int64_t lanes) { storeLanes(x + c, loadLanes(x + c, lanes) + loadLanes(delta + c, lanes), lanes); });
    }
  }
  const vf inverse = splat(inverseRms(x, C, args.epsilon));
  forVectors(C, [&](int64_t c, int64_t lanes) {
    storeLanes(y + c, loadLanes(x + c, lanes) * inverse * loadLanes(args.weight + c, lanes), lanes);
  });
  storeActivation(args.out, i, y);
}

int norm(Runtime &runtime, const NormArgs &args) {
  for (int64_t i = 0; args.gather && i < args.size; i++) {
    if (args.gather[i] < 0 || args.gather[i] >= args.residualRows) {
      return fail(runtime, TT_BAD_ARGUMENT, "gather[%d] = %d; the residual has %d rows", (int)i, (int)args.gather[i], (int)args.residualRows);
    }
  }
  const int64_t padded = paddedWidth(args.width);
  int64_t stride;
  uint8_t *scratch = workerScratch(runtime, padded * 4, &stride);
  if (!scratch) return fail(runtime, TT_OUT_OF_MEMORY, "no memory for a row of %d", (int)args.width);
  const int64_t each = itemsPerTask(runtime, args.size, args.width, 16384);
  parallel(runtime, ceilDiv(args.size, each), [&](int task, int worker) {
    float *y = (float *)(scratch + worker * stride);
    memset(y + args.width, 0, (size_t)(padded - args.width) * 4);
    for (int64_t i = task * each; i < minOf(args.size, (task + 1) * each); i++) normRow(args, i, y);
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
