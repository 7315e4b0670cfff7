// bound.h: a program with its memory: pointers resolved once, then K steps in one call.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "block.h"
#include "poison.h"
#include "profile.h"
#include "program.h"
#include "team.h"

namespace gradclip {

struct Failure {
  const char* code = nullptr;   // 'ERR_...', null: none
  std::string message;
  explicit operator bool() const { return code != nullptr; }
};

struct Memory {
  void* data;
  int64_t bytes;
};

struct RunRequest {
  int64_t steps = 1, micros = 1;
  int64_t first = 0, end = 1;   // which micro-batches of each step; where `end` is not `micros`, `apply` is for a later run
  uint64_t seed = 0, attempt = 0, step_count = 0;
  int64_t skips = 0, max_skips = 0;
  int threads = 1;
  Bytes feed, step;            // copies of the caller's rows
  uint8_t* report = nullptr;   // `steps` rows
};

struct RunResult {
  int32_t status = kOk, instr = -1, threads = 1;
  int64_t tried = 0, skips = 0, position = 0;
  uint64_t attempt = 0, step_count = 0;
  double value = 0, bound = 0;
};

// What instructions may use while they run, and that holds nothing between them: the runs of an environment, which are one after the other, share
// it. A product asks for ten megabytes of scratch, whatever its size; there may be many programs.
struct Workspace {
  Bytes scratch, locals;   // of the team; of its threads
};

// One run at a time. Nothing here knows JavaScript.
class Bound {
 public:
  Failure bind(std::shared_ptr<const Program> program, const std::vector<Memory>& blocks);
  const Program& program() const { return *program_; }
  // Of all runs since it was started. Between runs only.
  Profile& profile() { return profile_; }
  int64_t owned_bytes() const { return arena_.size(); }

  // For tests: step k of a run takes sizes[k % n] of its threads. Between runs only.
  void size_steps(std::vector<int> sizes) { sizes_ = std::move(sizes); }

  // Whole run with up to `threads` of the crew; null: on the calling thread alone. `stop` ends it after a step,
  // `closing` after an instruction. False when memory for the workspace is lacking; nothing has run then.
  bool run(RunRequest& request, Workspace& workspace, Crew* crew, int threads, const std::atomic<bool>& stop,
           const std::atomic<bool>& closing, RunResult& result);

 private:
  friend struct Loop;
  struct Patch {   // an operand that moves with the row
    uint32_t operand;
    int64_t offset;
  };
  Failure check(const std::vector<Memory>& blocks) const;
  void resolve(const std::vector<Memory>& blocks);
  void move(const std::vector<Patch>& patches, uint8_t* row);

  std::shared_ptr<const Program> program_;
  Bytes arena_;
  std::vector<void*> operands_;
  std::vector<Args> args_;
  std::vector<Patch> feed_, step_, report_;
  Context context_{};
  Status status_{};
  Profile profile_;
  Poison poison_;
  std::vector<int> sizes_;
};

}   // namespace gradclip
