/* The table of paths, best first; build.mjs compiles the op files once for each. */
#include "runtime.h"

namespace tetrad {

#define DECLARE(path)                              \
  namespace path {                                 \
  int embed(Runtime &, const EmbedArgs &);         \
  int norm(Runtime &, const NormArgs &);           \
  int linear(Runtime &, const LinearArgs &);       \
  int rope(Runtime &, const RopeArgs &);           \
  int attend(Runtime &, const AttendArgs &);       \
  int gate(Runtime &, const GateArgs &);           \
  int logits(Runtime &, const LogitsArgs &);       \
  int sample(Runtime &, const SampleArgs &);       \
  uint64_t readAll(const uint8_t *, int64_t);      \
  double multiplyAdds(int64_t);                    \
  static int supported(void);                      \
  static const Path table = {#path, supported, embed, norm, linear, rope, attend, gate, logits, sample, readAll, multiplyAdds}; \
  }
#define ADDRESS(path) &path::table,

#if defined(__x86_64__)
DECLARE(avx512vnni)
int avx512vnni::supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}
DECLARE(avx2)
int avx2::supported() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
DECLARE(portable)
int portable::supported() { return 1; }

const Path *const PATHS[] = {
#if defined(__x86_64__)
    ADDRESS(avx512vnni) ADDRESS(avx2)
#endif
    ADDRESS(portable)};
const int PATH_COUNT = (int)(sizeof PATHS / sizeof PATHS[0]);

}  // namespace tetrad
