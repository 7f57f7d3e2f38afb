/* Drives the ABI without Node: every path that this processor has against the portable one, bit for bit, over random shapes; and each row
 * among others against the row alone. `node kernels/build.mjs --check` builds it; sanitizers run it in the tests.
 *
 *   tetrad-check [--cases N] [--seed N]      exit status 1 where anything differs
 *   tetrad-check --time [--only TEXT]        microseconds of ops on every path, interleaved
 * and for both [--threads N] [--path NAME ...]. */
#include "../kernels.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

struct Random {
  uint64_t state;
  explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint32_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
  }
  int integer(int least, int most) { return least + (int)(next() % (uint32_t)(most - least + 1)); }
  float uniform() { return (float)(next() >> 8) * 0x1p-24f; }
  float normal() { return sqrtf(-2 * logf(1 - uniform())) * cosf(6.2831853f * uniform()); }
  std::vector<float> normals(int64_t count, float scale = 1) {
    std::vector<float> values((size_t)count);
    for (float &value : values) value = normal() * scale;
    return values;
  }
};

typedef std::vector<uint8_t> Bytes;

struct Activation { double words[TT_ACTIVATION_WORDS]; };

/* A context of one path. Memory lives as long as it does, or until `clear`. */
class Device {
 public:
  explicit Device(const std::string &path, int threads) : name(path) {
    if (tt_open(threads, path.c_str(), &context) != TT_OK) fail("open");
  }
  ~Device() { tt_close(context); }
  Device(const Device &) = delete;

  const std::string name;

  std::string describe() {
    char text[4096];
    check(tt_describe(context, text, sizeof text));
    return text;
  }
  void ceilings(double *readBytes, double *operations) { check(tt_ceilings(context, readBytes, operations)); }

  template <class T> T *upload(const std::vector<T> &values) {
    T *to = (T *)allocate(values.size() * sizeof(T));
    op(TT_OP_COPY, {word(to), word(values.data()), (double)(values.size() * sizeof(T))});
    run();
    return to;
  }
  void *allocate(size_t bytes) {
    void *p;
    check(tt_allocate(context, (double)bytes, &p));
    memory.push_back(p);
    return p;
  }
  template <class T> std::vector<T> download(const T *from, size_t count) {
    std::vector<T> values(count);
    check(tt_read(context, values.data(), from, (double)(count * sizeof(T))));
    return values;
  }
  Activation activation(int kind, int64_t rows, int64_t width) {
    const int64_t groups = (width + 127) / 128;
    Activation a = {{(double)kind, (double)width, 0, 0, 0}};
    a.words[2] = word(allocate((size_t)(kind ? rows * groups * 128 : rows * width * 4)));
    if (kind) {
      a.words[3] = word(allocate((size_t)rows * 4));
      a.words[4] = word(allocate((size_t)(rows * groups * 4)));
    }
    return a;
  }
  /* Everything that rows [from, to) of an activation are. */
  Bytes rowsOf(const Activation &a, int64_t from, int64_t to) {
    const int64_t width = (int64_t)a.words[1], groups = (width + 127) / 128;
    Bytes bytes;
    const auto add = [&](int part, int64_t rowBytes) {
      const Bytes piece = download((const uint8_t *)(uintptr_t)a.words[part] + from * rowBytes, (size_t)((to - from) * rowBytes));
      bytes.insert(bytes.end(), piece.begin(), piece.end());
    };
    add(2, a.words[0] == 0 ? width * 4 : groups * 128);
    if (a.words[0] != 0) add(3, 4), add(4, groups * 4);
    return bytes;
  }
  tt_weight *weight(int dtype, int groupSize, int N, int K, const float *bias) {
    tt_weight *w;
    check(tt_weight_create(context, dtype, groupSize, N, K, bias, &w));
    weights.push_back(w);
    return w;
  }
  tt_cache *cache(int precision, int layers, int blocks, int B, int G, int D) {
    tt_cache *c;
    check(tt_cache_create(context, precision, layers, blocks, B, G, D, &c));
    caches.push_back(c);
    return c;
  }
  void op(int code, std::initializer_list<double> arguments) {
    std::vector<double> all(arguments);
    op(code, all);
  }
  void op(int code, const std::vector<double> &arguments) {
    words.push_back(code);
    words.push_back((double)arguments.size());
    words.insert(words.end(), arguments.begin(), arguments.end());
  }
  void run() {
    double ticket;
    check(tt_submit(context, words.data(), (double)words.size(), &ticket));
    check(tt_wait(context, ticket));
    words.clear();
  }
  void check(int status) {
    if (status != TT_OK) fail(nullptr);
  }
  void clear() {
    for (void *p : memory) check(tt_free(context, p));
    for (tt_weight *w : weights) check(tt_weight_free(context, w));
    for (tt_cache *c : caches) check(tt_cache_free(context, c));
    memory.clear(), weights.clear(), caches.clear();
  }
  static double word(const void *p) { return (double)(uintptr_t)p; }

  tt_context *context = nullptr;

 private:
  [[noreturn]] void fail(const char *what) {
    char text[1024] = "";
    tt_error(context, text, sizeof text);
    fprintf(stderr, "%s: %s%s\n", name.c_str(), what ? what : "", text);
    exit(2);
  }
  std::vector<void *> memory;
  std::vector<tt_weight *> weights;
  std::vector<tt_cache *> caches;
  std::vector<double> words;
};

std::vector<double> joined(std::initializer_list<std::vector<double>> parts) {
  std::vector<double> all;
  for (const auto &part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}
std::vector<double> wordsOf(const Activation &a) { return std::vector<double>(a.words, a.words + TT_ACTIVATION_WORDS); }

/* What a case computes on a device: all rows, or only those of [from, to). */
struct Case {
  std::string name;
  int64_t rows;
  std::function<Bytes(Device &, int64_t from, int64_t to)> run;
};

struct Rows8 {
  std::vector<int8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> sums;
};
Rows8 randomRows(Random &random, int64_t rows, int64_t K) {
  const int64_t groups = (K + 127) / 128;
  Rows8 r = {std::vector<int8_t>((size_t)(rows * groups * 128)), {}, std::vector<int32_t>((size_t)(rows * groups))};
  for (int64_t t = 0; t < rows; t++) {
    r.scale.push_back(0.001f + random.uniform());
    for (int64_t k = 0; k < K; k++) {
      const int8_t value = (int8_t)random.integer(-127, 127);
      r.q[(size_t)(t * groups * 128 + k)] = value;
      r.sums[(size_t)(t * groups + k / 128)] += value;
    }
  }
  return r;
}
template <class T> std::vector<T> part(const std::vector<T> &all, int64_t from, int64_t to, int64_t rows) {
  const int64_t width = (int64_t)all.size() / rows;
  return std::vector<T>(all.begin() + from * width, all.begin() + to * width);
}
Activation uploadRows(Device &device, const Rows8 &r, int64_t from, int64_t to, int64_t rows, int64_t K) {
  Activation a = {{1, (double)K, 0, 0, 0}};
  a.words[2] = Device::word(device.upload(part(r.q, from, to, rows)));
  a.words[3] = Device::word(device.upload(part(r.scale, from, to, rows)));
  a.words[4] = Device::word(device.upload(part(r.sums, from, to, rows)));
  return a;
}
Bytes bytesOf(const std::vector<float> &values) {
  Bytes bytes(values.size() * 4);
  memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

struct W4 {
  int N, K, groupSize;
  std::vector<uint8_t> q, s1;
  std::vector<int8_t> m;
  std::vector<float> s0, bias;
  W4(Random &random, int n, int k, int group, bool withBias) : N(n), K(k), groupSize(group) {
    const int groups = group == -1 ? 1 : (K + 127) / 128;
    q.resize((size_t)N * K / 2), s1.resize((size_t)N * groups), m.resize(s1.size());
    for (uint8_t &x : q) x = (uint8_t)random.next();
    for (size_t i = 0; i < s1.size(); i++) {
      s1[i] = (uint8_t)random.integer(1, 16);
      m[i] = (int8_t)random.integer(-127, 127 - 15 * s1[i]);
    }
    for (int i = 0; i < N; i++) s0.push_back(0.001f + random.uniform() * 0.01f);
    if (withBias) bias = random.normals(N);
  }
  tt_weight *on(Device &device) const {
    tt_weight *w = device.weight(TT_U8, groupSize, N, K, bias.empty() ? nullptr : bias.data());
    device.check(tt_weight_w4_rows(device.context, w, 0, N, q.data(), s1.data(), m.data(), s0.data()));
    return w;
  }
};

Case linearW4(Random random, int size, int N, int K, int group, bool bias) {
  const auto weight = std::make_shared<W4>(random, N, K, group, bias);
  const auto input = std::make_shared<Rows8>(randomRows(random, size, K));
  char name[160];
  snprintf(name, sizeof name, "linear w4, %d rows, N %d, K %d, group %d%s", size, N, K, group, bias ? ", bias" : "");
  return {name, size, [=](Device &device, int64_t from, int64_t to) {
            float *out = (float *)device.allocate((size_t)((to - from) * N) * 4);
            device.op(TT_OP_LINEAR, joined({{(double)(to - from)}, wordsOf(uploadRows(device, *input, from, to, size, K)), {Device::word(weight->on(device)), Device::word(out)}}));
            device.run();
            return bytesOf(device.download(out, (size_t)((to - from) * N)));
          }};
}

struct W8 {
  int N, K;
  std::vector<int8_t> q;
  std::vector<float> s0;
  W8(Random &random, int n, int k) : N(n), K(k) {
    for (int64_t i = 0; i < (int64_t)N * K; i++) q.push_back((int8_t)random.integer(-128, 127));
    for (int i = 0; i < N; i++) s0.push_back(0.001f + random.uniform() * 0.01f);
  }
  tt_weight *on(Device &device, const float *bias = nullptr) const {
    tt_weight *w = device.weight(TT_I8, -1, N, K, bias);
    device.check(tt_weight_w8_rows(device.context, w, 0, N, q.data(), s0.data()));
    return w;
  }
};

Case linearW8(Random random, int size, int N, int K) {
  const auto weight = std::make_shared<W8>(random, N, K);
  const auto bias = std::make_shared<std::vector<float>>(random.normals(N));
  const auto input = std::make_shared<Rows8>(randomRows(random, size, K));
  char name[160];
  snprintf(name, sizeof name, "linear w8, %d rows, N %d, K %d", size, N, K);
  return {name, size, [=](Device &device, int64_t from, int64_t to) {
            float *out = (float *)device.allocate((size_t)((to - from) * N) * 4);
            device.op(TT_OP_LINEAR, joined({{(double)(to - from)}, wordsOf(uploadRows(device, *input, from, to, size, K)), {Device::word(weight->on(device, bias->data())), Device::word(out)}}));
            device.run();
            return bytesOf(device.download(out, (size_t)((to - from) * N)));
          }};
}

Case linearDense(Random random, int size, int N, int K, int dtype) {
  const size_t element = dtype == TT_F32 ? 4 : 2;
  const auto values = std::make_shared<Bytes>((size_t)N * K * element);
  const auto x = std::make_shared<std::vector<float>>(random.normals((int64_t)size * K));
  for (size_t i = 0; i < (size_t)N * K; i++) {
    const float value = random.normal();
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint16_t half = (uint16_t)(dtype == TT_BF16 ? bits >> 16 : random.integer(0, 0x3fff) | (bits >> 16 & 0x8000));
    memcpy(values->data() + i * element, dtype == TT_F32 ? (void *)&value : (void *)&half, element);
  }
  char name[160];
  snprintf(name, sizeof name, "linear %s, %d rows, N %d, K %d", dtype == TT_F32 ? "f32" : dtype == TT_F16 ? "f16" : "bf16", size, N, K);
  return {name, size, [=](Device &device, int64_t from, int64_t to) {
            tt_weight *w = device.weight(dtype, -1, N, K, nullptr);
            device.check(tt_weight_dense_rows(device.context, w, 0, N, values->data()));
            float *out = (float *)device.allocate((size_t)((to - from) * N) * 4);
            device.op(TT_OP_LINEAR, {(double)(to - from), 0, (double)K, Device::word(device.upload(part(*x, from, to, size))), 0, 0, Device::word(w), Device::word(out)});
            device.run();
            return bytesOf(device.download(out, (size_t)((to - from) * N)));
          }};
}

Case gate(Random random, int size, int F, int kind, int activation) {
  const auto x = std::make_shared<std::vector<float>>(random.normals((int64_t)size * 2 * F, 4));
  char name[160];
  snprintf(name, sizeof name, "gateQuantize %s, %d rows of %d to %s", activation == TT_SILU ? "silu" : "gelu", size, F, kind ? "int8" : "float");
  return {name, size, [=](Device &device, int64_t from, int64_t to) {
            const Activation out = device.activation(kind, to - from, F);
            device.op(TT_OP_GATE_QUANTIZE, joined({{(double)(to - from), Device::word(device.upload(part(*x, from, to, size))), (double)activation}, wordsOf(out)}));
            device.run();
            return device.rowsOf(out, 0, to - from);
          }};
}

Case norm(Random random, int size, int C, int kind, bool post) {
  const auto residual = std::make_shared<std::vector<float>>(random.normals((int64_t)size * C));
  const auto delta = std::make_shared<std::vector<float>>(random.normals((int64_t)size * C));
  const auto weight = std::make_shared<std::vector<float>>(random.normals(C));
  char name[160];
  snprintf(name, sizeof name, "normQuantize, %d rows of %d to %s%s", size, C, kind ? "int8" : "float", post ? ", delta norm" : "");
  return {name, size, [=](Device &device, int64_t from, int64_t to) {
            const Activation out = device.activation(kind, to - from, C);
            float *w = device.upload(*weight);
            device.op(TT_OP_NORM_QUANTIZE, joined({{(double)(to - from), (double)C, Device::word(device.upload(part(*residual, from, to, size))), Device::word(device.upload(part(*delta, from, to, size))),
                                                    post ? Device::word(w) : 0, Device::word(w), 1e-5, 0},
                                                   wordsOf(out)}));
            device.run();
            return device.rowsOf(out, 0, to - from);
          }};
}

struct Shape { int H, G, D, B, precision, kind, window; float softcap; };

/* Stores whole requests, then attends their last tokens. */
Case attend(Random random, Shape s, std::vector<int> lengths, std::vector<int> queries) {
  struct Token { int row, position; };
  std::vector<Token> tokens, asked;
  int longest = 1;
  for (size_t row = 0; row < lengths.size(); row++) {
    for (int p = 0; p < lengths[row]; p++) tokens.push_back({(int)row, p});
    for (int p = lengths[row] - queries[row]; p < lengths[row]; p++) asked.push_back({(int)row, p});
    longest = std::max(longest, lengths[row]);
  }
  const int blocksPerRow = (longest + s.B - 1) / s.B, blocks = blocksPerRow * (int)lengths.size(), width = (s.H + 2 * s.G) * s.D;
  std::vector<int32_t> table;
  for (int i = 0; i < blocks; i++) table.push_back(blocks - 1 - i);
  std::vector<float> angles;
  for (int p = 0; p < longest; p++) {
    for (int i = 0; i < s.D; i++) {
      const float angle = (float)p / powf(100, (float)(i % (s.D / 2)) / (float)s.D);
      angles.push_back(i < s.D / 2 ? cosf(angle) : sinf(angle));
    }
  }
  const auto qkv = std::make_shared<std::vector<float>>(random.normals((int64_t)tokens.size() * width));
  const auto queriesOf = std::make_shared<std::vector<float>>(random.normals((int64_t)asked.size() * width, 2));
  char name[200];
  snprintf(name, sizeof name, "attend %s, %d:%d heads of %d, blocks of %d, window %d, softcap %g, %d tokens of %d", s.precision == TT_KV4 ? "kv4" : "full", s.H, s.G, s.D, s.B, s.window, (double)s.softcap, (int)asked.size(), (int)tokens.size());
  return {name, (int64_t)asked.size(), [=](Device &device, int64_t from, int64_t to) {
            tt_cache *cache = device.cache(s.precision, 1, blocks, s.B, s.G, s.D);
            int32_t *blockTable = device.upload(table);
            const auto step = [&](const std::vector<Token> &list) {
              std::vector<int32_t> rows, positions;
              for (const Token &token : list) rows.push_back(token.row), positions.push_back(token.position);
              int32_t *position = device.upload(positions);
              return std::vector<double>{(double)list.size(), Device::word(device.upload(rows)), Device::word(position), Device::word(position), 0, 0, Device::word(blockTable), (double)blocksPerRow};
            };
            device.op(TT_OP_ROPE_STORE, joined({step(tokens), {0, Device::word(cache), (double)s.H, Device::word(device.upload(*qkv)), 0, 0, 1e-6, Device::word(device.upload(angles)), (double)s.D}}));
            device.run();
            const Activation out = device.activation(s.kind, to - from, s.H * s.D);
            const std::vector<Token> some(asked.begin() + from, asked.begin() + to);
            device.op(TT_OP_ATTEND, joined({step(some), {0, Device::word(cache), (double)s.H, Device::word(device.upload(part(*queriesOf, from, to, (int64_t)asked.size()))), 1 / sqrt((double)s.D), (double)s.window, s.softcap}, wordsOf(out)}));
            device.run();
            return device.rowsOf(out, 0, to - from);
          }};
}

template <class W> Case embed(Random random, int V, int C, int size, const W &table) {
  const auto weight = std::make_shared<W>(table);
  std::vector<int32_t> tokens, positions;
  for (int t = 0; t < size; t++) tokens.push_back(random.integer(0, V - 1)), positions.push_back(t);
  char name[160];
  snprintf(name, sizeof name, "embed %s, %d tokens of [%d, %d]", std::is_same<W, W4>::value ? "w4" : "w8", size, V, C);
  return {name, size, [=](Device &device, int64_t from, int64_t to) {
            float *out = (float *)device.allocate((size_t)((to - from) * C) * 4);
            const std::vector<int32_t> some(positions.begin() + from, positions.begin() + to);
            device.op(TT_OP_EMBED, {(double)(to - from), Device::word(device.upload(std::vector<int32_t>(some.size(), 0))), Device::word(device.upload(some)), 0, Device::word(device.upload(tokens)), (double)size, 0, 0,
                                    Device::word(weight->on(device)), 1.5, Device::word(out)});
            device.run();
            return bytesOf(device.download(out, (size_t)((to - from) * C)));
          }};
}

/* Ids only: log-probabilities are sums of a path's own exponentials. */
Case sample(Random random, int V, float temperature, float topK, float topP) {
  constexpr int SIZE = 5, COLUMNS = 43;
  const auto logits = std::make_shared<std::vector<float>>(random.normals((int64_t)SIZE * V, 3));
  char name[160];
  snprintf(name, sizeof name, "sample, %d ids, temperature %g, top-k %g, top-p %g", V, (double)temperature, (double)topK, (double)topP);
  return {name, SIZE, [=](Device &device, int64_t from, int64_t to) {
            std::vector<int32_t> entries;
            std::vector<float> params;
            for (int64_t s = from; s < to; s++) {
              for (const int32_t value : {(int32_t)s, 1, 1, (int32_t)s * 77, 5, -1, 0, 0, (int32_t)s * 5}) entries.push_back(value);
              for (const float value : {temperature, topK, topP, 0.0f, 1.1f, 0.1f, 0.1f}) params.push_back(value);
            }
            float *result = (float *)device.allocate((size_t)((to - from) * COLUMNS) * 4);
            int32_t *tokens = device.upload(std::vector<int32_t>(SIZE * 4, 1));
            float *none = device.upload(std::vector<float>(1, 0));
            device.op(TT_OP_SAMPLE, {(double)(to - from), (double)V, Device::word(device.upload(part(*logits, from, to, SIZE))), 1, Device::word(none), Device::word(none), 0, Device::word(tokens), 4, 0, 0,
                                     Device::word(device.upload(entries)), Device::word(device.upload(params)), 0, Device::word(none), Device::word(none), Device::word(result)});
            device.run();
            const std::vector<float> columns = device.download(result, (size_t)((to - from) * COLUMNS));
            std::vector<float> ids;
            for (size_t i = 0; i < columns.size(); i++) {
              const size_t column = i % COLUMNS;
              if (column == 0 || (column >= 3 && column % 2 == 1)) ids.push_back(columns[i]);
            }
            return bytesOf(ids);
          }};
}

std::vector<Case> allCases(uint64_t seed, int randomCases) {
  Random random(seed);
  std::vector<Case> cases;
  const auto fork = [&] { return Random(random.next()); };
  const int sizes[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 65, 130, 513, 600};
  for (const int size : sizes) cases.push_back(linearW4(fork(), size, 16 * random.integer(1, 9) + random.integer(0, 15), 2 * random.integer(1, size > 100 ? 200 : 700), random.integer(0, 1) ? 128 : -1, random.integer(0, 1)));
  cases.push_back(linearW4(fork(), 40, 150, 4352, 128, true));
  for (int i = 0; i < randomCases; i++) cases.push_back(linearW4(fork(), random.integer(1, 600), random.integer(1, 400), 2 * random.integer(1, 900), random.integer(0, 1) ? 128 : -1, random.integer(0, 1)));
  for (const int size : {1, 2, 3, 5, 8, 19}) cases.push_back(linearW8(fork(), size, random.integer(1, 200), random.integer(1, 1500)));
  for (const int dtype : {TT_F32, TT_F16, TT_BF16}) cases.push_back(linearDense(fork(), random.integer(2, 20), random.integer(1, 150), random.integer(1, 1500), dtype));
  for (const int kind : {0, 1}) {
    for (const int activation : {TT_SILU, TT_GELU_TANH}) cases.push_back(gate(fork(), random.integer(1, 40), random.integer(1, 900), kind, activation));
    cases.push_back(norm(fork(), random.integer(1, 40), random.integer(1, 900), kind, kind == 1));
  }
  const int ratios[] = {1, 2, 4, 7};
  const int heads[] = {32, 64, 80, 128, 256};
  const int blocks[] = {32, 16, 8, 20, 64};
  for (int i = 0; i < 5 + randomCases; i++) {
    const int G = random.integer(1, 2), D = heads[i % 5];
    const Shape shape = {G * ratios[i % 4], G, D, blocks[(i + i / 5) % 5], i % 6 == 5 ? TT_KV_FULL : TT_KV4, i % 2, i % 3 == 2 ? random.integer(1, 200) : 0, i % 5 == 4 ? 5.0f : 0.0f};
    const int length = random.integer(1, i % 2 ? 700 : 120);
    cases.push_back(attend(fork(), shape, {length, random.integer(1, 90), 1}, {std::min(length, random.integer(1, 70)), 1, 1}));
  }
  cases.push_back(embed(fork(), 70, 300, 9, W4(random, 70, 300, 128, false)));
  cases.push_back(embed(fork(), 70, 301, 9, W8(random, 70, 301)));
  cases.push_back(sample(fork(), 3000, 0, 0, 1));
  cases.push_back(sample(fork(), 1003, 0.8f, 40, 0.9f));
  return cases;
}

/* Sums of dense linears fuse or not, path by path, and so do those of a full-precision cache: only rows are compared there. */
bool sameOnEveryPath(const Case &c) { return c.name.rfind("linear f", 0) && c.name.rfind("linear bf", 0) && c.name.rfind("attend full", 0); }

size_t differences(const Bytes &a, const Bytes &b) {
  if (a.size() != b.size()) return a.size() + b.size();
  size_t count = 0;
  for (size_t i = 0; i < a.size(); i++) count += a[i] != b[i];
  return count;
}

int compare(const std::vector<std::string> &names, int threads, uint64_t seed, int randomCases) {
  int failures = 0;
  const std::vector<Case> cases = allCases(seed, randomCases);
  std::vector<Bytes> wanted;
  for (size_t p = names.size(); p-- > 0;) {
    Device device(names[p], threads);
    for (size_t i = 0; i < cases.size(); i++) {
      const Case &c = cases[i];
      const Bytes seen = c.run(device, 0, c.rows);
      if (wanted.size() <= i) wanted.push_back(seen);
      if (const size_t count = sameOnEveryPath(c) ? differences(seen, wanted[i]) : 0) {
        printf("%s: %s: %zu of %zu bytes differ from %s\n", names[p].c_str(), c.name.c_str(), count, seen.size(), names.back().c_str());
        failures++;
      }
      /* Each part of an activation is a run of rows of one width: the last row's bytes are the last of every part. */
      if (c.rows > 1 && c.name.rfind("linear", 0) == 0) {
        const Bytes alone = c.run(device, c.rows - 1, c.rows);
        if (memcmp(alone.data(), seen.data() + seen.size() - alone.size(), alone.size()) != 0) {
          printf("%s: %s: the last row differs from the row alone\n", names[p].c_str(), c.name.c_str());
          failures++;
        }
      }
      device.clear();
    }
  }
  printf("%zu cases on %zu paths: %d differences\n", cases.size(), names.size(), failures);
  return failures == 0 ? 0 : 1;
}

/* An op on one path, ready to run again and again. */
struct Timed {
  std::string what;
  double operations;
  std::function<std::function<void()>(Device &)> prepare;
};

std::vector<Timed> timedOps() {
  std::vector<Timed> all;
  const auto linear = [&](const char *name, int N, int K, int size) {
    char what[100];
    snprintf(what, sizeof what, "%s %dx%d, %d rows", name, N, K, size);
    all.push_back({what, 2.0 * size * N * K, [=](Device &device) -> std::function<void()> {
                     Random random(1);
                     tt_weight *w = W4(random, N, K, 128, false).on(device);
                     const Activation input = uploadRows(device, randomRows(random, size, K), 0, size, size, K);
                     float *out = (float *)device.allocate((size_t)size * N * 4);
                     return [=, &device] {
                       device.op(TT_OP_LINEAR, joined({{(double)size}, wordsOf(input), {Device::word(w), Device::word(out)}}));
                       device.run();
                     };
                   }});
  };
  for (const int size : {1, 4, 8, 12, 16, 17, 24, 32, 64, 128, 512}) linear("gateUp", 16384, 2048, size);
  for (const int size : {1, 8}) {
    constexpr int N = 32000, K = 2048;
    all.push_back({"head w8 32000x2048, " + std::to_string(size) + " rows", 2.0 * size * N * K, [=](Device &device) -> std::function<void()> {
                     Random random(1);
                     tt_weight *w = W8(random, N, K).on(device);
                     const Activation input = uploadRows(device, randomRows(random, size, K), 0, size, size, K);
                     float *out = (float *)device.allocate((size_t)size * N * 4);
                     return [=, &device] {
                       device.op(TT_OP_LINEAR, joined({{(double)size}, wordsOf(input), {Device::word(w), Device::word(out)}}));
                       device.run();
                     };
                   }});
  }
  for (const int size : {16, 32, 512}) linear("qkv", 3072, 2048, size);
  for (const int size : {16, 32, 512}) linear("down", 2048, 8192, size);
  const auto attention = [&](int rows, int context, int tokens) {
    char what[100];
    snprintf(what, sizeof what, "attend kv4, %d x %d tokens, context %d", rows, tokens, context);
    double seen = 0;
    for (int t = 0; t < tokens; t++) seen += context - tokens + t + 1;
    all.push_back({what, seen * rows * 32 * 64 * 4, [=](Device &device) -> std::function<void()> {
                     constexpr int H = 32, G = 8, D = 64, B = 32;
                     const int blocksPerRow = (context + B - 1) / B, width = (H + 2 * G) * D;
                     tt_cache *cache = device.cache(TT_KV4, 1, blocksPerRow * rows, B, G, D);
                     std::vector<int32_t> table, row, position;
                     for (int i = 0; i < blocksPerRow * rows; i++) table.push_back(i);
                     int32_t *tables = device.upload(table);
                     Random random(2);
                     std::vector<float> angles((size_t)context * D, 0.7f);
                     float *rope = device.upload(angles);
                     for (int r = 0; r < rows; r++) {
                       std::vector<int32_t> fillRow((size_t)context, r), fillPosition;
                       for (int p = 0; p < context; p++) fillPosition.push_back(p);
                       int32_t *at = device.upload(fillPosition);
                       device.op(TT_OP_ROPE_STORE, {(double)context, Device::word(device.upload(fillRow)), Device::word(at), Device::word(at), 0, 0, Device::word(tables), (double)blocksPerRow, 0, Device::word(cache), H,
                                                    Device::word(device.upload(random.normals((int64_t)context * width))), 0, 0, 1e-6, Device::word(rope), D});
                       device.run();
                       for (int t = 0; t < tokens; t++) row.push_back(r), position.push_back(context - tokens + t);
                     }
                     int32_t *rowOf = device.upload(row), *positionOf = device.upload(position);
                     float *qkv = device.upload(random.normals((int64_t)row.size() * width));
                     const Activation out = device.activation(1, (int64_t)row.size(), H * D);
                     const double count = (double)row.size();
                     return [=, &device] {
                       device.op(TT_OP_ATTEND, joined({{count, Device::word(rowOf), Device::word(positionOf), Device::word(positionOf), 0, 0, Device::word(tables), (double)blocksPerRow, 0, Device::word(cache), H, Device::word(qkv), 0.125, 0, 0}, wordsOf(out)}));
                       device.run();
                     };
                   }});
  };
  attention(1, 512, 1);
  attention(1, 4096, 1);
  attention(8, 1024, 1);
  attention(1, 512, 512);
  attention(1, 2048, 512);
  for (const int size : {1, 512}) {
    all.push_back({"gateQuantize, " + std::to_string(size) + " rows of 8192", 0, [=](Device &device) -> std::function<void()> {
                     Random random(3);
                     float *x = device.upload(random.normals((int64_t)size * 16384, 3));
                     const Activation out = device.activation(1, size, 8192);
                     return [=, &device] {
                       device.op(TT_OP_GATE_QUANTIZE, joined({{(double)size, Device::word(x), TT_SILU}, wordsOf(out)}));
                       device.run();
                     };
                   }});
  }
  return all;
}

double microseconds(const std::function<void()> &run, int count) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; i++) run();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / count;
}

int timeAll(const std::vector<std::string> &names, int threads, const std::string &only) {
  std::vector<std::unique_ptr<Device>> devices;
  for (const std::string &name : names) {
    devices.emplace_back(new Device(name, threads));
    double read, operations;
    devices.back()->ceilings(&read, &operations);
    printf("%s: reads %.1f GB/s, %.0f int8 GOPS\n", name.c_str(), read / 1e9, operations / 1e9);
  }
  for (const Timed &timed : timedOps()) {
    if (timed.what.find(only) == std::string::npos) continue;
    std::vector<std::function<void()>> runs;
    std::vector<double> best(devices.size(), 1e30);
    for (auto &device : devices) runs.push_back(timed.prepare(*device));
    for (int round = 0; round < 7; round++) {
      for (size_t i = 0; i < runs.size(); i++) best[i] = std::min(best[i], microseconds(runs[i], round == 0 ? 1 : (int)std::max(1.0, std::min(50.0, 20000 / best[i]))));
    }
    printf("%-44s", timed.what.c_str());
    for (size_t i = 0; i < runs.size(); i++) printf("  %s %.1f us (%.0f GOPS)", names[i].c_str(), best[i], timed.operations / best[i] / 1e3);
    printf("\n");
    fflush(stdout);
    for (auto &device : devices) device->clear();
  }
  return 0;
}

std::vector<std::string> pathsOf(const std::string &description) {
  std::vector<std::string> names;
  const size_t list = description.find("\"paths\": ["), end = description.find(']', list);
  for (size_t at = description.find('"', list + 9); at < end; at = description.find('"', at + 1)) {
    const size_t close = description.find('"', at + 1);
    names.push_back(description.substr(at + 1, close - at - 1));
    at = close;
  }
  return names;
}

}  // namespace

int main(int count, char **arguments) {
  int threads = 3, cases = 6, seed = 1;
  bool time = false;
  std::string only;
  std::vector<std::string> names;
  for (int i = 1; i < count; i++) {
    const std::string option = arguments[i];
    const auto value = [&] { return i + 1 < count ? atoi(arguments[++i]) : 0; };
    if (option == "--time") time = true;
    else if (option == "--threads") threads = value();
    else if (option == "--cases") cases = value();
    else if (option == "--seed") seed = value();
    else if (option == "--only" && i + 1 < count) only = arguments[++i];
    else if (option == "--path" && i + 1 < count) names.push_back(arguments[++i]);
    else return fprintf(stderr, "unknown option %s\n", arguments[i]), 2;
  }
  const std::string description = Device("", threads).describe();
  printf("%s\n", description.c_str());
  if (names.empty()) names = pathsOf(description);
  if (!time) return compare(names, threads, (uint64_t)seed, cases);
  names.erase(std::remove(names.begin(), names.end(), "portable"), names.end());
  return timeAll(names, threads, only);
}
