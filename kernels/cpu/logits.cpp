/* The head: a linear, and the soft cap of Gemma 2. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

int linear(Runtime &, const LinearArgs &);

int logits(Runtime &runtime, const LogitsArgs &args) {
  const int status = linear(runtime, args.linear);
  if (status || args.softcap == 0.0f) return status;
  const int64_t size = args.linear.size * args.linear.weight->N;
  const vf cap = splat(args.softcap), inverse = splat(1.0f / args.softcap);
  const int64_t each = ceilDiv(itemsPerTask(runtime, size, 1, 16384), LANES) * LANES;
  parallel(runtime, ceilDiv(size, each), [&](int task, int) {
    float *x = args.linear.out + task * each;
    forVectors(minOf(each, size - task * each), [&](int64_t i, int64_t lanes) {
      storeLanes(x + i, cap * vtanh(loadLanes(x + i, lanes) * inverse), lanes);
    });
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
