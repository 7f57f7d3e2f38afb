/* Dense weights [tiles, K, 16] times float32 rows: a sum runs over K in order, one lane each, whatever the rows. */
#include "rows.h"

namespace tetrad {
namespace TT_PATH {

#if defined(__AVX512F__)
constexpr int DENSE_ROWS = 6, DENSE_TILES = 4;
#else
constexpr int DENSE_ROWS = 4, DENSE_TILES = 1;
#endif
constexpr int VECTORS = 16 / LANES;

template <int DT> TT_INLINE vf loadWeight(const void *p, int64_t i) {
  if (DT == TT_F32) return load((const float *)p + i);
  if (DT == TT_F16) return loadF16((const uint16_t *)p + i);
  return loadBF16((const uint16_t *)p + i);
}

/* Columns k0..k1 of R rows and T tiles; sums begin at zero or where the columns before left them. */
template <int DT, int R, int T> static void denseBlock(const LinearArgs &args, int64_t tile, int64_t row, int64_t k0, int64_t k1) {
  const tt_weight &weight = *args.weight;
  const int64_t K = weight.K, N = weight.N;
  constexpr int V = T * VECTORS;
  vf acc[R][V];
  for (int v = 0; v < V; v++) {
    const int64_t n = tile * 16 + v * LANES, lanes = maxOf(0, minOf(LANES, N - n));
    for (int r = 0; r < R; r++) acc[r][v] = k0 == 0 ? vf{} : loadLanes(args.out + (row + r) * N + n, lanes);
  }
  const size_t element = DT == TT_F32 ? 4 : 2;
  const char *w = (const char *)weight.dense + (size_t)(tile * K * 16) * element;
  const float *x = args.input.f + row * K;
  for (int64_t k = k0; k < k1; k++) {
    vf values[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; v++) values[v] = loadWeight<DT>(w, (v / VECTORS * K + k) * 16 + v % VECTORS * LANES);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const vf xv = splat(x[r * K + k]);
#pragma GCC unroll 16
      for (int v = 0; v < V; v++) acc[r][v] = fma(xv, values[v], acc[r][v]);
    }
  }
  const bool last = k1 == K;
  for (int v = 0; v < V; v++) {
    const int64_t n = tile * 16 + v * LANES, lanes = maxOf(0, minOf(LANES, N - n));
    const vf bias = last && weight.bias ? load(weight.bias + n) : vf{};
    for (int r = 0; r < R; r++) storeLanes(args.out + (row + r) * N + n, acc[r][v] + bias, lanes);
  }
}

typedef void (*DenseBlock)(const LinearArgs &, int64_t, int64_t, int64_t, int64_t);
template <int DT, int R> struct DenseTiles {
  static DenseBlock pick(int rows, int tiles) {
    if (rows < R) return DenseTiles<DT, R - 1>::pick(rows, tiles);
    return tiles == DENSE_TILES ? denseBlock<DT, R, DENSE_TILES> : denseBlock<DT, R, 1>;
  }
};
template <int DT> struct DenseTiles<DT, 0> {
  static DenseBlock pick(int, int) { return nullptr; }
};
static DenseBlock denseKernel(int dtype, int rows, int tiles) {
  if (dtype == TT_F32) return DenseTiles<TT_F32, DENSE_ROWS>::pick(rows, tiles);
  if (dtype == TT_F16) return DenseTiles<TT_F16, DENSE_ROWS>::pick(rows, tiles);
  return DenseTiles<TT_BF16, DENSE_ROWS>::pick(rows, tiles);
}

int dense(Runtime &runtime, const LinearArgs &args) {
  const tt_weight &weight = *args.weight;
  const int64_t K = weight.K, blocks = ceilDiv(weight.tiles, DENSE_TILES);
  const int64_t columns = args.size > DENSE_ROWS ? 1024 : K;
  const int64_t each = itemsPerTask(runtime, blocks, K * 16 * DENSE_TILES * args.size, 65536);
  parallel(runtime, ceilDiv(blocks, each), [&](int task, int) {
    for (int64_t block = task * each; block < minOf(blocks, (task + 1) * each); block++) {
      const int64_t end = minOf(weight.tiles, (block + 1) * DENSE_TILES);
      const int width = end - block * DENSE_TILES == DENSE_TILES ? DENSE_TILES : 1;
      for (int64_t tile = block * DENSE_TILES; tile < end; tile += width) {
        for (int64_t k = 0; k < K; k += columns) {
          for (int64_t row = 0, rows; row < args.size; row += rows) {
            rows = ceilDiv(args.size - row, ceilDiv(args.size - row, DENSE_ROWS));
            denseKernel(weight.dtype, (int)rows, width)(args, tile, row, k, minOf(K, k + columns));
          }
        }
      }
    }
  });
  return TT_OK;
}

}  // namespace TT_PATH
}  // namespace tetrad
