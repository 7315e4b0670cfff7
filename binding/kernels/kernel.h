// kernel.h: what a kernel is given and what it must say about itself. C headers only: this file is compiled once per ISA.
#pragma once
#include <stdint.h>

namespace gradclip {

// Why a run ended early. The first kernel that fails wins; `position` and `value` say where and what.
enum StatusCode : int32_t { kOk = 0, kIndexOutOfBounds = 1, kTooManySkips = 2, kNonFinite = 3, kStopped = 4, kNoGroup = 5 };

struct Status {
  volatile int32_t code;   // StatusCode; set with a compare-and-swap from kOk, see fail()
  int32_t instr;           // index of the instruction, filled in by the executor loop
  int64_t position;        // flat element position in the offending operand
  double value;            // the offending value (an index, a label)
  double bound;            // what it should have been below (exclusive)
};

// What travels at once: it stays in a core's own cache until it is added; smaller pieces would each wait for an answer.
constexpr int64_t kWirePiece = int64_t(1) << 20;
// How processes that train together reach each other (collective.h). For one thread of the team, while the others wait.
struct Wire {
  int32_t rank, size;
  void* impl;
  // Sends and receives so many bytes each; 0: it does not.
  void (*exchange)(void* impl, int32_t peer, const void* out, int64_t out_bytes, void* in, int64_t in_bytes);
  // Has a thread of its own do what exchanges, in order, while the team goes on: with a copy of what it is given, of kWireArg bytes at most, and kWirePiece
  // bytes of scratch. Nobody else exchanges before `finish`, which waits for all of it.
  static constexpr int64_t kWireArg = 128;
  void (*begin)(void* impl, void (*work)(const void* arg, void* scratch), const void* arg, int64_t bytes);
  void (*finish)(void* impl);
};

// Counters and keys of the step being run. Same for every thread; constant during one instruction.
struct Context {
  uint64_t seed;      // of the run: with attempt and the op's own key it keys all randomness
  uint64_t attempt;   // batches drawn so far
  uint64_t step;      // updates applied so far
  int32_t micro;      // which micro-batch of this step, from 0
  int32_t micros;     // micro-batches of this step
  int32_t skip;       // set to 1 by `decide`: skippable instructions of this step do nothing
  int32_t base;       // the first micro-batch of this process's share of the step
  int32_t share;      // micro-batches in it; all of them, where no others train with it
  const Wire* wire;   // to the others; null: there are none
};

// One instruction's operands. Sizes were checked against `need` when the program was made, so a kernel does not check again.
// Data-dependent indices are the exception: a kernel that reads an index checks it and calls fail().
struct Args {
  void* const* out;
  const void* const* in;
  void* scratch;      // shared by the team, 64-byte aligned, Need::scratch bytes, contents undefined
  void* local;        // of this thread alone, 64-byte aligned, Need::local bytes, contents undefined
  const int64_t* i;   // integer attributes
  const double* f;    // float attributes
  int32_t n_out, n_in, n_i, n_f;
  Context* ctx;
  Status* status;
};

// The threads inside a run. All threads of the team call the kernel with the same Args (but for `local`) and split the work by rank.
// The cut must depend on shapes only, never on size: a result may not change with the number of threads.
struct Team {
  int rank, size;
  void* impl;
  void (*wait)(void* impl, int rank);
  void barrier() const {
    if (size > 1) wait(impl, rank);
  }
};

using Kernel = void (*)(const Args&, const Team&);

// What a kernel will touch, given its attributes: the verifier compares it with the operands' sizes before a program may run.
// A kernel that reads or writes fewer bytes than the operand has is fine; one byte more is an InvalidProgramError.
struct Need {
  static constexpr int64_t kMax = int64_t(1) << 46;   // bytes; anything above is refused
  static constexpr int64_t kMaxEmpty = 1 << 26;       // of an empty tensor, were its dims of 0 left out: so many are walked soon
  const char* error = nullptr;                        // set when the attributes make no sense
  int64_t scratch = 0, local = 0;                     // bytes, for any team size
  int64_t* out;                                       // bytes per output, n_out of them, zero at the start
  int64_t* in;                                        // bytes per input
  int32_t n_out, n_in, n_i, n_f;
  const int64_t* i;
  const double* f;
  void* impl;
  // What of an output and an input may be the same memory, and where in the output the input begins then, in bytes; kSame: both are the same place.
  static constexpr int64_t kSame = -1;
  void (*allow)(void* impl, int32_t out, int32_t in, int64_t at);
  void alias(int32_t o, int32_t i) { allow(impl, o, i, kSame); }             // output o may be exactly input i (same address)
  void within(int32_t o, int32_t i, int64_t at) { allow(impl, o, i, at); }   // input i may lie within output o, there alone
  void fail(const char* why) {
    if (!error) error = why;
  }
};
using NeedFn = void (*)(Need&);

// a * b for sizes, saturating: negative or huge factors give a value no operand can have.
static inline int64_t size_mul(int64_t a, int64_t b) {
  if (a < 0 || b < 0) return Need::kMax + 1;
  if (a == 0 || b == 0) return 0;
  if (a > Need::kMax / b) return Need::kMax + 1;
  return a * b;
}

// The bytes of a tensor: its dims and the bytes of an element, saturating like size_mul. An empty tensor owns no bytes, but a kernel
// may walk through its rows all the same, so what its other dims amount to is bounded as well.
template <class... Dims>
static inline int64_t size_of(Dims... dims) {
  int64_t bytes = 1, span = 1;   // span: dims of 0 left out
  ((bytes = size_mul(bytes, dims), span = size_mul(span, dims ? dims : 1)), ...);
  return bytes == 0 && span > Need::kMaxEmpty ? Need::kMax + 1 : bytes;
}

// First failure wins. Safe from any thread.
static inline void fail(Status* s, int32_t code, int64_t position, double value, double bound) {
  if (__sync_bool_compare_and_swap(&s->code, 0, -1)) {
    s->position = position;
    s->value = value;
    s->bound = bound;
    __sync_synchronize();
    s->code = code;
  }
}

// a / b for a >= 0, b > 0: where both are short, as nearly always, without a 64-bit division, which costs as much as 40 fma.
static inline int64_t quotient(int64_t a, int64_t b) { return (a | b) >> 32 ? a / b : (int64_t)((uint32_t)a / (uint32_t)b); }

// The half-open range of `tasks` that thread `rank` of `size` works on.
struct Range {
  int64_t begin, end;
};
static inline Range split(int64_t tasks, const Team& team) {
  if (team.size == 1) return {0, tasks};
  return {quotient(tasks * team.rank, team.size), quotient(tasks * (team.rank + 1), team.size)};
}

struct KernelInfo {
  const char* name;
  int32_t n_out, n_in, n_i, n_f;   // -1: any number
  Kernel run;
  NeedFn need;
  const char* (*hyper)();   // of an optimizer's update: names of its hyper-parameters, "lr, momentum"; null: it is none
};
// Whether an elementwise operation may end a product, and whether the product can leave its derivative behind then.
enum MapEnd : int32_t { kMapInside, kMapEnds, kMapSloped };
struct MapInfo {   // one elementwise operation of the `map` kernel
  const char* name;
  int32_t arity;
  MapEnd end;
};
struct KernelTable {
  const char* isa;
  const KernelInfo* kernels;
  int32_t n_kernels;
  const MapInfo* maps;
  int32_t n_maps;
  bool (*agrees)();   // whether the processor computes as the other tables do; null: it is known to
};

}   // namespace gradclip
