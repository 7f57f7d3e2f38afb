/* The table of paths, best first; build.mjs compiles the op files once for each. */
#include "runtime.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

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
/* A path that has some ops of its own and takes the others from another. */
#define DECLARE_OVER(path, base)                   \
  namespace path {                                 \
  int linear(Runtime &, const LinearArgs &);       \
  int attend(Runtime &, const AttendArgs &);       \
  int logits(Runtime &, const LogitsArgs &);       \
  double multiplyAdds(int64_t);                    \
  static int supported(void);                      \
  static const Path table = {#path, supported, base::embed, base::norm, linear, base::rope, attend, base::gate, logits, base::sample, base::readAll, multiplyAdds}; \
  }
#define ADDRESS(path) &path::table,

#if defined(__x86_64__)
DECLARE(avx512vnni)
int avx512vnni::supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}
DECLARE_OVER(amx, avx512vnni)
#if defined(TETRAD_EMULATE)
int amx::supported() { return avx512vnni::supported(); }
#elif defined(__linux__)
/* Tiles are state that the system must save: it enables them for the processor (XCR0) and, on request, for this process. */
static int requestTiles() {
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d >> 24 & 3) != 3) return 0;  /* amx-tile, amx-int8 */
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return 0;               /* osxsave */
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr unsigned TILE_STATE = 3u << 17;
  if ((low & TILE_STATE) != TILE_STATE) return 0;
  constexpr int REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
int amx::supported() {
  static const int granted = avx512vnni::supported() && requestTiles();
  return granted;
}
#else
int amx::supported() { return 0; }
#endif
DECLARE(avx2)
DECLARE_OVER(avxvnni, avx2)
int avxvnni::supported() {
#if defined(TETRAD_EMULATE)
  return avx2::supported();
#else
  unsigned a, b, c, d;
  return avx2::supported() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#endif
}
int avx2::supported() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
DECLARE(portable)
int portable::supported() { return 1; }

const Path *const PATHS[] = {
#if defined(__x86_64__)
    ADDRESS(amx) ADDRESS(avx512vnni) ADDRESS(avxvnni) ADDRESS(avx2)
#endif
    ADDRESS(portable)};
const int PATH_COUNT = (int)(sizeof PATHS / sizeof PATHS[0]);

}  // namespace tetrad
