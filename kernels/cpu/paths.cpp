/* The table of paths, best first; build.mjs compiles the op files once for each. */
#include "runtime.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace tetrad {

/* Instructions that may be missing are loops: see tiles.h and dotBytes in simd.h. */
#if defined(TETRAD_EMULATE)
constexpr bool EMULATED = true;
#else
[[maybe_unused]] constexpr bool EMULATED = false;
#endif

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

#if defined(TT_HAVE_avx512vnni)
DECLARE(avx512vnni)
int avx512vnni::supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}
#endif
#if defined(TT_HAVE_amx)
DECLARE_OVER(amx, avx512vnni)
#if defined(__linux__)
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
#else
static int requestTiles() { return 0; }
#endif
int amx::supported() {
  static const int granted = avx512vnni::supported() && (EMULATED || requestTiles());
  return granted;
}
#endif
#if defined(TT_HAVE_avx2)
DECLARE(avx2)
int avx2::supported() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
#if defined(TT_HAVE_avxvnni)
DECLARE_OVER(avxvnni, avx2)
int avxvnni::supported() {
  unsigned a, b, c, d;
  return avx2::supported() && (EMULATED || (__get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1)));
}
#endif
DECLARE(portable)
#if defined(TT_HAVE_dotprod) || defined(TT_HAVE_i8mm)
/* A feature of the processor as the system tells: its bit in the list of capabilities, or its name. */
static int hasFeature([[maybe_unused]] int list, [[maybe_unused]] unsigned long bit, [[maybe_unused]] const char *name) {
#if defined(__linux__)
  return (getauxval((unsigned long)list) & bit) != 0;
#elif defined(__APPLE__)
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value;
#else
  return 0;
#endif
}
constexpr int CAPABILITIES = 16, CAPABILITIES_2 = 26;  /* AT_HWCAP, AT_HWCAP2 */
#endif
#if defined(TT_HAVE_dotprod)
DECLARE_OVER(dotprod, portable)
int dotprod::supported() { return hasFeature(CAPABILITIES, 1ul << 20, "hw.optional.arm.FEAT_DotProd"); }
#endif
#if defined(TT_HAVE_i8mm)
DECLARE_OVER(i8mm, portable)
int i8mm::supported() { return hasFeature(CAPABILITIES, 1ul << 20, "hw.optional.arm.FEAT_DotProd") && hasFeature(CAPABILITIES_2, 1ul << 13, "hw.optional.arm.FEAT_I8MM"); }
#endif
int portable::supported() { return 1; }

const Path *const PATHS[] = {
#if defined(TT_HAVE_amx)
    ADDRESS(amx)
#endif
#if defined(TT_HAVE_avx512vnni)
    ADDRESS(avx512vnni)
#endif
#if defined(TT_HAVE_avxvnni)
    ADDRESS(avxvnni)
#endif
#if defined(TT_HAVE_avx2)
    ADDRESS(avx2)
#endif
#if defined(TT_HAVE_i8mm)
    ADDRESS(i8mm)
#endif
#if defined(TT_HAVE_dotprod)
    ADDRESS(dotprod)
#endif
    ADDRESS(portable)};
const int PATH_COUNT = (int)(sizeof PATHS / sizeof PATHS[0]);

}  // namespace tetrad
