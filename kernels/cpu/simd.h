/* Vectors of LANES floats in the compiler's own vector types, and the few operations that need more than those:
 * one source serves every instruction set. Sums over lanes have one fixed order; a product-sum is fused or not for the whole path
 * (`fma`), never at the compiler's choice (-ffp-contract=off), so that every kernel rounds alike. */
#ifndef TETRAD_CPU_SIMD_H
#define TETRAD_CPU_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* The processor adds four products of bytes in one instruction. */
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__) || defined(__ARM_FEATURE_DOTPROD)
#define TT_BYTE_DOTS
#endif

#define TT_INLINE static inline __attribute__((always_inline))

namespace tetrad {
namespace TT_PATH {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(LANES * 4)));
typedef int16_t vs16 __attribute__((vector_size(LANES * 2)));
typedef uint16_t vu16 __attribute__((vector_size(LANES * 2)));
typedef int8_t vs8 __attribute__((vector_size(LANES)));

template <class V, class T> TT_INLINE V loadAs(const T *p) {
  V v;
  memcpy(&v, p, sizeof v);
  return v;
}
TT_INLINE vf load(const float *p) { return loadAs<vf>(p); }
TT_INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }
TT_INLINE vf splat(float x) { return x - vf{}; }
TT_INLINE vi splatInt(int32_t x) { return x - vi{}; }

TT_INLINE vi iota() {
  vi v;
  for (int i = 0; i < LANES; i++) v[i] = i;
  return v;
}
/* The first n lanes, zeros behind. */
TT_INLINE vf loadPart(const float *p, int64_t n) {
  float lanes[LANES] = {0};
  memcpy(lanes, p, (size_t)n * 4);
  return load(lanes);
}
TT_INLINE void storePart(float *p, vf v, int64_t n) {
  float lanes[LANES];
  store(lanes, v);
  memcpy(p, lanes, (size_t)n * 4);
}

#if defined(__AVX512F__)
TT_INLINE vf fma(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
TT_INLINE vf vmax(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
TT_INLINE vf vmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
TT_INLINE vf loadF16(const uint16_t *p) { return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
#elif defined(__AVX2__)
TT_INLINE vf fma(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
TT_INLINE vf vmax(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
TT_INLINE vf vmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
TT_INLINE vf loadF16(const uint16_t *p) { return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
#else
TT_INLINE vf fma(vf a, vf b, vf c) { return a * b + c; }
TT_INLINE vf vmax(vf a, vf b) { return a > b ? a : b; }
TT_INLINE vf vmin(vf a, vf b) { return a < b ? a : b; }
#endif

TT_INLINE float halfToFloat(uint16_t h) {
  const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
  const uint32_t exponent = (h >> 10) & 31, fraction = h & 1023;
  float value;
  if (exponent == 0) {
    value = (float)fraction * 0x1p-24f;
  } else {
    const uint32_t bits = (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &bits, 4);
  }
  uint32_t bits;
  memcpy(&bits, &value, 4);
  bits |= sign;
  memcpy(&value, &bits, 4);
  return value;
}

/* To nearest, ties to even; what is too large becomes the largest finite half. */
TT_INLINE uint16_t floatToHalf(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  const uint32_t size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x477ff000) return sign | 0x7bff;
  if (size < 0x38800000) {
    float whole;
    memcpy(&whole, &size, 4);
    return sign | (uint16_t)lrintf(whole * 0x1p24f);
  }
  return sign | (uint16_t)((size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13);
}

#if defined(__aarch64__)
TT_INLINE vf loadF16(const uint16_t *p) { return (vf)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
#elif !defined(__AVX2__) && !defined(__AVX512F__)
TT_INLINE vf loadF16(const uint16_t *p) {
  float lanes[LANES];
  for (int i = 0; i < LANES; i++) lanes[i] = halfToFloat(p[i]);
  return load(lanes);
}
#endif

TT_INLINE vf loadBF16(const uint16_t *p) { return (vf)(__builtin_convertvector(loadAs<vu16>(p), vu) << 16); }

/* By halves, on every path. */
#if defined(__AVX2__) || defined(__AVX512F__)
TT_INLINE float sumFour(__m128 v) {
  v = _mm_add_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
TT_INLINE float maxFour(__m128 v) {
  v = _mm_max_ps(v, _mm_movehl_ps(v, v));
  return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}
#endif
#if defined(__AVX512F__)
TT_INLINE __m256 lowerHalf(vf v) { return _mm512_castps512_ps256((__m512)v); }
TT_INLINE __m256 upperHalf(vf v) { return _mm512_extractf32x8_ps((__m512)v, 1); }
TT_INLINE float sumLanes(vf v) {
  const __m256 h = _mm256_add_ps(lowerHalf(v), upperHalf(v));
  return sumFour(_mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
}
TT_INLINE float maxLanes(vf v) {
  const __m256 h = _mm256_max_ps(lowerHalf(v), upperHalf(v));
  return maxFour(_mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
}
#elif defined(__AVX2__)
TT_INLINE float sumLanes(vf v) { return sumFour(_mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1))); }
TT_INLINE float maxLanes(vf v) { return maxFour(_mm_max_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1))); }
#else
template <class F> TT_INLINE float foldLanes(vf v, const F &fold) {
  float lanes[LANES];
  store(lanes, v);
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) lanes[i] = fold(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}
TT_INLINE float sumLanes(vf v) {
  return foldLanes(v, [](float a, float b) { return a + b; });
}
TT_INLINE float maxLanes(vf v) {
  return foldLanes(v, [](float a, float b) { return a > b ? a : b; });
}
#endif
TT_INLINE int32_t sumLanesInt(vi v) {
  int32_t sum = 0;
  for (int i = 0; i < LANES; i++) sum += v[i];
  return sum;
}
TT_INLINE vf vabs(vf v) { return (vf)((vi)v & 0x7fffffff); }

/* To nearest, ties to even, for |x| < 2^22. */
TT_INLINE vi roundToInt(vf x) { return (vi)(x + splat(12582912.0f)) - 0x4b400000; }

/* sums + four products of unsigned and signed bytes, in every lane. */
#if defined(__AVX512VNNI__)
TT_INLINE vi dotBytes(vi sums, vu bytes, vi signedBytes) { return (vi)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)bytes, (__m512i)signedBytes); }
#elif defined(__AVXVNNI__) && !defined(TETRAD_EMULATE)
TT_INLINE vi dotBytes(vi sums, vu bytes, vi signedBytes) { return (vi)_mm256_dpbusd_avx_epi32((__m256i)sums, (__m256i)bytes, (__m256i)signedBytes); }
#elif defined(__AVX2__)
TT_INLINE vi dotBytes(vi sums, vu bytes, vi signedBytes) {
  const __m256i a = (__m256i)bytes, b = (__m256i)signedBytes;
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  return sums + (vi)even + (vi)_mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
}
#elif defined(__ARM_FEATURE_MATMUL_INT8)
TT_INLINE vi dotBytes(vi sums, vu bytes, vi signedBytes) { return (vi)vusdotq_s32((int32x4_t)sums, (uint8x16_t)bytes, (int8x16_t)signedBytes); }
#elif defined(__ARM_FEATURE_DOTPROD)
/* Only signed bytes times signed ones: u = (u - 128) + 64 + 64. */
TT_INLINE vi dotBytes(vi sums, vu bytes, vi signedBytes) {
  const int8x16_t x = (int8x16_t)signedBytes, half = vdupq_n_s8(64);
  return (vi)vdotq_s32(vdotq_s32(vdotq_s32((int32x4_t)sums, (int8x16_t)(bytes ^ 0x80808080u), x), half, x), half, x);
}
#else
TT_INLINE vi dotBytes(vi sums, vu bytes, vi signedBytes) {
  for (int shift = 0; shift < 32; shift += 8) sums = sums + (vi)((bytes >> shift) & 255u) * ((vi)((vu)signedBytes << (24 - shift)) >> 24);
  return sums;
}
#endif

/* exp to about 1e-7; 0 below -87.3, and for -infinity. */
TT_INLINE vf vexp(vf x) {
  const vf y = vmax(vmin(x, splat(88.37f)), splat(-87.33f));
  const vi n = roundToInt(y * splat(1.44269504f));
  const vf nf = __builtin_convertvector(n, vf);
  const vf r = fma(nf, splat(-1.42860677e-6f), fma(nf, splat(-0.693145752f), y));
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p * r, r, r) + splat(1.0f);
  const vf scaled = p * (vf)((n + 127) << 23);
  return (vf)((vi)scaled & (x > splat(-87.33f)));
}
/* 2^x to about 2e-7 for x up to 126, and 2^-125 for what is less; 2^0 is 1. Every product and sum is rounded: the same on every path, and in
 * exp2() of src/backend/reference.ts. */
TT_INLINE vf exp2Exact(vf x) {
  const vf y = vmax(x, splat(-125.0f)), magic = splat(12582912.0f);
  const vf shifted = y + magic, r = y - (shifted - magic);
  vf p = splat(0.001326472731307149f);
  p = p * r + splat(0.009671512991189957f);
  p = p * r + splat(0.05550733581185341f);
  p = p * r + splat(0.24022242426872253f);
  p = p * r + splat(0.6931470036506653f);
  p = p * r + splat(1.0f);
  return (vf)((vi)p + ((vi)shifted << 23));
}
constexpr float LOG2_E = 1.44269504f;

TT_INLINE vf vtanh(vf x) {
  const vf e = vexp(splat(2.0f) * vabs(x));
  const vf t = splat(1.0f) - splat(2.0f) / (e + splat(1.0f));
  return (vf)((vi)t | ((vi)x & (int32_t)0x80000000));
}

/* Doubles, for what must not depend on the order of sums or on a polynomial: the last bits are lost in rounding to float. */
typedef double vd __attribute__((vector_size(LANES * 4)));
typedef int64_t vl __attribute__((vector_size(LANES * 4)));
typedef float vfHalf __attribute__((vector_size(LANES * 2)));
constexpr int DOUBLES = LANES / 2;

TT_INLINE vd splatDouble(double x) { return x - vd{}; }
TT_INLINE vd loadDoubles(const float *p) { return __builtin_convertvector(loadAs<vfHalf>(p), vd); }
/* The lower and upper lanes of a vector as doubles, and back. */
#if defined(__AVX512F__)
TT_INLINE vd lowDoubles(vf v) { return (vd)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)v)); }
TT_INLINE vd highDoubles(vf v) { return (vd)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)v, 1)); }
TT_INLINE vf toFloats(vd low, vd high) {
  return (vf)_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)low)), _mm512_cvtpd_ps((__m512d)high), 1);
}
#elif defined(__AVX2__)
TT_INLINE vd lowDoubles(vf v) { return (vd)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)v)); }
TT_INLINE vd highDoubles(vf v) { return (vd)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)v, 1)); }
TT_INLINE vf toFloats(vd low, vd high) { return (vf)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)high), _mm256_cvtpd_ps((__m256d)low)); }
#else
TT_INLINE vd lowDoubles(vf v) { return vd{v[0], v[1]}; }
TT_INLINE vd highDoubles(vf v) { return vd{v[2], v[3]}; }
TT_INLINE vf toFloats(vd low, vd high) { return vf{(float)low[0], (float)low[1], (float)high[0], (float)high[1]}; }
#endif
TT_INLINE double sumDoubles(vd v) {
  double sum = 0;
  for (int i = 0; i < DOUBLES; i++) sum += v[i];
  return sum;
}

/* exp to about 1e-15, for x up to 700; 0 below -700, for -infinity and for what is no number. Every product and sum is rounded: the same
 * on every path, and in exponential() of src/backend/reference.ts. */
TT_INLINE vd expDoubles(vd x) {
  const vd lowest = splatDouble(-700.0), highest = splatDouble(700.0);
  const vl inside = x > lowest;
  const vd y = inside ? (x < highest ? x : highest) : lowest;
  const vd shifted = y * splatDouble(1.4426950408889634) + splatDouble(6755399441055744.0);
  const vd n = shifted - splatDouble(6755399441055744.0);
  const vd r = (y - n * splatDouble(0.693147180369123816490)) - n * splatDouble(1.90821492927058770002e-10);
  vd p = splatDouble(1.0 / 6227020800.0);
  constexpr double INVERSE_FACTORIALS[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0};
#pragma GCC unroll 13
  for (int i = 0; i < 13; i++) p = p * r + splatDouble(INVERSE_FACTORIALS[i]);
  return (vd)(((vl)p + ((vl)shifted << 52)) & inside);
}
TT_INLINE vd tanhDoubles(vd x) {
  const vd e = expDoubles(splatDouble(2.0) * x);
  return (e - splatDouble(1.0)) / (e + splatDouble(1.0));
}

TT_INLINE float scalarExp(float x) { return vexp(splat(x))[0]; }

}  // namespace TT_PATH
}  // namespace tetrad
#endif
