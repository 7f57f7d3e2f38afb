/* W4A8 with vpdpbusd: unsigned bytes are weights, signed bytes activations, 16 channels a vector; few rows, and what more rows
 * begin with (w4_many_*.h). Layout: linear.cpp. */
namespace tetrad {
namespace TT_PATH {

constexpr int W4_ROWS = 8;
constexpr int MANY_FROM = 16;  /* more rows than this: expand the weights first */

TT_INLINE __m512i four(const int8_t *x) {
  int32_t bytes;
  memcpy(&bytes, x, 4);
  return _mm512_set1_epi32(bytes);
}
TT_INLINE __mmask16 firstLanes(int64_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << (n < 0 ? 0 : n)) - 1); }

/* Output that no second-level cache holds need not pass through it: whole lines are written without being read first. */
TT_INLINE bool pastCaches(const LinearArgs &args) {
  return args.size * args.weight->N * 4 >= 4 << 20 && args.weight->N % 16 == 0 && (uintptr_t)args.out % 64 == 0;
}
/* Sums of 16 channels to `out`; `past` the caches (the caller fences). */
TT_INLINE void finish(const LinearArgs &args, int64_t tile, int64_t row, __m512i total, bool past) {
  const tt_weight &weight = *args.weight;
  const int64_t n = tile * 16;
  __m512 y = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(total), _mm512_set1_ps(args.input.scale[row])), _mm512_loadu_ps(weight.s0 + n));
  if (weight.bias) y = _mm512_add_ps(y, _mm512_loadu_ps(weight.bias + n));
  if (past) _mm512_stream_ps(args.out + row * weight.N + n, y);
  else _mm512_mask_storeu_ps(args.out + row * weight.N + n, firstLanes(weight.N - n), y);
}

/* Few rows: nibbles as they lie; s1 and m act on the sums of each group. Chains: enough independent sums for the latency. */
template <int R> static void w4RowsTile(const LinearArgs &args, int64_t tile, int64_t row) {
  constexpr int CHAINS = R == 1 ? 4 : R < 5 ? 2 : 1;
  const tt_weight &weight = *args.weight;
  const int64_t groups = weight.groups, stride = groups * 128;
  const uint8_t *q = weight.q + tile * groups * 1024, *levels = weight.levels + tile * groups * 32;
  const int8_t *x = args.input.q + row * stride;
  const int32_t *sums = args.input.sums + row * groups;
  const __m512i mask = _mm512_set1_epi8(15);
  __m512i total[R];
  for (int r = 0; r < R; r++) total[r] = _mm512_setzero_si512();
  for (int64_t g = 0; g < groups; g++, q += 1024, levels += 32, x += 128) {
    __m512i dot[R][CHAINS];
    for (int r = 0; r < R; r++) {
      for (int c = 0; c < CHAINS; c++) dot[r][c] = _mm512_setzero_si512();
    }
#pragma GCC unroll 4
    for (int j = 0; j < 16; j++) {
      const __m512i w = _mm512_loadu_si512(q + j * 64);
      _mm_prefetch((const char *)(q + j * 64 + 4096), _MM_HINT_T0);
      const __m512i low = _mm512_and_si512(w, mask), high = _mm512_and_si512(_mm512_srli_epi16(w, 4), mask);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        dot[r][2 * j % CHAINS] = _mm512_dpbusd_epi32(dot[r][2 * j % CHAINS], low, four(x + r * stride + j * 8));
        dot[r][(2 * j + 1) % CHAINS] = _mm512_dpbusd_epi32(dot[r][(2 * j + 1) % CHAINS], high, four(x + r * stride + j * 8 + 4));
      }
    }
    const __m512i s1 = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)levels));
    const __m512i m = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(levels + 16)));
    for (int r = 0; r < R; r++) {
      for (int c = 1; c < CHAINS; c++) dot[r][0] = _mm512_add_epi32(dot[r][0], dot[r][c]);
      const __m512i offset = _mm512_mullo_epi32(m, _mm512_set1_epi32(sums[r * groups + g]));
      total[r] = _mm512_add_epi32(total[r], _mm512_add_epi32(_mm512_mullo_epi32(dot[r][0], s1), offset));
    }
  }
  for (int r = 0; r < R; r++) finish(args, tile, row + r, total[r], false);
}

static void w4Tile(const LinearArgs &args, int64_t tile, int64_t row, int rows) {
  switch (rows) {
    case 1: return w4RowsTile<1>(args, tile, row);
    case 2: return w4RowsTile<2>(args, tile, row);
    case 3: return w4RowsTile<3>(args, tile, row);
    case 4: return w4RowsTile<4>(args, tile, row);
    case 5: return w4RowsTile<5>(args, tile, row);
    case 6: return w4RowsTile<6>(args, tile, row);
    case 7: return w4RowsTile<7>(args, tile, row);
    default: return w4RowsTile<8>(args, tile, row);
  }
}

/* W8 = q * s1 + m of a group as bytes [32 times 4 columns][16 channels][4], `stride` bytes apart; `flip` 0x80 adds 128. q * s1 is at
 * most 255 (it is W8 - m), so both bytes of a 16-bit product come out right. */
TT_INLINE void expandGroup(const tt_weight &weight, int64_t tile, int64_t g, uint8_t flip, uint8_t *to, int64_t stride) {
  const __m512i mask = _mm512_set1_epi8(15);
  const uint8_t *q = weight.q + (tile * weight.groups + g) * 1024;
  const uint8_t *levels = weight.levels + (tile * weight.groups + g) * 32;
  const __m512i s1 = _mm512_mullo_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)levels)), _mm512_set1_epi32(0x10001));
  const __m128i m = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(levels + 16)), _mm_set1_epi8((char)flip));
  const __m512i offset = _mm512_mullo_epi32(_mm512_cvtepu8_epi32(m), _mm512_set1_epi32(0x01010101));
  for (int j = 0; j < 16; j++, to += 2 * stride) {
    const __m512i w = _mm512_loadu_si512(q + j * 64);
    const __m512i low = _mm512_mullo_epi16(_mm512_and_si512(w, mask), s1);
    const __m512i high = _mm512_mullo_epi16(_mm512_and_si512(_mm512_srli_epi16(w, 4), mask), s1);
    _mm512_store_si512(to, _mm512_add_epi8(low, offset));
    _mm512_store_si512(to + stride, _mm512_add_epi8(high, offset));
  }
}

}  // namespace TT_PATH
}  // namespace tetrad
