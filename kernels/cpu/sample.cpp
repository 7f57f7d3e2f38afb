/* Sampling by the rules of SampleArgs (src/backend/backend.ts). An entry is one task.
 * Nothing sorts the vocabulary. Blocks of 64 ids have a maximum and a sum: top-k takes what reaches the k-th largest maximum, top-p
 * what reaches (1 - p) * total / V (all below cannot weigh more than 1 - p), a draw looks inside one block only. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

enum { TEMPERATURE, TOP_K, TOP_P, MIN_P, REPETITION, PRESENCE, FREQUENCY, PARAMS };
enum { ROW, POSITION, PROMPT_LENGTH, SEED_LOW, SEED_HIGH, MASK, BIAS_START, BIAS_COUNT, TOP_LOGPROBS, ENTRY };
constexpr int64_t MAX_TOP = 20, RESULT = 3 + 2 * MAX_TOP;
constexpr int64_t BLOCK = 64;

/* [padded]: V to a multiple of 64; [blocks]: of 64 ids. */
struct Scratch {
  float *adjusted;       /* [padded] */
  double *weights;       /* [padded] */
  Candidate *candidates; /* [padded] */
  int32_t *counts;       /* [padded] */
  double *maxima, *sums; /* [blocks] */
};

/* Lanes that the mask lets through, all bits set. */
TT_INLINE vi legalLanes(const int32_t *mask, int64_t v) {
  const vi bits = splatInt((int32_t)((uint32_t)mask[v / 32] >> (v % 32)));
  return -((bits >> iota()) & 1);
}

TT_INLINE vf loadLogits(const float *logits, int64_t v, int64_t V) {
  if (v + LANES <= V) return load(logits + v);
  const vf part = loadPart(logits + v, V - v);
  return iota() < (int32_t)(V - v) ? part : splat(-INFINITY);
}

static float largestOf(const float *logits, int64_t V) {
  vf most = splat(-INFINITY);
  for (int64_t v = 0; v < V; v += LANES) most = vmax(loadLogits(logits, v, V), most);
  return maxLanes(most);
}

static int32_t firstWith(const float *logits, int64_t V, float value) {
  for (int64_t v = 0; v < V; v++) {
    if (logits[v] == value) return (int32_t)v;
  }
  return 0;
}

/* Sums of exp(logit - most): of all, and of those that the mask lets through. */
static void mass(const float *logits, int64_t V, const int32_t *mask, float most, double *all, double *legal) {
  *all = *legal = 0;
  for (int64_t block = 0; block < V; block += 1024) {
    vf sum = {}, through = {};
    for (int64_t v = block; v < minOf(V, block + 1024); v += LANES) {
      const vf e = vexp(loadLogits(logits, v, V) - splat(most));
      sum = sum + e;
      if (mask) through = through + (vf)((vi)e & legalLanes(mask, v));
    }
    for (int i = 0; i < LANES; i++) {
      *all += sum[i];
      *legal += through[i];
    }
  }
}

static void penalize(const SampleArgs &args, const int32_t *entry, const float *params, float *logits, int32_t *counts) {
  const int64_t V = args.V, length = entry[POSITION] + 1;
  const int32_t *history = args.step.tokens + entry[ROW] * args.step.tokensPerRow;
  const double repetition = params[REPETITION], presence = params[PRESENCE], frequency = params[FREQUENCY];
  const auto known = [&](int32_t v) { return v >= 0 && v < V; };
  memset(counts, 0, (size_t)V * 4);
  for (int64_t i = 0; repetition != 1 && i < length; i++) {
    const int32_t v = history[i];
    if (!known(v) || counts[v]) continue;
    counts[v] = 1;
    logits[v] = (float)(logits[v] > 0 ? logits[v] / repetition : logits[v] * repetition);
  }
  if (presence == 0 && frequency == 0) return;
  memset(counts, 0, (size_t)V * 4);
  const int64_t start = maxOf(0, entry[PROMPT_LENGTH]);
  for (int64_t i = start; i < length; i++) {
    if (known(history[i])) counts[history[i]]++;
  }
  for (int64_t i = start; i < length; i++) {
    const int32_t v = history[i];
    if (!known(v) || !counts[v]) continue;
    logits[v] = (float)(logits[v] - (presence + frequency * counts[v]));
    counts[v] = 0;
  }
}

/* Bias, penalties and mask; the logits as they were where there are none. */
static const float *adjust(const SampleArgs &args, const int32_t *entry, const float *params, const float *raw, const Scratch &scratch) {
  const int64_t V = args.V;
  const bool penalties = params[REPETITION] != 1 || params[PRESENCE] != 0 || params[FREQUENCY] != 0;
  if (!penalties && entry[BIAS_COUNT] == 0 && entry[MASK] < 0) return raw;
  float *logits = scratch.adjusted;
  memcpy(logits, raw, (size_t)V * 4);
  for (int64_t i = entry[BIAS_START]; i < (int64_t)entry[BIAS_START] + entry[BIAS_COUNT]; i++) {
    const int32_t id = args.biasIds[i];
    if (id >= 0 && id < V) logits[id] += args.biasValues[i];
  }
  if (penalties) penalize(args, entry, params, logits, scratch.counts);
  if (entry[MASK] >= 0) {
    const int32_t *mask = args.masks + entry[MASK] * ceilDiv(V, 32);
    for (int64_t v = 0; v < V; v += LANES) {
      const vf masked = legalLanes(mask, v) ? loadLogits(logits, v, V) : splat(-INFINITY);
      storeLanes(logits + v, masked, minOf(LANES, V - v));
    }
  }
  return logits;
}

/* Ids whose value reaches the k-th largest maximum of a block, or `lowest`: the k best are among them. */
template <class T> static int64_t gatherBest(const T *values, int64_t V, const double *maxima, int64_t k, double lowest, Candidate *candidates) {
  const int64_t blocks = ceilDiv(V, BLOCK);
  double threshold = lowest;
  if (blocks >= k) {
    for (int64_t b = 0; b < blocks; b++) candidates[b] = {maxima[b], (int32_t)b};
    selectBest(candidates, blocks, k);
    threshold = candidates[k - 1].weight > lowest ? candidates[k - 1].weight : lowest;
  }
  int64_t count = 0;
  for (int64_t b = 0; b < blocks; b++) {
    if (!(maxima[b] >= threshold)) continue;
    for (int64_t v = b * BLOCK; v < minOf(V, (b + 1) * BLOCK); v++) {
      if (values[v] >= threshold) candidates[count++] = {(double)values[v], (int32_t)v};
    }
  }
  return count;
}

static double sumOf(const double *values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += values[i];
  return sum;
}

constexpr double SMALLEST = 5e-324;

/* The fewest of the largest that weigh `share` of the whole. */
static int64_t topP(int64_t V, double share, const Scratch &scratch) {
  const double total = sumOf(scratch.sums, ceilDiv(V, BLOCK));
  const double threshold = (1 - share) * total / (double)V * 0.999;
  const int64_t count = gatherBest(scratch.weights, V, scratch.maxima, V, threshold > SMALLEST ? threshold : SMALLEST, scratch.candidates);
  return selectMass(scratch.candidates, count, share * total);
}

static uint32_t mix(uint32_t h) {
  h = (h ^ h >> 16) * 0x85ebca6bu;
  h = (h ^ h >> 13) * 0xc2b2ae35u;
  return h ^ h >> 16;
}
static double uniform(uint32_t low, uint32_t high, uint32_t counter) {
  const uint32_t a = mix(low + 0x9e3779b9u * counter), b = mix(a ^ high), c = mix(b + 0x85ebca6bu);
  return ((double)b * 2097152.0 + (double)(c >> 11)) / 9007199254740992.0;
}

/* The first candidate, in order of id, whose running weight exceeds u times the whole. */
static int32_t drawFrom(Candidate *candidates, int64_t count, double u, int32_t otherwise) {
  sortById(candidates, count);
  double total = 0, running = 0;
  for (int64_t i = 0; i < count; i++) total += candidates[i].weight;
  for (int64_t i = 0; i < count; i++) {
    running += candidates[i].weight;
    if (running > u * total) return candidates[i].id;
  }
  return count > 0 ? candidates[count - 1].id : otherwise;
}

/* The same over all ids. */
static int32_t drawFromAll(int64_t V, double u, int32_t otherwise, const Scratch &scratch) {
  const int64_t blocks = ceilDiv(V, BLOCK);
  const double total = sumOf(scratch.sums, blocks);
  double running = 0;
  int32_t last = otherwise;
  for (int64_t b = 0; b < blocks; b++) {
    const double next = running + scratch.sums[b];
    if (scratch.sums[b] > 0 && (next > u * total || b == blocks - 1)) {
      double inside = running;
      for (int64_t v = b * BLOCK; v < minOf(V, (b + 1) * BLOCK); v++) {
        if (scratch.weights[v] == 0) continue;
        last = (int32_t)v;
        inside += scratch.weights[v];
        if (inside > u * total) return last;
      }
    }
    running = next;
  }
  return last;
}

/* Weights of all ids, with the maximum and sum of each block. */
static void weigh(const float *logits, int64_t V, float most, double temperature, double minP, const Scratch &scratch) {
  for (int64_t b = 0; b < ceilDiv(V, BLOCK); b++) {
    vd sum = {}, maximum = {};
    for (int64_t v = b * BLOCK; v < (b + 1) * BLOCK; v += LANES) {
      float wide[LANES];
      store(wide, v < V ? loadLogits(logits, v, V) : splat(-INFINITY));
      for (int i = 0; i < LANES; i += DOUBLES) {
        vd w = expDoubles((loadDoubles(wide + i) - splatDouble(most)) / splatDouble(temperature));
        if (minP > 0) w = w >= splatDouble(minP) ? w : vd{};
        sum = sum + w;
        maximum = maximum > w ? maximum : w;
        memcpy(scratch.weights + v + i, &w, sizeof w);
      }
    }
    scratch.sums[b] = scratch.maxima[b] = 0;
    for (int i = 0; i < DOUBLES; i++) {
      scratch.sums[b] += sum[i];
      scratch.maxima[b] = maximum[i] > scratch.maxima[b] ? maximum[i] : scratch.maxima[b];
    }
  }
}

static int32_t draw(const float *logits, int64_t V, const float *params, double u, const Scratch &scratch) {
  const float most = largestOf(logits, V);
  const int32_t best = firstWith(logits, V, most);
  if (params[TEMPERATURE] == 0 || most == -INFINITY) return best;
  weigh(logits, V, most, params[TEMPERATURE], params[MIN_P], scratch);
  const double share = params[TOP_P];
  const int64_t k = params[TOP_K] > 0 ? (int64_t)params[TOP_K] : 0;
  Candidate *candidates = scratch.candidates;
  int64_t count;
  if (k > 0 && k < V) {
    count = gatherBest(scratch.weights, V, scratch.maxima, k, SMALLEST, candidates);
    selectBest(candidates, count, k);
    count = minOf(k, count);
    if (share < 1) {
      double total = 0;
      for (int64_t i = 0; i < count; i++) total += candidates[i].weight;
      count = selectMass(candidates, count, share * total);
    }
  } else if (share < 1) {
    count = topP(V, share, scratch);
  } else {
    return drawFromAll(V, u, best, scratch);
  }
  return drawFrom(candidates, count, u, best);
}

static int64_t topLogprobs(const float *raw, int64_t V, int64_t wanted, const Scratch &scratch) {
  const int64_t k = minOf(wanted, minOf(MAX_TOP, V));
  if (k <= 0) return 0;
  for (int64_t b = 0; b < ceilDiv(V, BLOCK); b++) scratch.maxima[b] = largestOf(raw + b * BLOCK, minOf(BLOCK, V - b * BLOCK));
  const int64_t gathered = gatherBest(raw, V, scratch.maxima, k, -INFINITY, scratch.candidates);
  selectBest(scratch.candidates, gathered, k);
  return minOf(k, gathered);
}

static void sampleEntry(const SampleArgs &args, int64_t s, const Scratch &scratch) {
  const int64_t V = args.V;
  const int32_t *entry = args.entries + s * ENTRY;
  const float *params = args.params + s * PARAMS;
  const float *raw = args.logits + s * V;
  float *result = args.result + s * RESULT;
  const int32_t *mask = entry[MASK] >= 0 ? args.masks + entry[MASK] * ceilDiv(V, 32) : nullptr;

  const float most = largestOf(raw, V);
  double all, legal;
  mass(raw, V, mask, most, &all, &legal);
  const double shift = (double)most + log(all);
  const float *logits = adjust(args, entry, params, raw, scratch);
  const double u = uniform((uint32_t)entry[SEED_LOW], (uint32_t)entry[SEED_HIGH], (uint32_t)entry[POSITION] + 1);
  const int32_t token = draw(logits, V, params, u, scratch);
  args.step.tokens[entry[ROW] * args.step.tokensPerRow + entry[POSITION] + 1] = token;

  result[0] = (float)token;
  result[1] = (float)(raw[token] - shift);
  result[2] = mask ? (float)(legal / all) : 1.0f;
  const int64_t count = topLogprobs(raw, V, entry[TOP_LOGPROBS], scratch);
  for (int64_t i = 0; i < MAX_TOP; i++) {
    result[3 + 2 * i] = i < count ? (float)scratch.candidates[i].id : -1.0f;
    result[4 + 2 * i] = i < count ? (float)(scratch.candidates[i].weight - shift) : 0.0f;
  }
}

static int check(Runtime &runtime, const SampleArgs &args) {
  for (int64_t s = 0; s < args.size; s++) {
    const int32_t *entry = args.entries + s * ENTRY;
    if (entry[ROW] < 0 || entry[ROW] >= args.step.rows || entry[POSITION] < 0 || entry[POSITION] + 1 >= args.step.tokensPerRow) {
      return fail(runtime, TT_BAD_ARGUMENT, "entry %d names row %d, position %d; there are %d rows of %d tokens", (int)s, (int)entry[ROW],
                  (int)entry[POSITION], (int)args.step.rows, (int)args.step.tokensPerRow);
    }
    if (entry[MASK] >= args.maskRows) {
      return fail(runtime, TT_BAD_ARGUMENT, "entry %d names mask %d of %d", (int)s, (int)entry[MASK], (int)args.maskRows);
    }
    if (entry[BIAS_COUNT] < 0 || (entry[BIAS_COUNT] > 0 && (entry[BIAS_START] < 0 || (int64_t)entry[BIAS_START] + entry[BIAS_COUNT] > args.biases))) {
      return fail(runtime, TT_BAD_ARGUMENT, "entry %d names biases %d to %d of %d", (int)s, (int)entry[BIAS_START],
                  (int)(entry[BIAS_START] + entry[BIAS_COUNT]), (int)args.biases);
    }
    if (!(args.params[s * PARAMS + TEMPERATURE] >= 0)) return fail(runtime, TT_BAD_ARGUMENT, "entry %d has a temperature below 0", (int)s);
  }
  return TT_OK;
}

int sample(Runtime &runtime, const SampleArgs &args) {
  const int status = check(runtime, args);
  if (status) return status;
  const int64_t blocks = ceilDiv(args.V, BLOCK), padded = blocks * BLOCK;
  int64_t stride;
  uint8_t *memory = workerScratch(runtime, padded * (4 + 8 + 16 + 4) + blocks * 16, &stride);
  if (!memory) return fail(runtime, TT_OUT_OF_MEMORY, "no memory for %d logits", (int)args.V);
  parallel(runtime, args.size, [&](int task, int worker) {
    uint8_t *base = memory + worker * stride;
    double *perBlock = (double *)(base + padded * 32);
    const Scratch scratch = {(float *)base, (double *)(base + padded * 4), (Candidate *)(base + padded * 12), (int32_t *)(base + padded * 28), perBlock, perBlock + blocks};
    sampleEntry(args, task, scratch);
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
