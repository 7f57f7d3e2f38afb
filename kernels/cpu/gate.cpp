/* activation(gate) * up, then quantization: the row is made in scratch memory and read once more for its scale. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

TT_INLINE vd silu(vd x) { return x / (splatDouble(1.0) + expDoubles(-x)); }
TT_INLINE vd geluTanh(vd x) {
  const vd inner = splatDouble(0.79788456080286535588) * (x + splatDouble(0.044715) * x * x * x);
  return splatDouble(0.5) * x * (splatDouble(1.0) + tanhDoubles(inner));
}

/* The activation in double, rounded; then the product in float. */
template <bool SILU> static void gateRow(const float *gate, const float *up, float *y, int64_t width) {
  forDoubles(width, [&](int64_t i, int64_t lanes) {
    float lane[DOUBLES] = {0};
    memcpy(lane, gate + i, (size_t)lanes * 4);
    const vd g = loadDoubles(lane);
    storeDoubles(lane, SILU ? silu(g) : geluTanh(g));
    for (int64_t j = 0; j < lanes; j++) y[i + j] = lane[j] * up[i + j];
  });
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
