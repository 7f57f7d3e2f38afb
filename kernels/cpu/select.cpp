/* Order among candidates: weight falling, ties by rising id. Compiled once, for any processor. */
#include "ops.h"

#include <algorithm>

namespace tetrad {

static bool better(const Candidate &a, const Candidate &b) { return a.weight != b.weight ? a.weight > b.weight : a.id < b.id; }

void selectBest(Candidate *candidates, int64_t count, int64_t k) {
  if (k > count) k = count;
  if (k < count) std::nth_element(candidates, candidates + k, candidates + count, better);
  std::sort(candidates, candidates + k, better);
}

void sortById(Candidate *candidates, int64_t count) {
  std::sort(candidates, candidates + count, [](const Candidate &a, const Candidate &b) { return a.id < b.id; });
}

}  // namespace tetrad
