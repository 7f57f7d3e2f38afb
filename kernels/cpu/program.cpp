/* From the words of a program to ops: every size, kind and address is checked here, before anything runs. */
#include "runtime.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace tetrad {

static const char *const NAMES[TT_OP_COUNT] = {"copy", "embed", "normQuantize", "linear", "ropeStore", "attend", "gateQuantize", "logits", "sample"};
const char *opName(int code) { return code >= 0 && code < TT_OP_COUNT ? NAMES[code] : "unknown op"; }

size_t Allocations::behind(const void *p) const {
  const uintptr_t address = (uintptr_t)p;
  auto after = std::upper_bound(ranges.begin(), ranges.end(), address, [](uintptr_t a, const Range &range) { return a < range.base; });
  if (after == ranges.begin()) return 0;
  const Range &range = *--after;
  return address - range.base < range.bytes ? range.bytes - (address - range.base) : 0;
}

struct Refused {
  int status;
  std::string text;
};
[[noreturn]] static void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void refuse(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  throw Refused{TT_BAD_ARGUMENT, text};
}

constexpr int64_t MOST = 1 << 28;  /* of any one size: products of two and a width stay in 64 bits */

class Reader {
 public:
  Reader(const Allocations &allocations, const double *words, int64_t count) : known(allocations), at(words), end(words + count) {}

  double number(const char *name) {
    if (at == end) refuse("%s is missing", name);
    return *at++;
  }
  int64_t integer(const char *name, int64_t least, int64_t most) {
    const double value = number(name);
    if (!(value >= (double)least && value <= (double)most) || value != std::floor(value)) {
      refuse("%s is %g; allowed are whole numbers from %lld to %lld", name, value, (long long)least, (long long)most);
    }
    return (int64_t)value;
  }
  float real(const char *name) {
    const double value = number(name);
    if (!std::isfinite(value)) refuse("%s is not a finite number", name);
    return (float)value;
  }
  uintptr_t address(const char *name) { return (uintptr_t)integer(name, 0, (int64_t)1 << 53); }

  /* Memory of this context with room for `bytes`. */
  template <class T> T *memory(const char *name, int64_t bytes, bool nullable = false) {
    T *p = (T *)address(name);
    if (!p) {
      if (!nullable) refuse("%s is null", name);
      return p;
    }
    const size_t room = known.behind(p);
    if (room == 0) refuse("%s is not memory of this context", name);
    if (room < (size_t)bytes) refuse("%s has %zu bytes; %lld are needed", name, room, (long long)bytes);
    if ((uintptr_t)p % sizeof(T) != 0) refuse("%s is not aligned", name);
    return p;
  }
  const tt_weight *weight(const char *name) { return (const tt_weight *)handle(name, known.weights); }
  const tt_cache *cache(const char *name) { return (const tt_cache *)handle(name, known.caches); }

  /* `size` rows of `width` columns. */
  Activation activation(const char *name, int64_t size, int64_t width) {
    Activation a = {};
    a.kind = (int)integer("kind of an activation", 0, 1);
    a.width = integer("width of an activation", 1, MOST);
    a.groups = ceilDiv(a.width, 128);
    if (width > 0 && a.width != width) refuse("%s is %lld wide; %lld are needed", name, (long long)a.width, (long long)width);
    if (a.kind == 0) {
      a.f = memory<float>(name, size * a.width * 4);
      number("scale"), number("sums");
    } else {
      a.q = memory<int8_t>(name, size * a.groups * 128);
      a.scale = memory<float>("scale of an activation", size * 4);
      a.sums = memory<int32_t>("sums of an activation", size * a.groups * 4);
    }
    return a;
  }

  enum Tables { TOKENS = 1, BLOCKS = 2, ROPE = 4, ROWS = 8 };
  Step step(int wanted) {
    Step s = {};
    s.size = integer("step size", 0, MOST);
    const int64_t bytes = wanted & ROWS ? s.size * 4 : 0;
    s.row = memory<int32_t>("step.row", bytes, !(wanted & ROWS));
    s.position = memory<int32_t>("step.position", bytes, !(wanted & ROWS));
    s.ropeRow = memory<int32_t>("step.ropeRow", wanted & ROPE ? bytes : 0, !(wanted & ROPE));
    s.tokens = memory<int32_t>("step.tokens", 4, !(wanted & TOKENS));
    s.tokensPerRow = integer("step.tokensPerRow", wanted & TOKENS ? 1 : 0, MOST);
    s.blockTables = memory<int32_t>("step.blockTables", 4, !(wanted & BLOCKS));
    s.blocksPerRow = integer("step.blocksPerRow", wanted & BLOCKS ? 1 : 0, MOST);
    s.rows = MOST;
    if (wanted & TOKENS) s.rows = minOf(s.rows, (int64_t)known.behind(s.tokens) / (s.tokensPerRow * 4));
    if (wanted & BLOCKS) s.rows = minOf(s.rows, (int64_t)known.behind(s.blockTables) / (s.blocksPerRow * 4));
    return s;
  }
  template <class T> int64_t rowsBehind(const T *p, int64_t rowBytes) const { return (int64_t)known.behind(p) / rowBytes; }
  bool done() const { return at == end; }

 private:
  const void *handle(const char *name, const std::vector<const void *> &handles) {
    const void *p = (const void *)address(name);
    if (!std::binary_search(handles.begin(), handles.end(), p)) refuse("%s is not open in this context", name);
    return p;
  }
  const Allocations &known;
  const double *at, *end;
};

static void readCopy(Reader &in, Copy &op) {
  const uintptr_t to = in.address("to"), source = in.address("from");
  op.bytes = (size_t)in.integer("bytes", 0, (int64_t)1 << 53);
  op.to = (void *)to;
  op.from = (const void *)source;
}

static LinearArgs readLinear(Reader &in) {
  LinearArgs a = {};
  a.size = in.integer("size", 0, MOST);
  a.input = in.activation("input", a.size, 0);
  a.weight = in.weight("weight");
  return a;
}
static void checkLinear(const LinearArgs &a) {
  const char *kind = a.weight->dtype == TT_U8 ? "w4" : a.weight->dtype == TT_I8 ? "w8" : "dense";
  const bool integers = a.weight->dtype == TT_U8 || a.weight->dtype == TT_I8;
  if (a.input.width != a.weight->K || (a.input.kind == 1) != integers) {
    refuse("a %s weight [%lld, %lld] cannot take %s input of width %lld", kind, (long long)a.weight->N, (long long)a.weight->K,
           a.input.kind == 1 ? "int8" : "float32", (long long)a.input.width);
  }
}

static void readRope(Reader &in, RopeArgs &a) {
  a.step = in.step(Reader::ROWS | Reader::BLOCKS | Reader::ROPE);
  a.layer = in.integer("layer", 0, MOST);
  a.cache = in.cache("cache");
  a.H = in.integer("heads", 1, MOST);
  a.qkv = in.memory<float>("qkv", a.step.size * (a.H + 2 * a.cache->G) * a.cache->D * 4);
  a.qNorm = in.memory<float>("qNorm", a.cache->D * 4, true);
  a.kNorm = in.memory<float>("kNorm", a.cache->D * 4, true);
  a.epsilon = in.real("epsilon");
  a.table = in.memory<float>("ropeTable", 0);
  a.rotary = in.integer("rotaryDim", 2, a.cache->D);
  if (a.rotary % 2 != 0) refuse("rotaryDim is %lld; it must be even", (long long)a.rotary);
  a.tableRows = in.rowsBehind(a.table, a.rotary * 4);
  if (a.layer >= a.cache->layers) refuse("layer %lld; the cache has %lld", (long long)a.layer, (long long)a.cache->layers);
}

static void readAttend(Reader &in, AttendArgs &a) {
  a.step = in.step(Reader::ROWS | Reader::BLOCKS);
  a.layer = in.integer("layer", 0, MOST);
  a.cache = in.cache("cache");
  a.H = in.integer("heads", 1, MOST);
  a.qkv = in.memory<float>("qkv", a.step.size * (a.H + 2 * a.cache->G) * a.cache->D * 4);
  a.scale = in.real("scale");
  a.window = in.integer("window", 0, MOST);
  a.softcap = in.real("softcap");
  a.out = in.activation("out", a.step.size, a.H * a.cache->D);
  if (a.layer >= a.cache->layers) refuse("layer %lld; the cache has %lld", (long long)a.layer, (long long)a.cache->layers);
  if (a.H % a.cache->G != 0) refuse("%lld query heads cannot share %lld KV heads", (long long)a.H, (long long)a.cache->G);
}

static void readSample(Reader &in, SampleArgs &a) {
  a.size = in.integer("size", 0, MOST);
  a.V = in.integer("vocabulary", 1, 1 << 24);
  a.logits = in.memory<float>("logits", a.size * a.V * 4);
  a.step = in.step(Reader::TOKENS);
  a.entries = in.memory<int32_t>("entries", a.size * 9 * 4);
  a.params = in.memory<float>("params", a.size * 7 * 4);
  a.masks = in.memory<int32_t>("masks", 0, true);
  a.maskRows = a.masks ? in.rowsBehind(a.masks, ceilDiv(a.V, 32) * 4) : 0;
  a.biasIds = in.memory<int32_t>("biasIds", 0, true);
  a.biasValues = in.memory<float>("biasValues", 0, true);
  a.biases = a.biasIds && a.biasValues ? minOf(in.rowsBehind(a.biasIds, 4), in.rowsBehind(a.biasValues, 4)) : 0;
  a.result = in.memory<float>("result", a.size * 43 * 4);
}

static void readOp(Reader &in, const Allocations &known, Op &op) {
  switch (op.code) {
    case TT_OP_COPY: {
      Copy &a = op.copy = {};
      readCopy(in, a);
      if (a.bytes > 0 && known.behind(a.to) < a.bytes) refuse("%zu bytes do not fit behind the target, which has %zu", a.bytes, known.behind(a.to));
      if (a.bytes > 0 && !a.from) refuse("from is null");
      return;
    }
    case TT_OP_EMBED: {
      EmbedArgs &a = op.embed = {};
      a.step = in.step(Reader::ROWS | Reader::TOKENS);
      a.table = in.weight("table");
      a.scale = in.real("scale");
      a.out = in.memory<float>("out", a.step.size * a.table->K * 4);
      return;
    }
    case TT_OP_NORM_QUANTIZE: {
      NormArgs &a = op.norm = {};
      a.size = in.integer("size", 0, MOST);
      a.width = in.integer("width", 1, MOST);
      a.residual = in.memory<float>("residual", 0);
      a.delta = in.memory<float>("delta", 0, true);
      a.deltaNorm = in.memory<float>("deltaNorm", a.width * 4, true);
      a.weight = in.memory<float>("weight", a.width * 4);
      a.epsilon = in.real("epsilon");
      a.gather = in.memory<int32_t>("gather", a.size * 4, true);
      a.out = in.activation("out", a.size, a.width);
      a.residualRows = in.rowsBehind(a.residual, a.width * 4);
      if (a.delta) a.residualRows = minOf(a.residualRows, in.rowsBehind(a.delta, a.width * 4));
      if (!a.gather && a.residualRows < a.size) refuse("residual and delta have %lld rows; %lld are needed", (long long)a.residualRows, (long long)a.size);
      return;
    }
    case TT_OP_LINEAR: {
      LinearArgs &a = op.linear = readLinear(in);
      checkLinear(a);
      a.out = in.memory<float>("out", a.size * a.weight->N * 4);
      return;
    }
    case TT_OP_ROPE_STORE: return readRope(in, op.rope = {});
    case TT_OP_ATTEND: return readAttend(in, op.attend = {});
    case TT_OP_GATE_QUANTIZE: {
      GateArgs &a = op.gate = {};
      a.size = in.integer("size", 0, MOST);
      a.gateUp = in.memory<float>("gateUp", 0);
      a.gate = (int)in.integer("gate", TT_SILU, TT_GELU_TANH);
      a.out = in.activation("out", a.size, 0);
      const int64_t rows = in.rowsBehind(a.gateUp, a.out.width * 8);
      if (rows < a.size) refuse("gateUp has %lld rows; %lld are needed", (long long)rows, (long long)a.size);
      return;
    }
    case TT_OP_LOGITS: {
      LogitsArgs &a = op.logits = {};
      a.linear = readLinear(in);
      checkLinear(a.linear);
      a.softcap = in.real("softcap");
      a.linear.out = in.memory<float>("out", a.linear.size * a.linear.weight->N * 4);
      return;
    }
    case TT_OP_SAMPLE: return readSample(in, op.sample = {});
    default: refuse("there is no op %d", op.code);
  }
}

int decodeProgram(const Allocations &known, const double *words, int64_t count, Program *program, std::string *text) {
  int64_t at = 0;
  int code = -1;
  try {
    while (at < count) {
      code = -1;
      if (count - at < 2 || !(words[at] >= 0 && words[at] < TT_OP_COUNT)) refuse("word %lld is no op", (long long)at);
      code = (int)words[at];
      if (!(words[at + 1] >= 0 && words[at + 1] <= (double)(count - at - 2))) refuse("its %g argument words run past the program", words[at + 1]);
      const int64_t length = (int64_t)words[at + 1];
      program->ops.emplace_back();
      Op &op = program->ops.back();
      op.code = code;
      Reader in(known, words + at + 2, length);
      readOp(in, known, op);
      if (!in.done()) refuse("has words left over");
      at += 2 + length;
    }
    return TT_OK;
  } catch (const Refused &refused) {
    *text = (code < 0 ? std::string("program") : std::string(opName(code))) + ": " + refused.text;
    return refused.status;
  }
}

}  // namespace tetrad
