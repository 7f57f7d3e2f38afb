/* The thread pool, and the executor that runs programs in order. */
#include "runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace tetrad {

using Clock = std::chrono::steady_clock;

/* Waiting between ops is short: spin, then let others run, and only then sleep. */
struct Spin {
  int rounds = 0;
  Clock::time_point end;
  explicit Spin(int microseconds) : end(Clock::now() + std::chrono::microseconds(microseconds)) {}
  bool expired() {
    if (++rounds % 32 != 0) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("yield");
#endif
      return false;
    }
    if (rounds > 128) std::this_thread::yield();
    return Clock::now() > end;
  }
};
constexpr int SPIN_MICROSECONDS = 40;

Pool::Pool(int threads) : count(threads) {
  for (int i = 1; i < threads; i++) helpers.emplace_back([this, i] { help(i); });
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  wake.notify_all();
  for (std::thread &helper : helpers) helper.join();
}

bool Pool::claim(uint32_t *left) {
  uint64_t word = open.load(std::memory_order_acquire);
  while ((uint32_t)word > 0) {
    if (open.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel)) {
      *left = (uint32_t)word;
      return true;
    }
  }
  return false;
}

void Pool::run(int wanted, Task body, void *bodyArgument) {
  if (wanted <= 1 || count == 1) {
    for (int i = 0; i < wanted; i++) body(bodyArgument, i, 0);
    return;
  }
  task = body;
  argument = bodyArgument;
  tasks = wanted;
  done.store(0, std::memory_order_relaxed);
  open.store((uint64_t)++generation << 32 | (uint32_t)wanted, std::memory_order_seq_cst);
  int asleep = sleepers.load(std::memory_order_seq_cst);
  if (asleep > 0) {
    std::lock_guard<std::mutex> lock(mutex);
    for (int i = 0; i < wanted - 1 && i < asleep; i++) wake.notify_one();
  }
  uint32_t left;
  while (claim(&left)) {
    body(bodyArgument, wanted - (int)left, 0);
    done.fetch_add(1, std::memory_order_acq_rel);
  }
  for (Spin spin(0); done.load(std::memory_order_acquire) < wanted;) spin.expired();
}

void Pool::help(int worker) {
  for (;;) {
    Spin spin(SPIN_MICROSECONDS);
    bool worked = false;
    while (!worked && !spin.expired()) {
      uint32_t left;
      while (claim(&left)) {
        worked = true;
        task(argument, tasks - (int)left, worker);
        done.fetch_add(1, std::memory_order_acq_rel);
      }
    }
    if (worked) continue;
    std::unique_lock<std::mutex> lock(mutex);
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    wake.wait(lock, [&] { return stopping || (uint32_t)open.load(std::memory_order_seq_cst) > 0; });
    sleepers.fetch_sub(1, std::memory_order_seq_cst);
    if (stopping) return;
  }
}

uint8_t *Scratch::atLeast(size_t wanted) {
  if (wanted <= bytes && memory) return memory;
  freeZeroed(memory, bytes);
  bytes = wanted + wanted / 4;
  memory = (uint8_t *)allocateZeroed(bytes);
  if (!memory) bytes = 0;
  return memory;
}
Scratch::~Scratch() { freeZeroed(memory, bytes); }

int threadsOf(Runtime &runtime) { return runtime.pool.threads(); }
void runTasks(Runtime &runtime, int tasks, Task run, void *argument) { runtime.pool.run(tasks, run, argument); }
uint8_t *workerScratch(Runtime &runtime, int64_t bytes, int64_t *stride) {
  *stride = (bytes + 127) / 64 * 64;
  return runtime.workers.atLeast((size_t)(*stride * runtime.pool.threads()));
}
void *sharedScratch(Runtime &runtime, int64_t bytes) { return runtime.shared.atLeast((size_t)bytes + 64); }
int fail(Runtime &runtime, int status, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  runtime.opError = text;
  return status;
}

int checkStep(Runtime &runtime, const Step &step, const tt_cache *cache, int needTokens) {
  const int64_t positions = cache ? step.blocksPerRow * cache->B : step.tokensPerRow;
  for (int64_t t = 0; t < step.size; t++) {
    if (step.row[t] < 0) continue;
    if (step.row[t] >= step.rows || step.position[t] < 0 || step.position[t] >= positions || (needTokens && step.position[t] >= step.tokensPerRow)) {
      return fail(runtime, TT_BAD_ARGUMENT, "token %d is at row %d, position %d; there are %d rows of %d positions", (int)t, (int)step.row[t],
                  (int)step.position[t], (int)step.rows, (int)positions);
    }
    if (!cache) continue;
    const int32_t block = step.blockTables[step.row[t] * step.blocksPerRow + step.position[t] / cache->B];
    if (block < 0 || block >= cache->blocks) {
      return fail(runtime, TT_BAD_ARGUMENT, "token %d lies in block %d; the cache has %d blocks", (int)t, (int)block, (int)cache->blocks);
    }
  }
  return TT_OK;
}

Runtime::Runtime(int threads, const Path *chosen) : path(chosen), pool(threads) {
  executor = std::thread([this] { execute(); });
}

Runtime::~Runtime() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  arrived.notify_all();
  executor.join();
}

uint64_t Runtime::submit(std::unique_ptr<Program> program) {
  std::lock_guard<std::mutex> lock(mutex);
  program->ticket = lastTicket + 1;
  queue.push_back(std::move(program));
  queued.fetch_add(1);
  arrived.notify_one();
  return ++lastTicket;
}

int Runtime::wait(uint64_t ticket, std::string *text) {
  std::unique_lock<std::mutex> lock(mutex);
  finished.wait(lock, [&] { return completed >= ticket; });
  const int first = status;
  *text = error;
  status = TT_OK;
  return first;
}

bool Runtime::ceilings(double *readBytes, double *int8Operations) {
  constexpr int64_t BYTES = 512 << 20, PIECE = 1 << 20, ROUNDS = 1 << 18;
  struct Measure {
    const Path *path;
    const uint8_t *memory;
    std::atomic<uint64_t> seen{0};
    std::atomic<int64_t> operations{0};
  } measure;
  measure.path = path;
  uint8_t *memory = (uint8_t *)allocateZeroed(BYTES);
  if (!memory) return false;
  memset(memory, 1, BYTES);
  measure.memory = memory;
  *readBytes = *int8Operations = 0;
  const auto timed = [&](int count, Task body) {
    const Clock::time_point start = Clock::now();
    pool.run(count, body, &measure);
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  for (int i = 0; i < 6; i++) {
    const double reading = timed((int)(BYTES / PIECE), [](void *p, int task, int) {
      Measure &m = *(Measure *)p;
      m.seen += m.path->readAll(m.memory + task * PIECE, PIECE);
    });
    measure.operations = 0;
    const double multiplying = timed(pool.threads() * 4, [](void *p, int, int) {
      Measure &m = *(Measure *)p;
      m.operations += (int64_t)m.path->multiplyAdds(ROUNDS);
    });
    *readBytes = std::max(*readBytes, (double)BYTES / reading);
    *int8Operations = std::max(*int8Operations, (double)measure.operations / multiplying);
  }
  freeZeroed(memory, BYTES);
  return true;
}

void Runtime::settle() {
  std::unique_lock<std::mutex> lock(mutex);
  finished.wait(lock, [&] { return completed >= lastTicket; });
}

int Runtime::runOp(Op &op) {
  switch (op.code) {
    case TT_OP_COPY: memcpy(op.copy.to, op.copy.from, op.copy.bytes); return TT_OK;
    case TT_OP_EMBED: return path->embed(*this, op.embed);
    case TT_OP_NORM_QUANTIZE: return path->norm(*this, op.norm);
    case TT_OP_LINEAR: return path->linear(*this, op.linear);
    case TT_OP_ROPE_STORE: return path->rope(*this, op.rope);
    case TT_OP_ATTEND: return path->attend(*this, op.attend);
    case TT_OP_GATE_QUANTIZE: return path->gate(*this, op.gate);
    case TT_OP_LOGITS: return path->logits(*this, op.logits);
    default: return path->sample(*this, op.sample);
  }
}

/* The op's name and what it was to work on. */
static std::string describe(const Op &op) {
  const auto linear = [](const LinearArgs &a) {
    return " (" + std::to_string(a.size) + " rows, weight [" + std::to_string(a.weight->N) + ", " + std::to_string(a.weight->K) + "])";
  };
  const auto rows = [](int64_t size, int64_t width) { return " (" + std::to_string(size) + " rows of " + std::to_string(width) + ")"; };
  const std::string name = opName(op.code);
  switch (op.code) {
    case TT_OP_COPY: return name + " (" + std::to_string(op.copy.bytes) + " bytes)";
    case TT_OP_EMBED: return name + rows(op.embed.step.size, op.embed.table->K);
    case TT_OP_NORM_QUANTIZE: return name + rows(op.norm.size, op.norm.width);
    case TT_OP_LINEAR: return name + linear(op.linear);
    case TT_OP_ROPE_STORE: return name + rows(op.rope.step.size, (op.rope.H + 2 * op.rope.cache->G) * op.rope.cache->D);
    case TT_OP_ATTEND: return name + rows(op.attend.step.size, op.attend.H * op.attend.cache->D);
    case TT_OP_GATE_QUANTIZE: return name + rows(op.gate.size, op.gate.out.width);
    case TT_OP_LOGITS: return name + linear(op.logits.linear);
    default: return name + rows(op.sample.size, op.sample.V);
  }
}

void Runtime::runProgram(Program &program) {
  for (Op &op : program.ops) {
    const int result = runOp(op);
    if (result == TT_OK) continue;
    std::lock_guard<std::mutex> lock(mutex);
    if (status == TT_OK) {
      status = result;
      error = describe(op) + ": " + opError;
    }
    return;
  }
}

void Runtime::execute() {
  for (;;) {
    for (Spin spin(SPIN_MICROSECONDS); queued == 0 && !spin.expired();) {
    }
    std::unique_ptr<Program> program;
    {
      std::unique_lock<std::mutex> lock(mutex);
      arrived.wait(lock, [&] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      program = std::move(queue.front());
      queue.pop_front();
      queued.fetch_sub(1);
    }
    runProgram(*program);
    {
      std::lock_guard<std::mutex> lock(mutex);
      completed = program->ticket;
    }
    finished.notify_all();
  }
}

}  // namespace tetrad
