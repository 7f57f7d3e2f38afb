/* activation(gate) * up, then quantization: the row is made in scratch memory and read once more for its scale. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

/* x / (1 + e^-z): z is x for SiLU; GELU is 0.5 x (1 + tanh(z / 2)), which is the same with another z. */
template <bool SILU> TT_INLINE vf activate(vf x) {
  const vf exponent = SILU ? x * splat(-LOG2_E) : (x + x * x * x * splat(0.044715f)) * splat(-2.3022082f);
  return x / (splat(1.0f) + exp2Exact(vmin(exponent, splat(126.0f))));
}

template <bool SILU> static void gateRow(const float *gate, const float *up, float *y, int64_t width) {
  forVectors(width, [&](int64_t i, int64_t lanes) { storeLanes(y + i, activate<SILU>(loadLanes(gate + i, lanes)) * loadLanes(up + i, lanes), lanes); });
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
      (args.gate == TT_SILU ? gateRow<true> : gateRow<false>)(x, x + F, y, F);
      storeActivation(args.out, t, y);
    }
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
