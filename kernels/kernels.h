/* The ABI between TypeScript and the kernels: every op once. kernels/cpu and kernels/cuda export the same symbols.
 *
 * A step is a program: float64 words, op after op, each op its code, the count of its argument words, then the arguments in
 * the order listed here. Addresses and sizes are exact below 2^53. tt_submit enqueues a program and returns at
 * once; tt_wait waits for it. Ops run in order, each over all threads of the pool.
 *
 * Letters: T tokens in the step, S sampled entries, C hidden, H query heads, G KV heads, D head size, K in and N out features,
 * V vocabulary, B tokens in a cache block. `groups` = ceil(K / 128). All arrays are row-major.
 *
 * Every function returns 0 or a TT_ status; tt_error then has the text. No exception crosses this boundary.
 * Every row is computed as if it were alone: the order of every floating-point sum depends on that row only.
 * Rounding is to nearest, ties to even, throughout. */
#ifndef TETRAD_KERNELS_H
#define TETRAD_KERNELS_H

#include <stdint.h>

#define TT_ABI 2
#define TT_EXPORT __attribute__((visibility("default")))

typedef struct tt_context tt_context;
typedef struct tt_weight tt_weight;
typedef struct tt_cache tt_cache;

enum tt_status { TT_OK = 0, TT_BAD_ARGUMENT = 1, TT_OUT_OF_MEMORY = 2, TT_DEVICE = 3 };
enum tt_dtype { TT_F32 = 0, TT_F16 = 1, TT_BF16 = 2, TT_I32 = 3, TT_I8 = 4, TT_U8 = 5 };
enum tt_precision { TT_KV4 = 0, TT_KV_FULL = 1 };
enum tt_gate { TT_SILU = 0, TT_GELU_TANH = 1 };

/* An activation is 5 words: kind (0 float32 values [T, K]; 1 int8), width K, values, scale (f32 [T]), sums (i32 [T, groups]).
 * int8 values are [T, 128 * groups], zero beyond K: q = round(x * 127 / absmax), scale = absmax / 127.
 * For kind 0 scale and sums are 0.
 * The step is 8 words: T, row (i32 [T], -1 is padding: skipped), position (i32 [T]), ropeRow (i32 [T]), tokens (i32 [rows, tokensPerRow]),
 * tokensPerRow, blockTables (i32 [rows, blocksPerRow]), blocksPerRow: see TT_STEP_WORDS. */
#define TT_ACTIVATION_WORDS 5
#define TT_STEP_WORDS 8

enum tt_op {
  /* to, from, bytes: from is host memory that stays until the program has run. */
  TT_OP_COPY = 0,

  /* step[8], table (tt_weight), scale, out (f32 [T, C]). */
  TT_OP_EMBED = 1,

  /* size, width C, residual (f32 [T, C], updated in place), delta (f32 [T, C] or 0), deltaNorm (f32 [C] or 0), weight (f32 [C]),
   * epsilon, gather (i32 [size] or 0), out (activation[5]).
   * For output row i, r = gather ? gather[i] : i: residual[r] += deltaNorm ? rmsnorm(delta[r]) * deltaNorm : delta[r];
   * out[i] = rmsnorm(residual[r]) * weight. A row is gathered at most once. */
  TT_OP_NORM_QUANTIZE = 2,

  /* size, input (activation[5]), weight (tt_weight), out (f32 [size, N]): out = input * weight^T + bias.
   * w4 takes int8: sum over groups of s1 * sum(x * q) + m * sums, exact in int32, then * scale[t] * s0[n].
   * w8 takes int8: sum(x * q), exact in int32, then * scale[t] * s0[n].
   * dense takes float32. */
  TT_OP_LINEAR = 3,

  /* step[8], layer, cache (tt_cache), H, qkv (f32 [T, (H + 2G) * D]), qNorm (f32 [D] or 0), kNorm, epsilon, ropeTable (f32 [*, rotaryDim]:
   * cosines then sines), rotaryDim. Norms q and k per head, rotates half-split pairs (i, i + rotaryDim/2) of q (in
   * place) and k, stores k and v at block blockTables[row][position / B], place position mod B.
   * KV4 per token and head: min16 = fp16(min), s16 = fp16((max - min) / 15), q = s16 ? clamp(round((x - min16) / s16), 0, 15) : 0. */
  TT_OP_ROPE_STORE = 4,

  /* step[8], layer, cache, H, qkv, scale, window (0: all), softcap (0: none), out (activation[5], T x H * D).
   * Each token attends positions max(0, position + 1 - window) .. position of its row, through the cache, its own included. */
  TT_OP_ATTEND = 5,

  /* size, gateUp (f32 [T, 2F]), gate (tt_gate), out (activation[5], T x F): activation(gate) * up. */
  TT_OP_GATE_QUANTIZE = 6,

  /* size, input (activation[5]), weight, softcap (0: none), out (f32 [S, V]). */
  TT_OP_LOGITS = 7,

  /* size, V, logits (f32 [S, V]), step[8], entries (i32 [S, 9]), params (f32 [S, 7]), masks (i32 [*, ceil(V / 32)]), biasIds (i32),
   * biasValues (f32), result (f32 [S, 43]). Columns and rules: src/backend/backend.ts, SampleArgs. */
  TT_OP_SAMPLE = 8,
  TT_OP_COUNT = 9
};

#ifdef __cplusplus
extern "C" {
#endif

TT_EXPORT int tt_abi(void);

/* threads 0: the cores this process may use. path: null or "" to choose by what the processor has, else a name that tt_describe lists. */
TT_EXPORT int tt_open(int threads, const char *path, tt_context **out);
/* Waits for what runs, joins the threads, frees everything of the context. */
TT_EXPORT int tt_close(tt_context *);
/* Text of the last error of this context (null: of tt_open), cut to size. */
TT_EXPORT int tt_error(tt_context *, char *text, int size);
/* The chosen path, threads, and paths that this processor could run: JSON. */
TT_EXPORT int tt_describe(tt_context *, char *json, int size);
/* Measures what the device can do at most, for benchmarks to compare with: bytes read from memory a second, and int8
 * operations a second with the best instruction of the chosen path (a multiply-add is two). Takes about a second. */
TT_EXPORT int tt_ceilings(tt_context *, double *readBytes, double *int8Operations);
/* Bytes that may still be allocated. */
TT_EXPORT int tt_available(tt_context *, double *bytes);

/* Zeroed, aligned to 64, with 64 readable bytes behind. */
TT_EXPORT int tt_allocate(tt_context *, double bytes, void **out);
TT_EXPORT int tt_free(tt_context *, void *);

/* A weight is made empty, then filled by rows in the layout of the file (src/backend/backend.ts, WeightRows), in any number of calls.
 * dtype: TT_F32, TT_F16, TT_BF16 for dense; TT_U8 for w4, with groupSize 128 or -1; TT_I8 for w8. bias: f32 [N] in host memory, or null. */
TT_EXPORT int tt_weight_create(tt_context *, int dtype, int groupSize, int N, int K, const float *bias, tt_weight **out);
TT_EXPORT int tt_weight_dense_rows(tt_context *, tt_weight *, int start, int count, const void *values);
TT_EXPORT int tt_weight_w4_rows(tt_context *, tt_weight *, int start, int count, const uint8_t *q, const uint8_t *s1,
                                const int8_t *m, const float *s0);
TT_EXPORT int tt_weight_w8_rows(tt_context *, tt_weight *, int start, int count, const int8_t *q, const float *s0);
TT_EXPORT int tt_weight_bytes(tt_context *, tt_weight *, double *bytes);
TT_EXPORT int tt_weight_free(tt_context *, tt_weight *);

TT_EXPORT int tt_cache_create(tt_context *, int precision, int layers, int blocks, int B, int G, int D, tt_cache **out);
TT_EXPORT int tt_cache_bytes(tt_context *, tt_cache *, double *bytes);
TT_EXPORT int tt_cache_free(tt_context *, tt_cache *);

/* Enqueues a program; `words` and what its copies read must stay until it has run. ticket: rises by one each time. */
TT_EXPORT int tt_submit(tt_context *, const double *words, double count, double *ticket);
/* Waits until the program with this ticket has run; returns the first error since the last wait, if any. */
TT_EXPORT int tt_wait(tt_context *, double ticket);
/* Copies device memory to the host; the caller has waited. */
TT_EXPORT int tt_read(tt_context *, void *to, const void *from, double bytes);

#ifdef __cplusplus
}
#endif
#endif
