/* W4A8 in plain integers. Layout: linear.cpp. */
namespace tetrad {
namespace TT_PATH {

constexpr int W4_ROWS = 1;

static void w4Tile(const LinearArgs &args, int64_t tile, int64_t row, int) {
  const tt_weight &weight = *args.weight;
  const int64_t groups = weight.groups;
  const int8_t *x = args.input.q + row * groups * 128;
  const int32_t *sums = args.input.sums + row * groups;
  uint32_t total[16] = {0};
  for (int64_t g = 0; g < groups; g++) {
    const uint8_t *q = weight.q + (tile * groups + g) * 1024;
    const uint8_t *levels = weight.levels + (tile * groups + g) * 32;
    int32_t dot[16] = {0};
    for (int j = 0; j < 16; j++, q += 64, x += 8) {
      for (int n = 0; n < 16; n++) {
        for (int i = 0; i < 4; i++) dot[n] += (q[n * 4 + i] & 15) * x[i] + (q[n * 4 + i] >> 4) * x[4 + i];
      }
    }
    for (int n = 0; n < 16; n++) total[n] += (uint32_t)(dot[n] * levels[n]) + (uint32_t)((int8_t)levels[16 + n] * sums[g]);
  }
  const float scale = args.input.scale[row];
  for (int64_t n = 0; n < minOf(16, weight.N - tile * 16); n++) {
    const float y = (float)(int32_t)total[n] * scale * weight.s0[tile * 16 + n];
    args.out[row * weight.N + tile * 16 + n] = weight.bias ? y + weight.bias[tile * 16 + n] : y;
  }
}

}  // namespace TT_PATH
}  // namespace tetrad
