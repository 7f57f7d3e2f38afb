/* What several ops do to a row: the root mean square, and making it an activation. */
#ifndef TETRAD_CPU_ROWS_H
#define TETRAD_CPU_ROWS_H

#include "ops.h"
#include "simd.h"

namespace tetrad {
namespace TT_PATH {

/* body(vector index in floats, lanes used): whole vectors, then the rest. */
template <class F> TT_INLINE void forVectors(int64_t width, const F &body) {
  int64_t i = 0;
  for (; i + LANES <= width; i += LANES) body(i, (int64_t)LANES);
  if (i < width) body(i, width - i);
}
TT_INLINE vf loadLanes(const float *p, int64_t lanes) { return lanes == LANES ? load(p) : loadPart(p, lanes); }
TT_INLINE void storeLanes(float *p, vf v, int64_t lanes) {
  if (lanes == LANES) store(p, v);
  else storePart(p, v, lanes);
}

/* Summed in double, so that the order of the sum does not show. */
TT_INLINE float inverseRms(const float *x, int64_t width, float epsilon) {
  vd sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * DOUBLES <= width; i += 4 * DOUBLES) {
    for (int u = 0; u < 4; u++) {
      const vd v = loadDoubles(x + i + u * DOUBLES);
      sums[u] += v * v;
    }
  }
  const vd all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double sum = 0;
  for (int lane = 0; lane < DOUBLES; lane++) sum += all[lane];
  for (; i < width; i++) sum += (double)x[i] * (double)x[i];
  return (float)(1.0 / sqrt(sum / (double)width + (double)epsilon));
}

/* Floats that a row of an activation needs in scratch memory: padded with zeros to whole groups. */
TT_INLINE int64_t paddedWidth(int64_t width) { return ceilDiv(width, 128) * 128; }

/* Writes row t from y [paddedWidth], zero beyond the width. */
TT_INLINE void storeActivation(const Activation &out, int64_t t, const float *y) {
  if (out.kind == 0) {
    memcpy(out.f + t * out.width, y, (size_t)out.width * 4);
    return;
  }
  vf most4[4] = {};
  for (int64_t i = 0; i < out.groups * 128; i += 4 * LANES) {
    for (int u = 0; u < 4; u++) most4[u] = vmax(most4[u], vabs(load(y + i + u * LANES)));
  }
  const float most = maxLanes(vmax(vmax(most4[0], most4[1]), vmax(most4[2], most4[3])));
  const vf inverse = splat(most == 0.0f ? 0.0f : 127.0f / most);
  int8_t *q = out.q + t * out.groups * 128;
  for (int64_t g = 0; g < out.groups; g++) {
    vi sum = {};
    for (int64_t i = 0; i < 128; i += LANES) {
      const vi rounded = roundToInt(load(y + g * 128 + i) * inverse);
      sum += rounded;
      const vs8 bytes = __builtin_convertvector(rounded, vs8);
      memcpy(q + g * 128 + i, &bytes, sizeof bytes);
    }
    out.sums[t * out.groups + g] = sumLanesInt(sum);
  }
  out.scale[t] = most / 127.0f;
}

}  // namespace TT_PATH
}  // namespace tetrad
#endif
