/* Attention through the paged cache, in chunks of 64 positions (see AttendArgs in src/backend/backend.ts for the arithmetic).
 *
 * A work item is a run of consecutive tokens of one request, one KV head, and one segment of 512 positions. All query heads of
 * the run that share the KV head are rows of it, so keys and values are unpacked once for up to 8 rows. With KV4, queries
 * are integers of 12 bits and probabilities of 13, so every product-sum of a chunk is exact in float32, whatever its order. What
 * chunks give is added in double, relative to powers of two. So neither runs nor segments nor threads change a result. Layout of the cache: rope.cpp. */
#include "rows.h"

#if defined(TT_BYTE_DOTS)
#include "kv4_vnni.h"
#else
#include "kv4_float.h"
#endif
#if defined(__AMX_INT8__)
#include "kv4_amx.h"
#endif

namespace tetrad {
namespace TT_PATH {

#if !defined(__AMX_INT8__)
constexpr int64_t HEAD_PAD = 32, WIDE_ROWS = 1;  /* no wide products */
TT_INLINE int64_t wideBytes(int64_t) { return 0; }
TT_INLINE void openTiles() {}
TT_INLINE void closeTiles() {}
#endif
constexpr int64_t SEGMENT = 512;
constexpr int64_t CHUNK = 64;
constexpr int MAX_CHUNK_TILES = 65;  /* blocks may be as small as one token */
constexpr int ROWS = 8;              /* rows in registers at once */
constexpr float QUERY_LEVELS = 2047, WEIGHT_LEVELS = 8191;
constexpr int64_t RUN_ROWS = 16;

struct Run { int64_t first, size, last; };  /* first token, tokens, position of the last one */

/* A row of a run: one head of one token. `total` and `minimum` belong to `maximum`, as the sums do. */
struct RowState {
  float queryScale;  /* from what the product gives to the score; to its exponent of two where there is no soft cap */
  float querySum;
  float maximum;     /* exponent of two, a whole number */
  double total;      /* of the probabilities */
  double minimum;    /* of probabilities times value minima */
};

struct Work {
  const AttendArgs &args;
  int64_t D, paddedD, heads;  /* heads: query heads that share a KV head */
  int64_t places;             /* of a chunk: 16 a tile */
  float *q;                   /* [rows, paddedD], integers or scaled */
  float *chunkSum;            /* [rows, paddedD] */
  double *sum;                /* [rows, paddedD] */
  float *weights;             /* [rows, places] scores, then probabilities (full precision) */
  float *scales;              /* KV4, [5, places] of a chunk: see readScales */
  uint8_t *queryCodes;        /* KV4: q and weights as the products take them, CODE_BYTES a number */
  uint8_t *weightCodes;
  uint8_t *operands;          /* of wide products */
  RowState *rows;
};

template <int R> static void scoresFull(const uint8_t *tile, int64_t D, const float *q, int64_t qStride, float *out, int64_t places) {
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
    for (int r = 0; r < R; r++) store(out + r * places + u, low[r] + high[r]);
  }
}

/* `tokens` of each tile are read: places behind were never written. */
template <int R> static void valuesFull(const uint8_t *const *tiles, const int *tokens, int count, int64_t keyBytes, int64_t width, const float *weights, int64_t places, float *sum, int64_t stride) {
  for (int64_t d = 0; d < width; d += LANES) {
    vf acc[R];
    for (int r = 0; r < R; r++) acc[r] = vf{};
    for (int tile = 0; tile < count; tile++) {
      const float *values = (const float *)(tiles[tile] + keyBytes) + d;
      for (int t = 0; t < tokens[tile]; t++) {
        const vf v = load(values + t * width);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) acc[r] = fma(splat(weights[r * places + tile * 16 + t]), v, acc[r]);
      }
    }
    for (int r = 0; r < R; r++) store(sum + r * stride + d, acc[r]);
  }
}

struct Kernels {
  void (*scoresKV4)(const uint8_t *, int64_t, const uint8_t *, int64_t, float *, int64_t);
  void (*scoresFull)(const uint8_t *, int64_t, const float *, int64_t, float *, int64_t);
  void (*valuesKV4)(const uint8_t *const *, int, int64_t, int64_t, const uint8_t *, int64_t, float *, int64_t);
  void (*valuesFull)(const uint8_t *const *, const int *, int, int64_t, int64_t, const float *, int64_t, float *, int64_t);
};
template <int R> constexpr Kernels kernels() { return {scoresKV4<R>, scoresFull<R>, valuesKV4<R>, valuesFull<R>}; }
static const Kernels KERNELS[ROWS] = {kernels<1>(), kernels<2>(), kernels<3>(), kernels<4>(), kernels<5>(), kernels<6>(), kernels<7>(), kernels<8>()};

struct Chunk {
  const uint8_t *tiles[MAX_CHUNK_TILES];
  int tokens[MAX_CHUNK_TILES];      /* places of the tile that lie in the chunk */
  int64_t start[MAX_CHUNK_TILES];   /* position of the first place */
  int64_t begin;                    /* first position of the chunk */
  int count;
  bool whole;                       /* 64 places of 4 tiles, all of them positions */
};

/* The soft cap, in double and rounded, as an exponent of two. */
static __attribute__((noinline)) vf capped(vf x, float cap) {
  const vd c = splatDouble(cap);
  return toFloats(c * tanhDoubles(lowDoubles(x) / c), c * tanhDoubles(highDoubles(x) / c)) * splat(LOG2_E);
}

/* What a chunk adds to a row, relative to its own maximum. */
struct ChunkPart {
  float maximum;   /* -infinity where the row sees nothing of the chunk */
  float total, minimum;
  float unit;      /* of the chunk's sums */
};

/* The places of a tile that a row at `position` sees. */
struct Seen { int first, end; };
TT_INLINE Seen seenOf(const Chunk &chunk, int tile, int64_t lowest, int64_t position) {
  return {(int)maxOf(0, lowest - chunk.start[tile]), (int)maxOf(0, minOf(chunk.tokens[tile], position + 1 - chunk.start[tile]))};
}
TT_INLINE vi seenLanes(Seen seen, int u) {
  const vi place = iota() + u;
  return (place >= splatInt(seen.first)) & (place < splatInt(seen.end));
}

/* Weights of value codes: a token's scale in units of the largest one. */
TT_INLINE vf unitsOf(float largest) { return splat(largest == 0.0f ? 0.0f : WEIGHT_LEVELS / largest); }

/* Scales of a chunk's tokens as floats: key scales, key minima, value scales, value minima; then value scales in units of
 * the largest, which is returned. */
static float readScales(const tt_cache *cache, const Chunk &chunk, float *to, int64_t places) {
  vf largest = {};
  for (int tile = 0; tile < chunk.count; tile++) {
    const uint16_t *halves = (const uint16_t *)(chunk.tiles[tile] + cache->keyBytes + cache->valueBytes);
    for (int u = 0; u < 16; u += LANES) {
      for (int i = 0; i < 4; i++) store(to + i * places + tile * 16 + u, loadF16(halves + i * 16 + u));
      largest = vmax(largest, load(to + 2 * places + tile * 16 + u));
    }
  }
  const float most = maxLanes(largest);
  const vf inverse = unitsOf(most);
  for (int i = 0; i < chunk.count * 16; i += LANES) store(to + 4 * places + i, load(to + 2 * places + i) * inverse);
  return most;
}

/* Sums over the places of a chunk: place p of every tile is lane p of 16. */
struct LaneSums {
  vf lanes[16 / LANES] = {};
  void add(int u, vf x) { lanes[u / LANES] = lanes[u / LANES] + x; }
  float sum() const {
    vf all[16 / LANES];
    memcpy(all, lanes, sizeof all);
    for (int half = 16 / LANES / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; i++) all[i] = all[i] + all[i + half];
    }
    return sumLanes(all[0]);
  }
};

/* Scores of row r at places i .. of the chunk, as exponents of two where there is no soft cap. */
template <bool KV4> TT_INLINE vf exponentsOf(const Work &work, int64_t r, int64_t i) {
  vf s = KV4 ? loadScores(work.weights + r * work.places + i) : load(work.weights + r * work.places + i);
  if (KV4) s = load(work.scales + i) * s + load(work.scales + work.places + i) * splat(work.rows[r].querySum);
  return s * splat(work.rows[r].queryScale);
}

/* Scores of row r, which sees all places of the chunk, to weights. `largest`: of the chunk's value scales. */
template <bool KV4> static ChunkPart softmaxWhole(const Work &work, int64_t r, float largest) {
  const int64_t places = work.places;
  const float *scales = work.scales, softcap = work.args.softcap;
  float *scores = work.weights + r * places;
  vf most = splat(-INFINITY);
  for (int64_t i = 0; i < CHUNK; i += LANES) {
    vf s = exponentsOf<KV4>(work, r, i);
    if (softcap != 0.0f) s = capped(s, softcap);
    most = vmax(most, s);
    store(scores + i, s);
  }
  const float exponent = ceilf(maxLanes(most));
  LaneSums total, minimum;
  for (int64_t i = 0; i < CHUNK; i += LANES) {
    const vf p = exp2Exact(load(scores + i) - splat(exponent));
    total.add(i % 16, p);
    if (KV4) {
      minimum.add(i % 16, p * load(scales + 3 * places + i));
      storeWeightCodes(roundToInt(p * load(scales + 4 * places + i)), i, places, work.weightCodes + r * CODE_BYTES * places);
    } else {
      store(scores + i, p);
    }
  }
  return {exponent, total.sum(), minimum.sum(), KV4 ? largest : 1};
}

/* The same for row r at `position`, which sees some places. */
template <bool KV4> static ChunkPart softmaxPart(const Work &work, const Chunk &chunk, int64_t r, int64_t position) {
  const AttendArgs &args = work.args;
  const int64_t lowest = maxOf(chunk.begin, args.window > 0 ? position + 1 - args.window : 0), places = work.places;
  const float *scales = work.scales;
  float *scores = work.weights + r * places;
  vf most = splat(-INFINITY), largest = {};
  for (int tile = 0; tile < chunk.count; tile++) {
    const Seen seen = seenOf(chunk, tile, lowest, position);
    for (int u = 0; u < 16; u += LANES) {
      const int64_t i = tile * 16 + u;
      const vi lanes = seenLanes(seen, u);
      vf s = exponentsOf<KV4>(work, r, i);
      if (args.softcap != 0.0f) s = capped(s, args.softcap);
      s = lanes ? s : splat(-INFINITY);
      if (KV4) largest = vmax(largest, (vf)((vi)load(scales + 2 * places + i) & lanes));
      most = vmax(most, s);
      store(scores + i, s);
    }
  }
  uint8_t *codes = work.weightCodes + r * CODE_BYTES * places;
  const float highest = maxLanes(most);
  if (highest == -INFINITY) {
    for (int64_t i = 0; i < chunk.count * 16; i += LANES) {
      store(scores + i, vf{});
      if (KV4) storeWeightCodes(vi{}, i, places, codes);
    }
    return {-INFINITY, 0, 0, 1};
  }
  const float exponent = ceilf(highest), unit = KV4 ? maxLanes(largest) : 1;
  const vf inverse = unitsOf(unit);
  LaneSums total, minimum;
  for (int tile = 0; tile < chunk.count; tile++) {
    const Seen seen = seenOf(chunk, tile, lowest, position);
    for (int u = 0; u < 16; u += LANES) {
      const int64_t i = tile * 16 + u;
      const vi lanes = seenLanes(seen, u);
      const vf p = (vf)((vi)exp2Exact(load(scores + i) - splat(exponent)) & lanes);
      total.add(u, p);
      if (KV4) {
        minimum.add(u, p * (vf)((vi)load(scales + 3 * places + i) & lanes));
        const vf units = (vf)((vi)(load(scales + 2 * places + i) * inverse) & lanes);
        storeWeightCodes(roundToInt(p * units), i, places, codes);
      } else {
        store(scores + i, p);
      }
    }
  }
  return {exponent, total.sum(), minimum.sum(), unit};
}

/* 2^x for whole x of at most 0. */
TT_INLINE double powerOfTwo(float x) {
  const int64_t bits = x < -1000 ? 0 : ((int64_t)x + 1023) << 52;
  double power;
  memcpy(&power, &bits, 8);
  return power;
}

/* total, minimum and sums of the row move to the larger of both maxima, and the part is added. */
template <bool KV4> static void addPart(RowState &row, double *sum, const ChunkPart &part, const float *chunkSum, int64_t width) {
  if (part.maximum == -INFINITY) return;
  const double factor = part.maximum < row.maximum ? powerOfTwo(part.maximum - row.maximum) : 1.0;
  if (part.maximum > row.maximum) {
    const double old = powerOfTwo(row.maximum - part.maximum);
    row.maximum = part.maximum;
    row.total = row.total * old;
    row.minimum = row.minimum * old;
    for (int64_t d = 0; d < width; d += DOUBLES) {
      const vd moved = loadAs<vd>(sum + d) * splatDouble(old);
      memcpy(sum + d, &moved, sizeof moved);
    }
  }
  row.total = row.total + (double)part.total * factor;
  row.minimum = row.minimum + (double)part.minimum * factor;
  const vd unit = splatDouble(KV4 ? (double)part.unit / (double)WEIGHT_LEVELS * factor : factor);
  for (int64_t d = 0; d < width; d += DOUBLES) {
    const vd added = loadAs<vd>(sum + d) + loadDoubles(chunkSum + d) * unit;
    memcpy(sum + d, &added, sizeof added);
  }
}

template <bool KV4> static void attendChunk(const Work &work, const Chunk &chunk, int64_t rows, const int32_t *positions) {
  const tt_cache *cache = work.args.cache;
  const int64_t stride = work.paddedD, places = work.places, window = work.args.window;
  const float largest = KV4 ? readScales(cache, chunk, work.scales, places) : 0;
  for (int64_t r = 0, R; r < rows; r += R) {
    const bool wide = KV4 && WIDE_ROWS > 1 && rows - r > ROWS && chunk.count == CHUNK / 16;
    R = minOf(wide ? WIDE_ROWS : ROWS, rows - r);
    const Kernels &kernel = KERNELS[minOf(R, ROWS) - 1];
    float *weights = work.weights + r * places, *sum = work.chunkSum + r * stride;
    const uint8_t *queryCodes = work.queryCodes + r * CODE_BYTES * stride, *weightCodes = work.weightCodes + r * CODE_BYTES * places;
#if defined(__AMX_INT8__)
    if (wide) wideScores(chunk.tiles, ceilDiv(work.D, 8), queryCodes, stride, weights, places, work.operands);
#endif
    for (int tile = 0; tile < chunk.count && !wide; tile++) {
      if (KV4) kernel.scoresKV4(chunk.tiles[tile], ceilDiv(work.D, 8), queryCodes, stride, weights + tile * 16, places);
      else kernel.scoresFull(chunk.tiles[tile], work.D, work.q + r * stride, stride, weights + tile * 16, places);
    }
    ChunkPart parts[WIDE_ROWS > ROWS ? WIDE_ROWS : ROWS];
    for (int64_t i = 0; i < R; i++) {
      const int64_t position = positions[(r + i) / work.heads];
      const bool whole = chunk.whole && position >= chunk.begin + CHUNK - 1 && (window == 0 || position + 1 - window <= chunk.begin);
      parts[i] = whole ? softmaxWhole<KV4>(work, r + i, largest) : softmaxPart<KV4>(work, chunk, r + i, position);
    }
#if defined(__AMX_INT8__)
    if (wide) wideValues(chunk.tiles, R, cache->keyBytes, ceilDiv(work.D, 32), weightCodes, places, sum, stride, work.operands);
#endif
    if (!wide && KV4) kernel.valuesKV4(chunk.tiles, chunk.count, cache->keyBytes, ceilDiv(work.D, 32), weightCodes, places, sum, stride);
    if (!KV4) kernel.valuesFull(chunk.tiles, chunk.tokens, chunk.count, cache->keyBytes, cache->valueBytes / 64, weights, places, sum, stride);
    for (int64_t i = 0; i < R; i++) addPart<KV4>(work.rows[r + i], work.sum + (r + i) * stride, parts[i], sum + i * stride, ceilDiv(work.D, 32) * 32);
  }
}

/* The positions of one segment that the run sees, added to the rows' states and sums. */
static void attendSegment(const Work &work, const Run &run, int64_t g, int64_t segment) {
  const AttendArgs &args = work.args;
  const tt_cache *cache = args.cache;
  const int64_t rows = run.size * work.heads;
  const int32_t *positions = args.step.position + run.first;
  const int32_t *table = args.step.blockTables + args.step.row[run.first] * args.step.blocksPerRow;
  const int64_t lowest = args.window > 0 ? maxOf(0, positions[0] + 1 - args.window) : 0;
  const int64_t end = minOf(run.last + 1, (segment + 1) * SEGMENT);
  Chunk chunk;
  for (chunk.begin = maxOf(segment * SEGMENT, lowest / CHUNK * CHUNK); chunk.begin < end; chunk.begin += CHUNK) {
    const int64_t chunkEnd = minOf(end, chunk.begin + CHUNK);
    chunk.count = 0;
    for (int64_t p = chunk.begin; p < chunkEnd; chunk.count++) {
      const int64_t block = p / cache->B, tile = p % cache->B / 16;
      const int64_t tileStart = block * cache->B + tile * 16;
      const int64_t tileEnd = minOf(block * cache->B + minOf(cache->B, tile * 16 + 16), chunkEnd);
      /* A chunk may begin inside a tile where the block size is no multiple of 16; the places before it are masked. */
      chunk.tiles[chunk.count] = cacheTile(cache, args.layer, table[block], g, tile);
      chunk.tokens[chunk.count] = (int)(tileEnd - tileStart);
      chunk.start[chunk.count] = tileStart;
      p = tileEnd;
    }
    chunk.whole = chunkEnd == chunk.begin + CHUNK && chunk.count == CHUNK / 16;
    (cache->precision == TT_KV4 ? attendChunk<true> : attendChunk<false>)(work, chunk, rows, positions);
  }
}

/* Adds what a later segment left in `part` to what the earlier ones left in the row. */
static void mergeState(RowState &row, double *sum, const RowState &part, const double *partSum, int64_t width) {
  if (part.maximum == -INFINITY) return;
  const float most = row.maximum > part.maximum ? row.maximum : part.maximum;
  const double a = powerOfTwo(row.maximum - most), b = powerOfTwo(part.maximum - most);
  for (int64_t d = 0; d < width; d++) sum[d] = sum[d] * a + partSum[d] * b;
  row.total = row.total * a + part.total * b;
  row.minimum = row.minimum * a + part.minimum * b;
  row.maximum = most;
}

static void clearState(RowState &row, double *sum, int64_t width) {
  row.maximum = -INFINITY;
  row.total = row.minimum = 0;
  memset(sum, 0, (size_t)width * 8);
}

static void writeHead(const RowState &row, const double *sum, float *to, int64_t D) {
  for (int64_t d = 0; d < D; d++) to[d] = (float)((sum[d] + row.minimum) / row.total);
}

/* A head of a query: 12-bit integers, or scaled floats. */
static void loadQuery(const AttendArgs &args, const float *source, int64_t D, int64_t paddedD, float *to, RowState &row) {
  memset(to + D, 0, (size_t)(paddedD - D) * 4);
  row.querySum = 0;
  const float toExponent = args.softcap == 0.0f ? LOG2_E : 1.0f;
  if (args.cache->precision != TT_KV4) {
    for (int64_t d = 0; d < D; d++) to[d] = source[d] * args.scale;
    row.queryScale = toExponent;
    return;
  }
  float most = 0;
  for (int64_t d = 0; d < D; d++) most = fabsf(source[d]) > most ? fabsf(source[d]) : most;
  const float inverse = most == 0.0f ? 0.0f : QUERY_LEVELS / most;
  for (int64_t d = 0; d < D; d++) {
    to[d] = rintf(source[d] * inverse);
    row.querySum += to[d];
  }
  row.queryScale = most / QUERY_LEVELS * args.scale * toExponent;
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
  const int64_t H = args.H, G = cache->G, D = cache->D, heads = H / G, paddedD = ceilDiv(D, HEAD_PAD) * HEAD_PAD;
  const int status = checkStep(runtime, step, cache, 0);
  if (status) return status;

  /* Rows of a run fill the registers once or twice. */
  const int64_t most = maxOf(1, RUN_ROWS / heads);
  const int64_t maxRows = ceilDiv(most * heads, WIDE_ROWS) * WIDE_ROWS;
  const bool inPlace = args.out.kind == 0;
  int64_t segments = 1;
  for (int64_t t = 0; t < step.size; t++) {
    if (step.row[t] >= 0) segments = maxOf(segments, step.position[t] / SEGMENT + 1);
  }
  const int64_t runBytes = ceilDiv(step.size * (int64_t)sizeof(Run), 64) * 64;
  const int64_t outBytes = inPlace ? 0 : step.size * H * D * 4;
  /* With few runs the segments are work items too, and their parts are kept apart until all are there. */
  const bool split = segments > 1 && ceilDiv(step.size, most) * G < 4 * (int64_t)threadsOf(runtime);
  const int64_t partBytes = (int64_t)sizeof(RowState) + paddedD * 8;
  const int64_t allPartBytes = split ? step.size * H * segments * partBytes : 0;
  uint8_t *shared = (uint8_t *)sharedScratch(runtime, runBytes + ceilDiv(outBytes, 64) * 64 + allPartBytes);
  const int64_t places = 16 * minOf(MAX_CHUNK_TILES, cache->B % 16 == 0 ? CHUNK / 16 : (CHUNK / cache->B + 2) * ceilDiv(cache->B, 16));
  const int64_t rowBytes = paddedD * (8 + 4 + 4 + CODE_BYTES) + places * (4 + CODE_BYTES) + (int64_t)sizeof(RowState);
  const int64_t operandBytes = wideBytes(paddedD), scaleBytes = 5 * places * 4;
  int64_t stride;
  uint8_t *scratch = workerScratch(runtime, maxOf(operandBytes + scaleBytes + maxRows * rowBytes, paddedWidth(H * D) * 4) + 256, &stride);
  if (!shared || !scratch) return fail(runtime, TT_OUT_OF_MEMORY, "no memory for %d tokens over %d segments", (int)step.size, (int)segments);

  Run *runs = (Run *)shared;
  const int64_t count = findRuns(args, most, runs);
  const int checked = checkBlocks(runtime, args, runs, count);
  if (checked) return checked;
  float *values = inPlace ? args.out.f : (float *)(shared + runBytes);
  uint8_t *parts = shared + runBytes + ceilDiv(outBytes, 64) * 64;
  const auto partOf = [=](int64_t token, int64_t head, int64_t segment) { return parts + ((token * H + head) * segments + segment) * partBytes; };
  const int64_t qkvWidth = (H + 2 * G) * D;

  const int64_t perItem = split ? segments : 1;
  parallel(runtime, count * G * perItem, [&](int task, int worker) {
    const int64_t item = task / perItem, only = task % perItem;
    const Run &run = runs[item / G];
    const int64_t g = item % G, rows = run.size * heads;
    uint8_t *operands = scratch + worker * stride;
    double *sum = (double *)(operands + operandBytes);
    float *q = (float *)(sum + maxRows * paddedD), *chunkSum = q + maxRows * paddedD, *weights = chunkSum + maxRows * paddedD;
    float *scales = weights + maxRows * places;
    RowState *states = (RowState *)(scales + 5 * places);
    uint8_t *queryCodes = (uint8_t *)(states + maxRows), *weightCodes = queryCodes + maxRows * paddedD * CODE_BYTES;
    const Work work = {args, D, paddedD, heads, places, q, chunkSum, sum, weights, scales, queryCodes, weightCodes, operands, states};
    for (int64_t r = 0; r < rows; r++) {
      const float *source = args.qkv + (run.first + r / heads) * qkvWidth + (g * heads + r % heads) * D;
      loadQuery(args, source, D, paddedD, q + r * paddedD, states[r]);
      if (cache->precision == TT_KV4) {
        for (int64_t d = 0; d < paddedD; d += LANES) storeQueryCodes(roundToInt(load(q + r * paddedD + d)), d, paddedD, queryCodes + r * CODE_BYTES * paddedD);
      }
      clearState(states[r], sum + r * paddedD, paddedD);
    }
    const int64_t lowest = args.window > 0 ? maxOf(0, step.position[run.first] + 1 - args.window) : 0;
    const int64_t firstSegment = split ? maxOf(only, lowest / SEGMENT) : lowest / SEGMENT;
    const int64_t lastSegment = split ? minOf(only, run.last / SEGMENT) : run.last / SEGMENT;
    openTiles();
    for (int64_t segment = firstSegment; segment <= lastSegment; segment++) attendSegment(work, run, g, segment);
    closeTiles();
    for (int64_t r = 0; r < rows; r++) {
      const int64_t token = run.first + r / heads, head = g * heads + r % heads;
      if (split) {
        uint8_t *part = partOf(token, head, only);
        memcpy(part, &states[r], sizeof(RowState));
        memcpy(part + sizeof(RowState), sum + r * paddedD, (size_t)paddedD * 8);
      } else {
        writeHead(states[r], sum + r * paddedD, values + (token * H + head) * D, D);
      }
    }
  });

  if (split) {
    parallel(runtime, step.size, [&](int t, int worker) {
      if (step.row[t] < 0) return;
      double *sum = (double *)(scratch + worker * stride);
      for (int64_t h = 0; h < H; h++) {
        RowState row;
        clearState(row, sum, paddedD);
        for (int64_t segment = 0; segment <= step.position[t] / SEGMENT; segment++) {
          const uint8_t *part = partOf(t, h, segment);
          mergeState(row, sum, *(const RowState *)part, (const double *)(part + sizeof(RowState)), paddedD);
        }
        writeHead(row, sum, values + (t * H + h) * D, D);
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
