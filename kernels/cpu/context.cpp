/* The exported functions: contexts, memory, weights, caches, programs. No exception leaves them. */
#include "runtime.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

using namespace tetrad;

/* Open contexts. Never destroyed: a process may end with contexts open. */
static std::mutex &registryMutex = *new std::mutex;
static std::vector<tt_context *> &registry = *new std::vector<tt_context *>;
static std::string &openError = *new std::string;

static std::string formatted(const char *format, ...) __attribute__((format(printf, 1, 2)));
static std::string formatted(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

struct Failure {
  int status;
  std::string text;
};
#define REFUSE(...) throw Failure{TT_BAD_ARGUMENT, formatted(__VA_ARGS__)}

static bool isOpen(tt_context *context) {
  std::lock_guard<std::mutex> lock(registryMutex);
  return std::find(registry.begin(), registry.end(), context) != registry.end();
}

/* Runs `body` with the context held; whatever goes wrong becomes a status and a text. */
template <class F> static int guarded(tt_context *context, const F &body) noexcept {
  try {
    if (!isOpen(context)) {
      std::lock_guard<std::mutex> lock(registryMutex);
      openError = "the context is closed";
      return TT_BAD_ARGUMENT;
    }
    std::lock_guard<std::mutex> lock(context->mutex);
    try {
      body();
      return TT_OK;
    } catch (const Failure &failure) {
      context->error = failure.text;
      return failure.status;
    } catch (const std::bad_alloc &) {
      context->error = "out of memory";
      return TT_OUT_OF_MEMORY;
    }
  } catch (...) {
    return TT_DEVICE;
  }
}

static int cut(const std::string &from, char *to, int size) {
  if (!to || size <= 0) return TT_BAD_ARGUMENT;
  const size_t length = std::min(from.size(), (size_t)size - 1);
  memcpy(to, from.data(), length);
  to[length] = 0;
  return TT_OK;
}

static std::string pathNames() {
  std::string names;
  for (int i = 0; i < PATH_COUNT; i++) {
    if (PATHS[i]->supported()) names += (names.empty() ? "" : ", ") + std::string(PATHS[i]->name);
  }
  return names;
}

static const Path *choosePath(const char *name) {
  for (int i = 0; i < PATH_COUNT; i++) {
    if (PATHS[i]->supported() && (!name || !*name || strcmp(name, PATHS[i]->name) == 0)) return PATHS[i];
  }
  REFUSE("no path '%s' on this processor; there are %s", name, pathNames().c_str());
}

static void *allocate(double bytes) {
  if (!(bytes >= 0 && bytes < 9e15)) REFUSE("%g bytes cannot be allocated", bytes);
  constexpr double LARGE = 32 << 20;
  if (bytes >= LARGE) {
    const double available = availableMemory();
    if (bytes > available) throw Failure{TT_OUT_OF_MEMORY, formatted("%.0f MiB wanted; %.0f MiB are free", bytes / 1048576, available / 1048576)};
  }
  void *memory = allocateZeroed((size_t)bytes);
  if (!memory) throw Failure{TT_OUT_OF_MEMORY, formatted("%.0f bytes wanted; the system has none left", bytes)};
  return memory;
}

template <class T> static void insertHandle(std::vector<const void *> &handles, T *handle) {
  handles.insert(std::upper_bound(handles.begin(), handles.end(), (const void *)handle), handle);
}
static bool removeHandle(std::vector<const void *> &handles, const void *handle) {
  const auto at = std::lower_bound(handles.begin(), handles.end(), handle);
  if (at == handles.end() || *at != handle) return false;
  handles.erase(at);
  return true;
}
static bool hasHandle(const std::vector<const void *> &handles, const void *handle) { return std::binary_search(handles.begin(), handles.end(), handle); }

static int64_t elementBytes(int dtype) { return dtype == TT_F32 ? 4 : 2; }
static size_t denseBytes(const tt_weight *w) { return (size_t)(w->tiles * w->K * 16 * elementBytes(w->dtype)); }
static size_t codeBytes(const tt_weight *w) { return (size_t)(w->tiles * w->groups * (w->dtype == TT_I8 ? 2048 : 1024)); }
static size_t levelBytes(const tt_weight *w) { return (size_t)(w->tiles * w->groups * 32); }
static size_t channelBytes(const tt_weight *w) { return (size_t)(w->tiles * 64); }

static void releaseWeight(tt_weight *w) {
  freeZeroed(w->q, codeBytes(w));
  freeZeroed(w->levels, levelBytes(w));
  freeZeroed(w->s0, channelBytes(w));
  freeZeroed(w->dense, denseBytes(w));
  freeZeroed(w->bias, channelBytes(w));
  delete w;
}
static void releaseCache(tt_cache *cache) {
  freeZeroed(cache->memory, (size_t)cache->bytes);
  delete cache;
}

static tt_weight *weightOf(tt_context *context, tt_weight *weight) {
  if (!hasHandle(context->allocations.weights, weight)) REFUSE("the weight is not open in this context");
  return weight;
}
static tt_cache *cacheOf(tt_context *context, tt_cache *cache) {
  if (!hasHandle(context->allocations.caches, cache)) REFUSE("the cache is not open in this context");
  return cache;
}

/* Eight columns of a row, two a byte, to four bytes: columns 0..3 in low nibbles, 4..7 in high ones. */
static uint32_t interleave(uint32_t columns) {
  const auto spread = [](uint32_t x) {
    x = (x | x << 8) & 0x00ff00ff;
    return (x | x << 4) & 0x0f0f0f0f;
  };
  return spread(columns & 0xffff) | spread(columns >> 16) << 4;
}

static void packRow(tt_weight *w, int64_t n, const uint8_t *q, const uint8_t *s1, const int8_t *m) {
  const int64_t tile = n / 16, lane = n % 16, rowBytes = w->K / 2;
  for (int64_t g = 0; g < w->groups; g++) {
    uint8_t *to = w->q + (tile * w->groups + g) * 1024 + lane * 4;
    for (int64_t j = 0; j < 16; j++) {
      const int64_t at = g * 64 + j * 4;
      if (at >= rowBytes) break;
      uint32_t columns = 0;
      memcpy(&columns, q + at, (size_t)minOf(4, rowBytes - at));
      const uint32_t packed = interleave(columns);
      memcpy(to + j * 64, &packed, 4);
    }
    uint8_t *levels = w->levels + (tile * w->groups + g) * 32 + lane;
    levels[0] = s1[w->groupSize == -1 ? 0 : g];
    levels[16] = (uint8_t)m[w->groupSize == -1 ? 0 : g];
  }
}

extern "C" {

int tt_abi(void) { return TT_ABI; }

int tt_open(int threads, const char *path, tt_context **out) {
  try {
    try {
      if (!out) REFUSE("tt_open: out is null");
      *out = nullptr;
      if (threads < 0 || threads > 1024) REFUSE("threads is %d; allowed are 0 to 1024", threads);
      const Path *chosen = choosePath(path);
      std::unique_ptr<tt_context> context(new tt_context);
      context->runtime.reset(new Runtime(threads == 0 ? availableCores() : threads, chosen));
      std::lock_guard<std::mutex> lock(registryMutex);
      registry.push_back(context.get());
      *out = context.release();
      return TT_OK;
    } catch (const Failure &failure) {
      std::lock_guard<std::mutex> lock(registryMutex);
      openError = failure.text;
      return failure.status;
    } catch (const std::bad_alloc &) {
      return TT_OUT_OF_MEMORY;
    } catch (const std::exception &error) {
      std::lock_guard<std::mutex> lock(registryMutex);
      openError = formatted("threads could not be started: %s", error.what());
      return TT_DEVICE;
    }
  } catch (...) {
    return TT_DEVICE;
  }
}

int tt_close(tt_context *context) {
  try {
    {
      std::lock_guard<std::mutex> lock(registryMutex);
      const auto at = std::find(registry.begin(), registry.end(), context);
      if (at == registry.end()) {
        openError = "the context is closed";
        return TT_BAD_ARGUMENT;
      }
      registry.erase(at);
    }
    context->runtime.reset();
    for (const void *weight : context->allocations.weights) releaseWeight((tt_weight *)weight);
    for (const void *cache : context->allocations.caches) releaseCache((tt_cache *)cache);
    for (const Allocations::Range &range : context->allocations.ranges) freeZeroed((void *)range.base, range.bytes);
    delete context;
    return TT_OK;
  } catch (...) {
    return TT_DEVICE;
  }
}

int tt_error(tt_context *context, char *text, int size) {
  try {
    if (!context || !isOpen(context)) {
      std::lock_guard<std::mutex> lock(registryMutex);
      return cut(openError, text, size);
    }
    std::lock_guard<std::mutex> lock(context->mutex);
    return cut(context->error, text, size);
  } catch (...) {
    return TT_DEVICE;
  }
}

int tt_describe(tt_context *context, char *json, int size) {
  return guarded(context, [&] {
    std::string names;
    for (int i = 0; i < PATH_COUNT; i++) {
      if (PATHS[i]->supported()) names += (names.empty() ? "\"" : ", \"") + std::string(PATHS[i]->name) + "\"";
    }
    std::string processor;
    for (const char c : processorName()) {
      if (c >= ' ' && c != '"' && c != '\\') processor += c;
    }
    const Runtime &runtime = *context->runtime;
    const std::string text = "{\"path\": \"" + std::string(runtime.path->name) + "\", \"threads\": " + std::to_string(runtime.pool.threads()) +
                             ", \"paths\": [" + names + "], \"processor\": \"" + processor + "\"}";
    if ((int)text.size() >= size || cut(text, json, size) != TT_OK) REFUSE("the description needs %zu bytes", text.size() + 1);
  });
}

int tt_ceilings(tt_context *context, double *readBytes, double *int8Operations) {
  return guarded(context, [&] {
    if (!readBytes || !int8Operations) REFUSE("readBytes or int8Operations is null");
    context->runtime->settle();
    if (!context->runtime->ceilings(readBytes, int8Operations)) throw Failure{TT_OUT_OF_MEMORY, "no memory to read"};
  });
}

int tt_available(tt_context *context, double *bytes) {
  return guarded(context, [&] {
    if (!bytes) REFUSE("bytes is null");
    *bytes = availableMemory();
  });
}

int tt_allocate(tt_context *context, double bytes, void **out) {
  return guarded(context, [&] {
    if (!out) REFUSE("out is null");
    *out = nullptr;
    auto &ranges = context->allocations.ranges;
    ranges.reserve(ranges.size() + 1);
    bytes = std::max(bytes, 1.0);  /* an empty tensor has an address of its own, too */
    void *memory = allocate(bytes);
    const Allocations::Range range = {(uintptr_t)memory, (size_t)bytes};
    ranges.insert(std::upper_bound(ranges.begin(), ranges.end(), range, [](const Allocations::Range &a, const Allocations::Range &b) { return a.base < b.base; }), range);
    *out = memory;
  });
}

int tt_free(tt_context *context, void *memory) {
  return guarded(context, [&] {
    if (!memory) return;
    auto &ranges = context->allocations.ranges;
    const auto at = std::find_if(ranges.begin(), ranges.end(), [&](const Allocations::Range &range) { return range.base == (uintptr_t)memory; });
    if (at == ranges.end()) REFUSE("this is not memory of this context");
    context->runtime->settle();
    freeZeroed(memory, at->bytes);
    ranges.erase(at);
  });
}

int tt_weight_create(tt_context *context, int dtype, int groupSize, int N, int K, const float *bias, tt_weight **out) {
  return guarded(context, [&] {
    if (!out) REFUSE("out is null");
    *out = nullptr;
    const bool w4 = dtype == TT_U8, w8 = dtype == TT_I8;
    if (!w4 && !w8 && dtype != TT_F32 && dtype != TT_F16 && dtype != TT_BF16) REFUSE("dtype %d is no kind of weight", dtype);
    if (N < 1 || K < 1 || N > 1 << 24 || K > 1 << 24) REFUSE("a weight of [%d, %d] cannot be", N, K);
    if (w4 && K % 2 != 0) REFUSE("a w4 weight has an even number of inputs, not %d", K);
    if ((w4 || w8) && K > 131072) REFUSE("%d inputs could overflow; a w4 or w8 weight has at most 131072", K);
    if (w4 && groupSize != 128 && groupSize != -1) REFUSE("group size %d; allowed are 128 and -1", groupSize);
    auto &handles = context->allocations.weights;
    handles.reserve(handles.size() + 1);
    std::unique_ptr<tt_weight, void (*)(tt_weight *)> weight(new tt_weight(), releaseWeight);
    tt_weight *w = weight.get();
    w->dtype = dtype;
    w->groupSize = groupSize;
    w->N = N;
    w->K = K;
    w->groups = ceilDiv(K, 128);
    w->tiles = ceilDiv(N, 16);
    const auto take = [&](size_t bytes) {
      void *memory = allocate((double)bytes);
      w->bytes += (double)bytes;
      return memory;
    };
    if (w4 || w8) {
      w->q = (uint8_t *)take(codeBytes(w));
      if (w4) w->levels = (uint8_t *)take(levelBytes(w));
      w->s0 = (float *)take(channelBytes(w));
    } else {
      w->dense = take(denseBytes(w));
    }
    if (bias) {
      w->bias = (float *)take(channelBytes(w));
      memcpy(w->bias, bias, (size_t)N * 4);
    }
    insertHandle(handles, w);
    *out = weight.release();
  });
}

int tt_weight_dense_rows(tt_context *context, tt_weight *weight, int start, int count, const void *values) {
  return guarded(context, [&] {
    tt_weight *w = weightOf(context, weight);
    if (w->dtype == TT_U8 || w->dtype == TT_I8) REFUSE("a %s weight cannot take dense rows", w->dtype == TT_U8 ? "w4" : "w8");
    if (!values || start < 0 || count < 0 || (int64_t)start + count > w->N) REFUSE("rows %d to %lld of %lld, values %p", start, (long long)start + count, (long long)w->N, values);
    const auto scatter = [&](auto *to) {
      const uint8_t *from = (const uint8_t *)values;
      for (int64_t n = start; n < (int64_t)start + count; n++) {
        auto *tile = to + n / 16 * w->K * 16 + n % 16;
        for (int64_t k = 0; k < w->K; k++, from += sizeof *to) memcpy(&tile[k * 16], from, sizeof *to);
      }
    };
    if (w->dtype == TT_F32) scatter((uint32_t *)w->dense);
    else scatter((uint16_t *)w->dense);
  });
}

int tt_weight_w4_rows(tt_context *context, tt_weight *weight, int start, int count, const uint8_t *q, const uint8_t *s1, const int8_t *m, const float *s0) {
  return guarded(context, [&] {
    tt_weight *w = weightOf(context, weight);
    if (w->dtype != TT_U8) REFUSE("a %s weight cannot take w4 rows", w->dtype == TT_I8 ? "w8" : "dense");
    if (!q || !s1 || !m || !s0) REFUSE("q, s1, m or s0 is null");
    if (start < 0 || count < 0 || (int64_t)start + count > w->N) REFUSE("rows %d to %lld of %lld", start, (long long)start + count, (long long)w->N);
    const int64_t groups = w->groupSize == -1 ? 1 : w->groups;
    for (int64_t i = 0; i < count; i++) {
      packRow(w, start + i, q + i * (w->K / 2), s1 + i * groups, m + i * groups);
      w->s0[start + i] = s0[i];
    }
  });
}

int tt_weight_w8_rows(tt_context *context, tt_weight *weight, int start, int count, const int8_t *q, const float *s0) {
  return guarded(context, [&] {
    tt_weight *w = weightOf(context, weight);
    if (w->dtype != TT_I8) REFUSE("a %s weight cannot take w8 rows", w->dtype == TT_U8 ? "w4" : "dense");
    if (!q || !s0) REFUSE("q or s0 is null");
    if (start < 0 || count < 0 || (int64_t)start + count > w->N) REFUSE("rows %d to %lld of %lld", start, (long long)start + count, (long long)w->N);
    for (int64_t n = start; n < (int64_t)start + count; n++, q += w->K) {
      uint8_t *to = w->q + n / 16 * w->groups * 2048 + n % 16 * 4;
      for (int64_t k = 0; k < w->K; k++) to[k / 4 * 64 + k % 4] = (uint8_t)(q[k] + 128);
      w->s0[n] = s0[n - start];
    }
  });
}

int tt_weight_bytes(tt_context *context, tt_weight *weight, double *bytes) {
  return guarded(context, [&] {
    if (!bytes) REFUSE("bytes is null");
    *bytes = weightOf(context, weight)->bytes;
  });
}

int tt_weight_free(tt_context *context, tt_weight *weight) {
  return guarded(context, [&] {
    weightOf(context, weight);
    context->runtime->settle();
    removeHandle(context->allocations.weights, weight);
    releaseWeight(weight);
  });
}

int tt_cache_create(tt_context *context, int precision, int layers, int blocks, int B, int G, int D, tt_cache **out) {
  return guarded(context, [&] {
    if (!out) REFUSE("out is null");
    *out = nullptr;
    if (precision != TT_KV4 && precision != TT_KV_FULL) REFUSE("precision %d is no kind of cache", precision);
    if (layers < 1 || blocks < 1 || B < 1 || G < 1 || D < 2 || D % 2 != 0 || B > 65536 || G > 65536 || D > 65536) {
      REFUSE("a cache of %d layers, %d blocks of %d, %d heads of %d cannot be", layers, blocks, B, G, D);
    }
    auto &handles = context->allocations.caches;
    handles.reserve(handles.size() + 1);
    std::unique_ptr<tt_cache, void (*)(tt_cache *)> cache(new tt_cache(), releaseCache);
    tt_cache *c = cache.get();
    c->precision = precision;
    c->layers = layers;
    c->blocks = blocks;
    c->B = B;
    c->G = G;
    c->D = D;
    c->tiles = ceilDiv(B, 16);
    const bool kv4 = precision == TT_KV4;
    c->keyBytes = kv4 ? ceilDiv(D, 8) * 64 : (int64_t)D * 64;
    c->valueBytes = kv4 ? 4 * ceilDiv(D, 32) * 64 : 16 * ceilDiv(D, 16) * 64;
    c->tileBytes = c->keyBytes + c->valueBytes + (kv4 ? 128 : 0);
    const double bytes = (double)layers * blocks * G * (double)(c->tiles * c->tileBytes);
    c->memory = (uint8_t *)allocate(bytes);
    c->bytes = bytes;
    insertHandle(handles, c);
    *out = cache.release();
  });
}

int tt_cache_bytes(tt_context *context, tt_cache *cache, double *bytes) {
  return guarded(context, [&] {
    if (!bytes) REFUSE("bytes is null");
    *bytes = cacheOf(context, cache)->bytes;
  });
}

int tt_cache_free(tt_context *context, tt_cache *cache) {
  return guarded(context, [&] {
    cacheOf(context, cache);
    context->runtime->settle();
    removeHandle(context->allocations.caches, cache);
    releaseCache(cache);
  });
}

int tt_submit(tt_context *context, const double *words, double count, double *ticket) {
  return guarded(context, [&] {
    if (!words || !ticket || !(count >= 0 && count < 1e9) || count != std::floor(count)) REFUSE("program of %g words, ticket %p", count, (void *)ticket);
    std::unique_ptr<Program> program(new Program);
    std::string text;
    const int status = decodeProgram(context->allocations, words, (int64_t)count, program.get(), &text);
    if (status != TT_OK) throw Failure{status, text};
    *ticket = (double)context->runtime->submit(std::move(program));
  });
}

int tt_wait(tt_context *context, double ticket) {
  return guarded(context, [&] {
    const double last = (double)context->runtime->submitted();
    if (!(ticket >= 0 && ticket <= last)) REFUSE("ticket %g was never given; the last is %g", ticket, last);
    std::string text;
    const int status = context->runtime->wait((uint64_t)ticket, &text);
    if (status != TT_OK) throw Failure{status, text};
  });
}

int tt_read(tt_context *context, void *to, const void *from, double bytes) {
  return guarded(context, [&] {
    if (!(bytes >= 0)) REFUSE("%g bytes cannot be read", bytes);
    if (bytes == 0) return;
    if (!to) REFUSE("to is null");
    const size_t room = context->allocations.behind(from);
    if ((double)room < bytes) REFUSE("%.0f bytes wanted of %zu", bytes, room);
    memcpy(to, from, (size_t)bytes);
  });
}

}  // extern "C"
