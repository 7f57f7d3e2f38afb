/* What an op sees: its arguments, already checked, and the threads and scratch memory of its context.
 * Op files are compiled once for every path (see build.mjs), each time inside another namespace TT_PATH, and use nothing of
 * the C++ library: an inline function of it, compiled for one processor, could be linked into the code of another. */
#ifndef TETRAD_CPU_OPS_H
#define TETRAD_CPU_OPS_H

#include "../kernels.h"

#include <stddef.h>
#include <stdint.h>

struct tt_weight {
  int dtype;          /* TT_U8: w4; TT_I8: w8 */
  int groupSize;
  int64_t N, K;
  int64_t groups;     /* ceil(K / 128) */
  int64_t tiles;      /* ceil(N / 16) */
  uint8_t *q;         /* w4 [tiles, groups, 16, 16, 4], w8 [tiles, groups, 32, 16, 4]: see linear.cpp */
  uint8_t *levels;    /* w4 [tiles, groups, 32]: s1 of 16 channels, m of 16 channels */
  float *s0;          /* w4, w8 [16 * tiles] */
  void *dense;        /* [tiles, K, 16] */
  float *bias;        /* [16 * tiles] or null */
  double bytes;
};

struct tt_cache {
  int precision;
  int64_t layers, blocks, B, G, D;
  int64_t tiles;      /* ceil(B / 16): 16 tokens each */
  int64_t tileBytes;
  int64_t keyBytes;   /* part of tileBytes: keys, then values, then scales (KV4) */
  int64_t valueBytes;
  uint8_t *memory;    /* [layers, blocks, G, tiles, tileBytes] */
  double bytes;
};

namespace tetrad {

/** Threads and scratch memory of one context. */
struct Runtime;

int threadsOf(Runtime &);
typedef void (*Task)(void *argument, int task, int worker);
/* Runs every task once, over as many threads as there are tasks; returns when all are done. */
void runTasks(Runtime &, int tasks, Task run, void *argument);
/* Scratch memory for each worker, `stride` bytes apart (a multiple of 64); valid until the next call of either. Null: no memory. */
uint8_t *workerScratch(Runtime &, int64_t bytes, int64_t *stride);
/* Scratch memory shared by the tasks of an op. */
void *sharedScratch(Runtime &, int64_t bytes);
/* Notes the text, returns the status. The op's name is put before it. */
int fail(Runtime &, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

template <class F> static inline void parallel(Runtime &runtime, int64_t tasks, const F &body) {
  runTasks(
      runtime, (int)tasks, [](void *argument, int task, int worker) { (*(const F *)argument)(task, worker); }, (void *)&body);
}

static inline int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t minOf(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t maxOf(int64_t a, int64_t b) { return a > b ? a : b; }

/* Work items per task so that a task carries at least `least` units of work and threads still share evenly. */
static inline int64_t itemsPerTask(Runtime &runtime, int64_t items, int64_t unitsPerItem, int64_t least) {
  const int64_t wanted = ceilDiv(least, maxOf(unitsPerItem, 1));
  const int64_t fair = ceilDiv(items, (int64_t)threadsOf(runtime));
  return maxOf(1, minOf(wanted, fair > 0 ? fair : 1));
}

struct Activation {
  int kind;           /* 0 float, 1 int8 */
  int64_t width;
  int64_t groups;
  float *f;
  int8_t *q;
  float *scale;
  int32_t *sums;
};

struct Step {
  int64_t size;
  const int32_t *row, *position, *ropeRow;
  int32_t *tokens;
  int64_t tokensPerRow;
  const int32_t *blockTables;
  int64_t blocksPerRow;
  int64_t rows;       /* rows that both tables have */
};

struct EmbedArgs { Step step; const tt_weight *table; float scale; float *out; };
struct NormArgs {
  int64_t size, width;
  float *residual;
  int64_t residualRows;
  const float *delta, *deltaNorm, *weight;
  float epsilon;
  const int32_t *gather;
  Activation out;
};
struct LinearArgs { int64_t size; Activation input; const tt_weight *weight; float *out; };
struct RopeArgs {
  Step step;
  int64_t layer;
  const tt_cache *cache;
  int64_t H;
  float *qkv;
  const float *qNorm, *kNorm;
  float epsilon;
  const float *table;
  int64_t tableRows, rotary;
};
struct AttendArgs {
  Step step;
  int64_t layer;
  const tt_cache *cache;
  int64_t H;
  const float *qkv;
  float scale;
  int64_t window;
  float softcap;
  Activation out;
};
struct GateArgs { int64_t size; const float *gateUp; int gate; Activation out; };
struct LogitsArgs { LinearArgs linear; float softcap; };
struct SampleArgs {
  int64_t size, V;
  const float *logits;
  Step step;
  const int32_t *entries;
  const float *params;
  const int32_t *masks;
  int64_t maskRows;
  const int32_t *biasIds;
  const float *biasValues;
  int64_t biases;
  float *result;
};

/* One set of ops for one kind of processor. */
struct Path {
  const char *name;
  int (*supported)(void);
  int (*embed)(Runtime &, const EmbedArgs &);
  int (*norm)(Runtime &, const NormArgs &);
  int (*linear)(Runtime &, const LinearArgs &);
  int (*rope)(Runtime &, const RopeArgs &);
  int (*attend)(Runtime &, const AttendArgs &);
  int (*gate)(Runtime &, const GateArgs &);
  int (*logits)(Runtime &, const LogitsArgs &);
  int (*sample)(Runtime &, const SampleArgs &);
  /* For tt_ceilings: reads memory; or multiplies and adds, and returns how many operations that were. */
  uint64_t (*readAll)(const uint8_t *memory, int64_t bytes);
  double (*multiplyAdds)(int64_t rounds);
};

/* Checks rows and positions of a step against its tables; `cache` null: only the tokens table. */
int checkStep(Runtime &, const Step &, const tt_cache *cache, int needTokens);

static inline uint8_t *cacheTile(const tt_cache *cache, int64_t layer, int64_t block, int64_t head, int64_t tile) {
  return cache->memory + ((((layer * cache->blocks + block) * cache->G + head) * cache->tiles) + tile) * cache->tileBytes;
}

/* A candidate of top-k, top-p or top logprobs. */
struct Candidate { double weight; int32_t id; };
/* Brings the k best (weight falling, id rising) to the front, in order. */
void selectBest(Candidate *candidates, int64_t count, int64_t k);
/* Brings the fewest of the best that weigh `target` together to the front, in no order; returns how many: all where they weigh less. */
int64_t selectMass(Candidate *candidates, int64_t count, double target);
/* Sorts by id. */
void sortById(Candidate *candidates, int64_t count);

}  // namespace tetrad
#endif
