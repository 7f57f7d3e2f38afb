/* Rows of the embedding, read out of the tiles of a linear (layout: linear.cpp). */
#include "simd.h"
#include "ops.h"

namespace tetrad {
namespace TT_PATH {

static void denseRow(const tt_weight *table, int64_t token, float scale, float *out) {
  const int64_t base = token / 16 * table->K * 16 + token % 16;
  for (int64_t k = 0; k < table->K; k++) {
    float value;
    if (table->dtype == TT_F32) {
      value = ((const float *)table->dense)[base + k * 16];
    } else {
      const uint16_t bits = ((const uint16_t *)table->dense)[base + k * 16];
      const uint32_t wide = (uint32_t)bits << 16;
      if (table->dtype == TT_F16) value = halfToFloat(bits);
      else memcpy(&value, &wide, 4);
    }
    out[k] = value * scale;
  }
}

static void w4Row(const tt_weight *table, int64_t token, float scale, float *out) {
  const int64_t tile = token / 16, lane = token % 16;
  for (int64_t g = 0; g < table->groups; g++) {
    const uint8_t *q = table->q + (tile * table->groups + g) * 1024 + lane * 4;
    const uint8_t *levels = table->levels + (tile * table->groups + g) * 32 + lane;
    const int s1 = levels[0], m = (int8_t)levels[16];
    for (int64_t i = 0; i < minOf(128, table->K - g * 128); i++) {
      const int nibble = q[i / 8 * 64 + i % 4] >> (i / 4 % 2 * 4) & 15;
      out[g * 128 + i] = (float)(nibble * s1 + m) * table->s0[token] * scale;
    }
  }
}

static void w8Row(const tt_weight *table, int64_t token, float scale, float *out) {
  const uint8_t *q = table->q + token / 16 * table->groups * 2048 + token % 16 * 4;
  for (int64_t k = 0; k < table->K; k++) out[k] = (float)(q[k / 4 * 64 + k % 4] - 128) * table->s0[token] * scale;
}

int embed(Runtime &runtime, const EmbedArgs &args) {
  const Step &step = args.step;
  const int status = checkStep(runtime, step, nullptr, 1);
  if (status) return status;
  for (int64_t t = 0; t < step.size; t++) {
    if (step.row[t] < 0) continue;
    const int32_t token = step.tokens[step.row[t] * step.tokensPerRow + step.position[t]];
    if (token < 0 || token >= args.table->N) {
      return fail(runtime, TT_BAD_ARGUMENT, "token %d at step index %d; the table has %d rows", (int)token, (int)t, (int)args.table->N);
    }
  }
  const int64_t each = itemsPerTask(runtime, step.size, args.table->K, 8192);
  parallel(runtime, ceilDiv(step.size, each), [&](int task, int) {
    for (int64_t t = task * each; t < minOf(step.size, (task + 1) * each); t++) {
      if (step.row[t] < 0) continue;
      const int32_t token = step.tokens[step.row[t] * step.tokensPerRow + step.position[t]];
      float *out = args.out + t * args.table->K;
      if (args.table->dtype == TT_U8) w4Row(args.table, token, args.scale, out);
      else if (args.table->dtype == TT_I8) w8Row(args.table, token, args.scale, out);
      else denseRow(args.table, token, args.scale, out);
    }
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
