/* Attention through the paged cache, with a streaming softmax in float32.
 *
 * A work item is a run of consecutive tokens of one request, one KV head, and one segment of 512 positions. All query heads of
 * the run that share the KV head are rows of it, so keys and values are unpacked once for up to 8 rows. Within a segment, chunks
 * of four tiles (64 tokens) pass: scores, new maximum, rescaled sums, values. Segments are merged in order; where they begin
 * depends on positions alone and a row's arithmetic never on its neighbours, so neither runs nor threads change a result:
 * a masked place adds exactly zero. Layout of the cache: rope.cpp. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

constexpr int64_t SEGMENT = 512;
constexpr int CHUNK_TILES = 4;
constexpr int ROWS = 8;  /* rows in registers at once */
constexpr int64_t RUN_ROWS = 16;

struct Run { int64_t first, size, last; };  /* first token, tokens, position of the last one */

/* A row of a run: one head of one token. */
struct RowState {
  float maximum, minimumSum, querySum;
  float total[16];
};

struct Work {
  const AttendArgs &args;
  int64_t D, paddedD, heads;  /* heads: query heads that share a KV head */
  float *q;                   /* [rows, paddedD], scaled */
  float *sum;                 /* [rows, paddedD] */
  float *weights;             /* [rows, 64] scores, then probabilities times value scales */
  RowState *rows;
};

/* Nibble `shift / 4` of every dword, as float. */
#if defined(__AVX512F__)
typedef __m512i nibbles;
TT_INLINE nibbles loadNibbles(const uint8_t *p) { return _mm512_loadu_si512(p); }
TT_INLINE vf nibble(nibbles v, int shift) {
  const __m512 table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return (vf)_mm512_permutexvar_ps(_mm512_srli_epi32(v, (unsigned)shift), table);
}
#else
typedef vu nibbles;
TT_INLINE nibbles loadNibbles(const uint8_t *p) { return loadAs<vu>(p); }
TT_INLINE vf nibble(nibbles v, int shift) { return __builtin_convertvector((vi)((v >> shift) & 15), vf); }
#endif

/* out[r][16 tokens] = q[r] . keys: even and odd halves of eight elements in two sums. */
template <int R> static void scoresKV4(const uint8_t *keys, int64_t d8, const float *q, int64_t qStride, float *out) {
  for (int u = 0; u < 16; u += LANES) {
    vf low[R], high[R];
    for (int r = 0; r < R; r++) low[r] = high[r] = vf{};
    for (int64_t j = 0; j < d8; j++) {
      const nibbles w = loadNibbles(keys + j * 64 + u * 4);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        const vf a = nibble(w, 8 * i), b = nibble(w, 8 * i + 4);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
          low[r] = fma(splat(q[r * qStride + j * 8 + i]), a, low[r]);
          high[r] = fma(splat(q[r * qStride + j * 8 + 4 + i]), b, high[r]);
        }
      }
    }
    for (int r = 0; r < R; r++) store(out + r * 64 + u, low[r] + high[r]);
  }
}
template <int R> static void scoresFull(const uint8_t *tile, int64_t D, const float *q, int64_t qStride, float *out) {
  const float *keys = (const float *)tile;
  for (int u = 0; u < 16; u += LANES) {
    vf low[R], high[R];
    for (int r = 0; r < R; r++) low[r] = high[r] = vf{};
    int64_t d = 0;
    for (; d + 2 <= D; d += 2) {
      const vf a = load(keys + d * 16 + u), b = load(keys + d * 16 + 16 + u);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        low[r] = fma(splat(q[r * qStride + d]), a, low[r]);
        high[r] = fma(splat(q[r * qStride + d + 1]), b, high[r]);
      }
    }
    for (; d < D; d++) {
      for (int r = 0; r < R; r++) low[r] = fma(splat(q[r * qStride + d]), load(keys + d * 16 + u), low[r]);
    }
    for (int r = 0; r < R; r++) store(out + r * 64 + u, low[r] + high[r]);
  }
}

/* sum[r][32j ..] += weights[r][token] * values. */
template <int R> static void valuesKV4(const uint8_t *const *tiles, int count, int64_t keyBytes, int64_t d32, const float *weights, float *sum, int64_t stride) {
  for (int64_t j = 0; j < d32; j++) {
    for (int u = 0; u < 16; u += LANES) {
      vf low[R], high[R];
      for (int r = 0; r < R; r++) {
        low[r] = load(sum + r * stride + j * 32 + u);
        high[r] = load(sum + r * stride + j * 32 + 16 + u);
      }
      for (int tile = 0; tile < count; tile++) {
        const uint8_t *values = tiles[tile] + keyBytes + j * 64 + u * 4;
        for (int quad = 0; quad < 4; quad++) {
          const nibbles w = loadNibbles(values + quad * d32 * 64);
#pragma GCC unroll 4
          for (int i = 0; i < 4; i++) {
            const vf a = nibble(w, 8 * i), b = nibble(w, 8 * i + 4);
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) {
              const vf p = splat(weights[r * 64 + tile * 16 + quad * 4 + i]);
              low[r] = fma(p, a, low[r]);
              high[r] = fma(p, b, high[r]);
            }
          }
        }
      }
      for (int r = 0; r < R; r++) {
        store(sum + r * stride + j * 32 + u, low[r]);
        store(sum + r * stride + j * 32 + 16 + u, high[r]);
      }
    }
  }
}
/* `tokens` of each tile are read: places behind were never written. */
template <int R> static void valuesFull(const uint8_t *const *tiles, const int *tokens, int count, int64_t keyBytes, int64_t width, const float *weights, float *sum, int64_t stride) {
  for (int64_t d = 0; d < width; d += LANES) {
    vf acc[R];
    for (int r = 0; r < R; r++) acc[r] = load(sum + r * stride + d);
    for (int tile = 0; tile < count; tile++) {
      const float *values = (const float *)(tiles[tile] + keyBytes) + d;
      for (int t = 0; t < tokens[tile]; t++) {
        const vf v = load(values + t * width);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) acc[r] = fma(splat(weights[r * 64 + tile * 16 + t]), v, acc[r]);
      }
    }
    for (int r = 0; r < R; r++) store(sum + r * stride + d, acc[r]);
  }
}

struct Kernels {
  void (*scoresKV4)(const uint8_t *, int64_t, const float *, int64_t, float *);
  void (*scoresFull)(const uint8_t *, int64_t, const float *, int64_t, float *);
  void (*valuesKV4)(const uint8_t *const *, int, int64_t, int64_t, const float *, float *, int64_t);
  void (*valuesFull)(const uint8_t *const *, const int *, int, int64_t, int64_t, const float *, float *, int64_t);
};
template <int R> constexpr Kernels kernels() { return {scoresKV4<R>, scoresFull<R>, valuesKV4<R>, valuesFull<R>}; }
static const Kernels KERNELS[ROWS] = {kernels<1>(), kernels<2>(), kernels<3>(), kernels<4>(), kernels<5>(), kernels<6>(), kernels<7>(), kernels<8>()};

struct Chunk {
  const uint8_t *tiles[CHUNK_TILES];
  int tokens[CHUNK_TILES];      /* places of the tile that lie in the segment */
  int64_t start[CHUNK_TILES];   /* position of the first */
  int64_t begin;                /* of the segment */
  int count;
};

TT_INLINE vf halves(const uint16_t *p) { return loadF16(p); }

/* Scores to probabilities for one row at `position`; sums and maximum move on. */
static void softmaxRow(const Work &work, const Chunk &chunk, int64_t r, int64_t position) {
  const AttendArgs &args = work.args;
  const bool kv4 = args.cache->precision == TT_KV4;
  const int64_t lowest = maxOf(chunk.begin, args.window > 0 ? position + 1 - args.window : 0);
  float *scores = work.weights + r * 64;
  RowState &row = work.rows[r];
  const vf cap = splat(args.softcap), inverseCap = splat(args.softcap == 0.0f ? 0.0f : 1.0f / args.softcap);
  vf most = splat(-INFINITY);
  for (int tile = 0; tile < chunk.count; tile++) {
    const uint16_t *fp16 = (const uint16_t *)(chunk.tiles[tile] + args.cache->keyBytes + args.cache->valueBytes);
    const vi first = splatInt((int32_t)maxOf(0, lowest - chunk.start[tile]));
    const vi end = splatInt((int32_t)maxOf(0, minOf(chunk.tokens[tile], position + 1 - chunk.start[tile])));
    for (int u = 0; u < 16; u += LANES) {
      vf s = load(scores + tile * 16 + u);
      if (kv4) s = fma(halves(fp16 + u), s, halves(fp16 + 16 + u) * splat(row.querySum));
      if (args.softcap != 0.0f) s = cap * vtanh(s * inverseCap);
      const vi place = iota() + u;
      s = ((place >= first) & (place < end)) ? s : splat(-INFINITY);
      most = vmax(most, s);
      store(scores + tile * 16 + u, s);
    }
  }
  const float maximum = maxLanes(vmax(most, splat(row.maximum)));
  if (maximum == -INFINITY) {
    memset(scores, 0, (size_t)chunk.count * 64);
    return;
  }
  if (maximum != row.maximum) {
    const float correction = scalarExp(row.maximum - maximum);
    const vf factor = splat(correction);
    float *sum = work.sum + r * work.paddedD;
    for (int64_t d = 0; d < work.paddedD; d += LANES) store(sum + d, load(sum + d) * factor);
    for (int u = 0; u < 16; u += LANES) store(row.total + u, load(row.total + u) * factor);
    row.minimumSum *= correction;
    row.maximum = maximum;
  }
  vf minima = {};
  for (int tile = 0; tile < chunk.count; tile++) {
    const uint16_t *fp16 = (const uint16_t *)(chunk.tiles[tile] + args.cache->keyBytes + args.cache->valueBytes);
    for (int u = 0; u < 16; u += LANES) {
      const vf s = load(scores + tile * 16 + u);
      vf p = vexp(s - splat(maximum));
      store(row.total + u, load(row.total + u) + p);
      if (kv4) {
        const vi seen = p > vf{};
        minima = minima + (vf)((vi)(p * halves(fp16 + 48 + u)) & seen);
        p = (vf)((vi)(p * halves(fp16 + 32 + u)) & seen);
      }
      store(scores + tile * 16 + u, p);
    }
  }
  if (kv4) row.minimumSum += sumLanes(minima);
}

static void attendChunk(const Work &work, const Chunk &chunk, int64_t rows, const int32_t *positions) {
  const tt_cache *cache = work.args.cache;
  const bool kv4 = cache->precision == TT_KV4;
  const int64_t stride = work.paddedD;
  for (int64_t r = 0; r < rows; r += ROWS) {
    const int64_t R = minOf(ROWS, rows - r);
    const Kernels &kernel = KERNELS[R - 1];
    float *weights = work.weights + r * 64;
    for (int tile = 0; tile < chunk.count; tile++) {
      if (kv4) kernel.scoresKV4(chunk.tiles[tile], ceilDiv(work.D, 8), work.q + r * stride, stride, weights + tile * 16);
      else kernel.scoresFull(chunk.tiles[tile], work.D, work.q + r * stride, stride, weights + tile * 16);
    }
    for (int64_t i = r; i < r + R; i++) softmaxRow(work, chunk, i, positions[i / work.heads]);
    float *sum = work.sum + r * stride;
    if (kv4) kernel.valuesKV4(chunk.tiles, chunk.count, cache->keyBytes, ceilDiv(work.D, 32), weights, sum, stride);
    else kernel.valuesFull(chunk.tiles, chunk.tokens, chunk.count, cache->keyBytes, cache->valueBytes / 64, weights, sum, stride);
  }
}

/* The positions of one segment that the run sees; leaves maximum, total and sum of every row in work. */
static void attendSegment(const Work &work, const Run &run, int64_t g, int64_t segment) {
  const AttendArgs &args = work.args;
  const tt_cache *cache = args.cache;
  const int64_t rows = run.size * work.heads;
  const int32_t *positions = args.step.position + run.first;
  for (int64_t r = 0; r < rows; r++) {
    work.rows[r].maximum = -INFINITY;
    work.rows[r].minimumSum = 0;
    memset(work.rows[r].total, 0, sizeof work.rows[r].total);
  }
  memset(work.sum, 0, (size_t)(rows * work.paddedD) * 4);
  const int32_t *table = args.step.blockTables + args.step.row[run.first] * args.step.blocksPerRow;
  const int64_t begin = segment * SEGMENT, end = minOf(run.last + 1, begin + SEGMENT);
  const int64_t lowest = args.window > 0 ? maxOf(0, positions[0] + 1 - args.window) : 0;
  Chunk chunk;
  chunk.begin = begin;
  chunk.count = 0;
  bool wanted = false;
  for (int64_t p = begin; p < end;) {
    const int64_t block = p / cache->B, place = p % cache->B, tile = place / 16;
    const int64_t tileStart = block * cache->B + tile * 16;
    const int64_t tileEnd = minOf(block * cache->B + minOf(cache->B, tile * 16 + 16), end);
    /* A segment may begin inside a tile when the block size is no divisor of it; the places before it are masked. */
    chunk.tiles[chunk.count] = cacheTile(cache, args.layer, table[block], g, tile);
    chunk.tokens[chunk.count] = (int)(tileEnd - tileStart);
    chunk.start[chunk.count] = tileStart;
    chunk.count++;
    wanted = wanted || tileEnd > lowest;
    p = tileEnd;
    if (chunk.count == CHUNK_TILES || p >= end) {
      if (wanted) attendChunk(work, chunk, rows, positions);
      chunk.count = 0;
      wanted = false;
    }
  }
}

/* Adds part (maximum, total, sum [D]) to a row that has those of the segments before. */
static void mergePart(float *sum, float *maximum, float *total, const float *part, float partMaximum, float partTotal, int64_t width) {
  if (partMaximum == -INFINITY) return;
  const float most = *maximum > partMaximum ? *maximum : partMaximum;
  const vf a = splat(*maximum == -INFINITY ? 0.0f : scalarExp(*maximum - most)), b = splat(scalarExp(partMaximum - most));
  for (int64_t d = 0; d < width; d += LANES) store(sum + d, fma(load(part + d), b, load(sum + d) * a));
  *total = *total * a[0] + partTotal * b[0];
  *maximum = most;
}

static int64_t findRuns(const AttendArgs &args, int64_t most, Run *runs) {
  const Step &step = args.step;
  int64_t count = 0;
  for (int64_t t = 0; t < step.size; t++) {
    if (step.row[t] < 0) continue;
    Run *run = count > 0 ? &runs[count - 1] : nullptr;
    if (run && run->first + run->size == t && step.row[run->first] == step.row[t] && run->last + 1 == step.position[t] && run->size < most) {
      run->size++;
      run->last++;
    } else {
      runs[count++] = {t, 1, step.position[t]};
    }
  }
  return count;
}

static int checkBlocks(Runtime &runtime, const AttendArgs &args, const Run *runs, int64_t count) {
  const Step &step = args.step;
  for (int64_t i = 0; i < count; i++) {
    const int64_t row = step.row[runs[i].first];
    const int64_t first = args.window > 0 ? maxOf(0, step.position[runs[i].first] + 1 - args.window) / SEGMENT * SEGMENT : 0;
    for (int64_t b = first / args.cache->B; b <= runs[i].last / args.cache->B; b++) {
      const int32_t block = step.blockTables[row * step.blocksPerRow + b];
      if (block < 0 || block >= args.cache->blocks) {
        return fail(runtime, TT_BAD_ARGUMENT, "blockTables[%d][%d] = %d; the cache has %d blocks", (int)row, (int)b, (int)block, (int)args.cache->blocks);
      }
    }
  }
  return TT_OK;
}

int attend(Runtime &runtime, const AttendArgs &args) {
  const Step &step = args.step;
  const tt_cache *cache = args.cache;
  const int64_t H = args.H, G = cache->G, D = cache->D, heads = H / G, paddedD = ceilDiv(D, 32) * 32;
  const int status = checkStep(runtime, step, cache, 0);
  if (status) return status;

  /* Rows of a run fill the registers once or twice. */
  const int64_t most = maxOf(1, RUN_ROWS / heads);
  const int64_t maxRows = most * heads;
  const bool inPlace = args.out.kind == 0;
  int64_t segments = 1;
  for (int64_t t = 0; t < step.size; t++) {
    if (step.row[t] >= 0) segments = maxOf(segments, step.position[t] / SEGMENT + 1);
  }
  const int64_t runBytes = ceilDiv(step.size * (int64_t)sizeof(Run), 64) * 64;
  const int64_t outBytes = inPlace ? 0 : step.size * H * D * 4;
  /* With few runs the segments are work items too, and their parts are kept apart until all are there. */
  const bool split = segments > 1 && ceilDiv(step.size, most) * G < 4 * (int64_t)threadsOf(runtime);
  const int64_t partFloats = paddedD + 16;
  const int64_t partBytes = split ? step.size * H * segments * partFloats * 4 : 0;
  uint8_t *shared = (uint8_t *)sharedScratch(runtime, runBytes + ceilDiv(outBytes, 64) * 64 + partBytes);
  const int64_t headBytes = maxRows * ((3 * paddedD + 64 + 32) * 4 + (int64_t)sizeof(RowState));
  int64_t stride;
  uint8_t *scratch = workerScratch(runtime, maxOf(headBytes, paddedWidth(H * D) * 4) + 256, &stride);
  if (!shared || !scratch) return fail(runtime, TT_OUT_OF_MEMORY, "no memory for %d tokens over %d segments", (int)step.size, (int)segments);

  Run *runs = (Run *)shared;
  const int64_t count = findRuns(args, most, runs);
  const int checked = checkBlocks(runtime, args, runs, count);
  if (checked) return checked;
  float *values = inPlace ? args.out.f : (float *)(shared + runBytes);
  float *parts = (float *)(shared + runBytes + ceilDiv(outBytes, 64) * 64);
  const int64_t qkvWidth = (H + 2 * G) * D;

  const int64_t perItem = split ? segments : 1;
  parallel(runtime, count * G * perItem, [&](int task, int worker) {
    const int64_t item = task / perItem, only = task % perItem;
    const Run &run = runs[item / G];
    const int64_t g = item % G, rows = run.size * heads;
    float *base = (float *)(scratch + worker * stride);
    float *q = base, *sum = q + maxRows * paddedD, *merged = sum + maxRows * paddedD, *weights = merged + maxRows * paddedD;
    float *mergedMaximum = weights + maxRows * 64, *mergedTotal = mergedMaximum + maxRows;
    RowState *states = (RowState *)(mergedTotal + maxRows);
    const Work work = {args, D, paddedD, heads, q, sum, weights, states};
    for (int64_t r = 0; r < rows; r++) {
      const float *source = args.qkv + (run.first + r / heads) * qkvWidth + (g * heads + r % heads) * D;
      float *to = q + r * paddedD;
      float querySum = 0;
      for (int64_t d = 0; d < D; d++) {
        to[d] = source[d] * args.scale;
        querySum += to[d];
      }
      for (int64_t d = D; d < paddedD; d++) to[d] = 0;
      states[r].querySum = querySum;
      mergedMaximum[r] = -INFINITY;
      mergedTotal[r] = 0;
    }
    memset(merged, 0, (size_t)(rows * paddedD) * 4);
    const int64_t lowest = args.window > 0 ? maxOf(0, step.position[run.first] + 1 - args.window) : 0;
    const int64_t firstSegment = lowest / SEGMENT, lastSegment = run.last / SEGMENT;
    for (int64_t segment = split ? only : firstSegment; segment <= (split ? only : lastSegment); segment++) {
      const bool seen = segment >= firstSegment && segment <= lastSegment;
      if (seen) attendSegment(work, run, g, segment);
      for (int64_t r = 0; r < rows; r++) {
        float total = 0;
        if (seen) {
          vf lanes = {};
          for (int u = 0; u < 16; u += LANES) lanes = lanes + load(states[r].total + u);
          total = sumLanes(lanes);
          const vf minimum = splat(states[r].minimumSum);
          for (int64_t d = 0; d < paddedD; d += LANES) store(sum + r * paddedD + d, load(sum + r * paddedD + d) + minimum);
        }
        if (split) {
          float *part = parts + ((run.first + r / heads) * H + g * heads + r % heads) * segments * partFloats + segment * partFloats;
          part[0] = seen ? states[r].maximum : -INFINITY;
          part[1] = total;
          if (seen) memcpy(part + 16, sum + r * paddedD, (size_t)paddedD * 4);
        } else {
          mergePart(merged + r * paddedD, &mergedMaximum[r], &mergedTotal[r], sum + r * paddedD, states[r].maximum, total, paddedD);
        }
      }
    }
    for (int64_t r = 0; r < rows && !split; r++) {
      float *to = values + (run.first + r / heads) * H * D + (g * heads + r % heads) * D;
      for (int64_t d = 0; d < D; d++) to[d] = merged[r * paddedD + d] / mergedTotal[r];
    }
  });

  if (split) {
    parallel(runtime, step.size, [&](int t, int worker) {
      if (step.row[t] < 0) return;
      float *merged = (float *)(scratch + worker * stride);
      for (int64_t h = 0; h < H; h++) {
        float maximum = -INFINITY, total = 0;
        memset(merged, 0, (size_t)paddedD * 4);
        for (int64_t segment = 0; segment <= step.position[t] / SEGMENT; segment++) {
          const float *part = parts + ((t * H + h) * segments + segment) * partFloats;
          mergePart(merged, &maximum, &total, part + 16, part[0], part[1], paddedD);
        }
        float *to = values + (t * H + h) * D;
        for (int64_t d = 0; d < D; d++) to[d] = merged[d] / total;
      }
    });
  }
  if (inPlace) return TT_OK;
  const int64_t width = H * D, padded = paddedWidth(width), each = itemsPerTask(runtime, step.size, width, 16384);
  parallel(runtime, ceilDiv(step.size, each), [&](int task, int worker) {
    float *y = (float *)(scratch + worker * stride);
    memset(y + width, 0, (size_t)(padded - width) * 4);
    for (int64_t t = task * each; t < minOf(step.size, (task + 1) * each); t++) {
      if (step.row[t] < 0) continue;
      memcpy(y, values + t * width, (size_t)width * 4);
      storeActivation(args.out, t, y);
    }
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
