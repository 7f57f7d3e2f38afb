/* Norms and rotates q (in place) and k, makes k and v four bits wide and puts them into the cache.
 *
 * A tile of the cache holds 16 tokens of one KV head:
 *   keys    [D/8][16 tokens][4]: low nibbles are elements 8j + 0..3, high nibbles 8j + 4..7: lanes of a vector are tokens
 *   values  [4 quads][D/32][16][4 tokens]: low nibbles are elements 32j + 0..15, high nibbles 32j + 16..31: lanes are elements
 *   fp16    16 key scales, 16 key minima, 16 value scales, 16 value minima
 * so both products of attention run along lanes, and a byte belongs to one token.
 * Full precision: keys f32 [D][16 tokens], values f32 [16 tokens][D to a multiple of 16]. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

static void rotate(float *x, const float *angles, int64_t half) {
  forVectors(half, [&](int64_t i, int64_t lanes) {
    const vf a = loadLanes(x + i, lanes), b = loadLanes(x + half + i, lanes);
    const vf c = loadLanes(angles + i, lanes), s = loadLanes(angles + half + i, lanes);
    storeLanes(x + i, a * c - b * s, lanes);
    storeLanes(x + half + i, b * c + a * s, lanes);
  });
}

static void normRotate(float *x, const float *weight, const RopeArgs &args, int64_t D, const float *angles) {
  if (weight) {
    const vf inverse = splat(inverseRms(x, D, args.epsilon));
    forVectors(D, [&](int64_t d, int64_t lanes) { storeLanes(x + d, loadLanes(x + d, lanes) * inverse * loadLanes(weight + d, lanes), lanes); });
  }
  rotate(x, angles, args.rotary / 2);
}

/* Codes of x [D] as bytes; returns the fp16 scale and minimum. */
static void quantizeHead(const float *x, int64_t D, uint8_t *codes, uint16_t *scale, uint16_t *minimum) {
  vf least = splat(x[0]), most = least;
  forVectors(D, [&](int64_t d, int64_t lanes) {
    if (lanes == LANES) {
      least = vmin(least, load(x + d));
      most = vmax(most, load(x + d));
    } else {
      for (int64_t i = d; i < D; i++) {
        least = vmin(least, splat(x[i]));
        most = vmax(most, splat(x[i]));
      }
    }
  });
  const float low = -maxLanes(-least), high = maxLanes(most);
  *scale = floatToHalf((high - low) / 15.0f);
  *minimum = floatToHalf(low);
  const float s = halfToFloat(*scale);
  if (s == 0.0f) {
    memset(codes, 0, (size_t)D);
    return;
  }
  const vf sv = splat(s), mv = splat(halfToFloat(*minimum));
  forVectors(D, [&](int64_t d, int64_t lanes) {
    const vf level = vmax(splat(0.0f), vmin(splat(15.0f), (loadLanes(x + d, lanes) - mv) / sv));
    const vs8 bytes = __builtin_convertvector(roundToInt(level), vs8);
    memcpy(codes + d, &bytes, (size_t)lanes);
  });
}

static void storeKV4(const tt_cache *cache, uint8_t *tile, int64_t slot, const float *k, const float *v, uint8_t *codes) {
  const int64_t D = cache->D;
  uint16_t *halves = (uint16_t *)(tile + cache->keyBytes + cache->valueBytes);
  const int64_t padded = ceilDiv(D, 32) * 32;
  memset(codes + D, 0, (size_t)(padded - D));
  quantizeHead(k, D, codes, &halves[slot], &halves[16 + slot]);
  for (int64_t j = 0; j < ceilDiv(D, 8); j++) {
    for (int64_t i = 0; i < 4; i++) tile[j * 64 + slot * 4 + i] = (uint8_t)(codes[j * 8 + i] | codes[j * 8 + 4 + i] << 4);
  }
  quantizeHead(v, D, codes, &halves[32 + slot], &halves[48 + slot]);
  const int64_t d32 = padded / 32;
  uint8_t *quad = tile + cache->keyBytes + slot / 4 * d32 * 64 + slot % 4;
  for (int64_t j = 0; j < d32; j++) {
    for (int64_t i = 0; i < 16; i++) quad[j * 64 + i * 4] = (uint8_t)(codes[j * 32 + i] | codes[j * 32 + 16 + i] << 4);
  }
}

static void storeFull(const tt_cache *cache, uint8_t *tile, int64_t slot, const float *k, const float *v) {
  float *keys = (float *)tile;
  for (int64_t d = 0; d < cache->D; d++) keys[d * 16 + slot] = k[d];
  memcpy(tile + cache->keyBytes + slot * (cache->valueBytes / 16), v, (size_t)cache->D * 4);
}

static void ropeRow(const RopeArgs &args, int64_t t, float *k, uint8_t *codes) {
  const Step &step = args.step;
  const tt_cache *cache = args.cache;
  const int64_t D = cache->D, G = cache->G, H = args.H, position = step.position[t];
  float *qkv = args.qkv + t * (H + 2 * G) * D;
  const float *angles = args.table + step.ropeRow[t] * args.rotary;
  for (int64_t h = 0; h < H; h++) normRotate(qkv + h * D, args.qNorm, args, D, angles);
  const int64_t block = step.blockTables[step.row[t] * step.blocksPerRow + position / cache->B];
  const int64_t place = position % cache->B;
  for (int64_t g = 0; g < G; g++) {
    memcpy(k, qkv + (H + g) * D, (size_t)D * 4);
    normRotate(k, args.kNorm, args, D, angles);
    const float *v = qkv + (H + G + g) * D;
    uint8_t *tile = cacheTile(cache, args.layer, block, g, place / 16);
    if (cache->precision == TT_KV4) storeKV4(cache, tile, place % 16, k, v, codes);
    else storeFull(cache, tile, place % 16, k, v);
  }
}

int rope(Runtime &runtime, const RopeArgs &args) {
  const Step &step = args.step;
  const int status = checkStep(runtime, step, args.cache, 0);
  if (status) return status;
  for (int64_t t = 0; t < step.size; t++) {
    if (step.row[t] >= 0 && (step.ropeRow[t] < 0 || step.ropeRow[t] >= args.tableRows)) {
      return fail(runtime, TT_BAD_ARGUMENT, "ropeRow[%d] = %d; the table has %d rows", (int)t, (int)step.ropeRow[t], (int)args.tableRows);
    }
  }
  const int64_t D = args.cache->D;
  int64_t stride;
  uint8_t *scratch = workerScratch(runtime, (D + 64) * 5, &stride);
  if (!scratch) return fail(runtime, TT_OUT_OF_MEMORY, "no memory for a head of %d", (int)D);
  const int64_t each = itemsPerTask(runtime, step.size, (args.H + 2 * args.cache->G) * D, 8192);
  parallel(runtime, ceilDiv(step.size, each), [&](int task, int worker) {
    float *k = (float *)(scratch + worker * stride);
    for (int64_t t = task * each; t < minOf(step.size, (task + 1) * each); t++) {
      if (step.row[t] >= 0) ropeRow(args, t, k, (uint8_t *)(k + D + 16));
    }
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
