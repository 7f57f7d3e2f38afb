/* activation(gate) * up, then quantization: the row is made in scratch memory and read once more for its scale. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

TT_INLINE vf silu(vf x) { return x / (splat(1.0f) + vexp(-x)); }
TT_INLINE vf geluTanh(vf x) {
  const vf cube = x * x * x;
  return splat(0.5f) * x * (splat(1.0f) + vtanh(splat(0.7978845608f) * (x + splat(0.044715f) * cube)));
}

int gate(Runtime &runtime, const GateArgs &args) {
  const int64_t F = args.out.width, padded = paddedWidth(F);
  int64_t stride;
  uint8_t *scratch = workerScratch(runtime, padded * 4, &stride);
  if (!scratch) return fail(runtime, TT_OUT_OF_MEMORY, "no memory for a row of %d", (int)F);
  const int64_t each = itemsPerTask(runtime, args.size, F, 8192);
  parallel(runtime, ceilDiv(args.size, each), [&](int task, int worker) {
    float *y = (float *)(scratch + worker * stride);
    memset(y + F, 0, (size_t)(padded - F) * 4);
    for (int64_t t = task * each; t < minOf(args.size, (task + 1) * each); t++) {
      const float *x = args.gateUp + t * 2 * F;
      forVectors(F, [&](int64_t i, int64_t lanes) {
        const vf g = loadLanes(x + i, lanes);
        storeLanes(y + i, (args.gate == TT_SILU ? silu(g) : geluTanh(g)) * loadLanes(x + F + i, lanes), lanes);
      });
      storeActivation(args.out, t, y);
    }
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
