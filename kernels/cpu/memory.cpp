/* Memory and processor, as the system tells. */
#include "runtime.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(_WIN32)
#include <malloc.h>
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace tetrad {

#if !defined(_WIN32)
/* Large pieces come as pages of their own: zero until touched, and in huge pages where the system has them. */
constexpr size_t PAGES_FROM = 1 << 20;
#endif

void *allocateZeroed(size_t bytes) {
  const size_t size = (bytes + 127) / 64 * 64;
  if (size < bytes) return nullptr;
#if defined(_WIN32)
  void *memory = _aligned_malloc(size, 64);
  if (memory) memset(memory, 0, size);
  return memory;
#else
  if (size >= PAGES_FROM) {
    void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
#if defined(MADV_HUGEPAGE)
    madvise(memory, size, MADV_HUGEPAGE);
#endif
    return memory;
  }
  void *memory = nullptr;
  if (posix_memalign(&memory, 64, size) != 0) return nullptr;
  memset(memory, 0, size);
  return memory;
#endif
}

void freeZeroed(void *memory, size_t bytes) {
  if (!memory) return;
#if defined(_WIN32)
  _aligned_free(memory);
#else
  const size_t size = (bytes + 127) / 64 * 64;
  if (size >= PAGES_FROM) munmap(memory, size);
  else free(memory);
#endif
}

#if defined(__linux__)
/* A number after `key` in a file of the kernel; -1 where there is none ("max" included). */
static double numberIn(const std::string &path, const char *key) {
  FILE *file = fopen(path.c_str(), "r");
  if (!file) return -1;
  char line[512];
  double value = -1;
  while (value < 0 && fgets(line, sizeof line, file)) {
    if (strncmp(line, key, strlen(key)) == 0) sscanf(line + strlen(key), " %lf", &value);
  }
  fclose(file);
  return value;
}

/* The control group of this process and those above it, as folders below the mount point of `controller`. */
static std::vector<std::string> controlGroups(const char *controller) {
  std::vector<std::string> folders;
  FILE *file = fopen("/proc/self/cgroup", "r");
  if (!file) return folders;
  char line[4096];
  while (fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *first = strchr(line, ':');
    char *second = first ? strchr(first + 1, ':') : nullptr;
    if (!second) continue;
    *second = 0;
    const std::string name = first + 1;
    std::string path = second + 1;
    const bool unified = name.empty();
    if (!unified && ("," + name + ",").find("," + std::string(controller) + ",") == std::string::npos) continue;
    const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + std::string(controller);
    for (;;) {
      folders.push_back(path == "/" ? root : root + path);
      const size_t slash = path.rfind('/');
      if (path == "/" || slash == std::string::npos) break;
      path = slash == 0 ? "/" : path.substr(0, slash);
    }
  }
  fclose(file);
  return folders;
}

double availableMemory() {
  double available = numberIn("/proc/meminfo", "MemAvailable:") * 1024;
  if (available < 0) available = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  for (const std::string &folder : controlGroups("memory")) {
    double limit = numberIn(folder + "/memory.max", "");
    double used = numberIn(folder + "/memory.current", "");
    double file = numberIn(folder + "/memory.stat", "inactive_file");
    if (limit < 0) {
      limit = numberIn(folder + "/memory.limit_in_bytes", "");
      used = numberIn(folder + "/memory.usage_in_bytes", "");
      file = numberIn(folder + "/memory.stat", "total_inactive_file");
    }
    if (limit < 0 || used < 0) continue;
    const double left = limit - used + (file > 0 ? file : 0);
    if (left < available) available = left > 0 ? left : 0;
  }
  return available;
}

int availableCores() {
  cpu_set_t set;
  int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)std::thread::hardware_concurrency();
  for (const std::string &folder : controlGroups("cpu")) {
    FILE *file = fopen((folder + "/cpu.max").c_str(), "r");
    if (!file) continue;
    double quota, period;
    if (fscanf(file, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0) {
      const int allowed = (int)((quota + period - 1) / period);
      if (allowed < cores) cores = allowed;
    }
    fclose(file);
  }
  return cores > 0 ? cores : 1;
}

std::string processorName() {
  FILE *file = fopen("/proc/cpuinfo", "r");
  if (!file) return "unknown";
  char line[512];
  std::string name = "unknown";
  while (name == "unknown" && fgets(line, sizeof line, file)) {
    if (strncmp(line, "model name", 10) != 0 || !strchr(line, ':')) continue;
    line[strcspn(line, "\n")] = 0;
    name = strchr(line, ':') + 1;
    name.erase(0, name.find_first_not_of(' '));
  }
  fclose(file);
  return name;
}
#else
double availableMemory() {
#if defined(__APPLE__)
  uint64_t bytes = 0;
  size_t size = sizeof bytes;
  return sysctlbyname("hw.memsize", &bytes, &size, nullptr, 0) == 0 ? (double)bytes / 2 : 0;
#elif defined(_WIN32)
  MEMORYSTATUSEX status = {};
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) ? (double)status.ullAvailPhys : 0;
#else
  return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 2;
#endif
}
int availableCores() {
  const int cores = (int)std::thread::hardware_concurrency();
  return cores > 0 ? cores : 1;
}
std::string processorName() {
#if defined(__APPLE__)
  char name[256] = "unknown";
  size_t size = sizeof name;
  sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0);
  return name;
#else
  return "unknown";
#endif
}
#endif

}  // namespace tetrad
