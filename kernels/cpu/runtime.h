/* The inside of a context: threads, the queue of programs, scratch memory, what was allocated. */
#ifndef TETRAD_CPU_RUNTIME_H
#define TETRAD_CPU_RUNTIME_H

#include "ops.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tetrad {

/* Zeroed, aligned to 64, 64 readable bytes behind; null when there is no memory. */
void *allocateZeroed(size_t bytes);
void freeZeroed(void *memory, size_t bytes);
/* Bytes that this process may still take, by the system and by its control group. */
double availableMemory();
/* Cores that this process may use. */
int availableCores();
std::string processorName();

extern const Path *const PATHS[];
extern const int PATH_COUNT;

/* Memory that grows and is kept. */
struct Scratch {
  uint8_t *memory = nullptr;
  size_t bytes = 0;
  uint8_t *atLeast(size_t wanted);
  ~Scratch();
};

struct Copy { void *to; const void *from; size_t bytes; };
struct Op {
  int code;
  union {
    Copy copy;
    EmbedArgs embed;
    NormArgs norm;
    LinearArgs linear;
    RopeArgs rope;
    AttendArgs attend;
    GateArgs gate;
    LogitsArgs logits;
    SampleArgs sample;
  };
  Op() {}
};
const char *opName(int code);

struct Program {
  std::vector<Op> ops;
  uint64_t ticket = 0;
};

/* Threads that run the tasks of one op at a time. A task is claimed by a single atomic word, generation and tasks left, so that
 * a thread which comes late, or never, holds nobody up. Idle threads sleep. */
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  int threads() const { return count; }
  void run(int tasks, Task task, void *argument);

 private:
  void help(int worker);
  bool claim(uint32_t *left);

  int count;
  Task task = nullptr;
  void *argument = nullptr;
  int tasks = 0;
  uint32_t generation = 0;
  alignas(64) std::atomic<uint64_t> open{0};
  alignas(64) std::atomic<int> done{0};
  alignas(64) std::atomic<int> sleepers{0};
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> helpers;
};

struct Runtime {
  Runtime(int threads, const Path *path);
  ~Runtime();

  const Path *path;
  Pool pool;
  Scratch workers, shared;
  std::string opError;  /* by fail(), of the op that runs */

  uint64_t submit(std::unique_ptr<Program> program);
  /* Waits for the ticket; takes the first error since the last wait. */
  int wait(uint64_t ticket, std::string *text);
  uint64_t submitted() const { return lastTicket; }
  /* With nothing running: bytes read and int8 operations a second, the best of several rounds. False: no memory. */
  bool ceilings(double *readBytes, double *int8Operations);
  /* Waits until nothing runs; errors stay for the next wait. */
  void settle();

 private:
  void execute();
  int runOp(Op &op);
  void runProgram(Program &program);

  std::mutex mutex;
  std::condition_variable arrived, finished;
  std::deque<std::unique_ptr<Program>> queue;
  std::atomic<uint64_t> lastTicket{0}, completed{0}, queued{0};
  bool stopping = false;
  int status = TT_OK;
  std::string error;
  std::thread executor;
};

/* What the program's words mean, checked against what was allocated. */
struct Allocations {
  struct Range { uintptr_t base; size_t bytes; };
  std::vector<Range> ranges;  /* by base */
  std::vector<const void *> weights, caches;  /* by address */
  /* Bytes from p to the end of its allocation; 0 where p lies in none. */
  size_t behind(const void *p) const;
};
/* Decodes and checks; on failure returns a status and the text. */
int decodeProgram(const Allocations &, const double *words, int64_t count, Program *program, std::string *text);

}  // namespace tetrad

struct tt_context {
  std::mutex mutex;  /* of what follows */
  tetrad::Allocations allocations;
  std::string error;
  std::unique_ptr<tetrad::Runtime> runtime;
};
#endif
