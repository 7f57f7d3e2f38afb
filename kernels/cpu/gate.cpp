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
template <bool SILU> TT_INLINE void gateLanes(const float *gate, const float *up, float *y) {
  const vd g = loadDoubles(gate);
  const vfHalf rounded = __builtin_convertvector(SILU ? silu(g) : geluTanh(g), vfHalf);
  const vfHalf product = rounded * loadAs<vfHalf>(up);
  memcpy(y, &product, sizeof product);
}

template <bool SILU> static void gateRow(const float *gate, const float *up, float *y, int64_t width) {
  int64_t i = 0;
  for (; i + DOUBLES <= width; i += DOUBLES) gateLanes<SILU>(gate + i, up + i, y + i);
  float g[DOUBLES] = {0}, u[DOUBLES] = {0}, rest[DOUBLES];
  memcpy(g, gate + i, (size_t)(width - i) * 4);
  memcpy(u, up + i, (size_t)(width - i) * 4);
  gateLanes<SILU>(g, u, rest);
  memcpy(y + i, rest, (size_t)(width - i) * 4);
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
