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

int64_t selectMass(Candidate *candidates, int64_t count, double target) {
  int64_t low = 0, high = count;
  double before = 0;  /* weight of [0, low), all of which is wanted */
  while (high - low > 64) {
    const int64_t middle = low + (high - low) / 2;
    std::nth_element(candidates + low, candidates + middle, candidates + high, better);
    double half = 0;
    for (int64_t i = low; i < middle; i++) half += candidates[i].weight;
    if (before + half >= target) {
      high = middle;
    } else {
      before += half;
      low = middle;
    }
  }
  std::sort(candidates + low, candidates + high, better);
  for (; low < high; low++) {
    before += candidates[low].weight;
    if (before >= target) return low + 1;
  }
  return high;
}

void sortById(Candidate *candidates, int64_t count) {
  std::sort(candidates, candidates + count, [](const Candidate &a, const Candidate &b) { return a.id < b.id; });
}

}  // namespace tetrad
