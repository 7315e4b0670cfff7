// bound.h: a program with its memory: pointers resolved once, then K steps in one call.
#pragma once
#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "memory/block.h"
#include "memory/poison.h"
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
  // Which of them, from where on and how many, are this process's; all of them, where no others train with it.
  int64_t base = 0, share = 1;
  int64_t first = 0, end = 1;   // which of these; where they do not end with the share, what is done once is for a later run
  int64_t from = 0, to = 1;     // stages of a step; what is before them was done by earlier runs, and is in the arenas
  const Wire* wire = nullptr;
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

// What programs and their instructions may use while they run, and that holds nothing between runs: those that are one after the other, as an
// executor's, share it. A product asks for ten megabytes of scratch, whatever its size; there may be many programs, and most of them rest.
struct Workspace {
  Bytes arena, scratch, locals;   // of a program; of its instructions and their threads
  // The arenas of the programs that there are. Of the JavaScript thread.
  std::vector<int64_t> arenas;

  // A program is there, or no more. What it alone needed is given back by the next run, or now, where none is on.
  void add(int64_t bytes) {
    arenas.push_back(bytes);
    most_ = std::max<int64_t>(most_, bytes);
  }
  void remove(int64_t bytes) noexcept {
    const auto at = std::find(arenas.begin(), arenas.end(), bytes);
    if (at != arenas.end()) arenas.erase(at);
    most_ = arenas.empty() ? 0 : *std::max_element(arenas.begin(), arenas.end());
  }
  // While no run is on.
  void trim() noexcept {
    if (arena.size() > most_) arena = Bytes();
  }

 private:
  std::atomic<int64_t> most_{0};
};

// How a run is asked to end before its last step: after the one it is in, or the first; or, where it has not begun, without any.
enum Stop { kRunOn, kEndEarly, kStopNow };

// One run at a time. Nothing here knows JavaScript.
class Bound {
 public:
  Failure bind(std::shared_ptr<const Program> program, const std::vector<Memory>& blocks);
  // Other memory in place of all blocks. Between runs only; where it fails, the blocks of before stay.
  Failure rebind(const std::vector<Memory>& blocks);
  const Program& program() const { return *program_; }
  // Of all runs since it was started. Between runs only.
  Profile& profile() { return profile_; }

  // For tests: step k of a run takes sizes[k % n] of its threads. Between runs only.
  void size_steps(std::vector<int> sizes) { sizes_ = std::move(sizes); }

  // Whole run with up to `threads` of the crew; null: on the calling thread alone. `stop` is a Stop; `closing` ends it
  // after an instruction. False when memory for the workspace is lacking; nothing has run then.
  bool run(RunRequest& request, Workspace& workspace, Crew* crew, int threads, const std::atomic<int>& stop,
           const std::atomic<bool>& closing, RunResult& result);

 private:
  friend struct Loop;
  struct Patch {   // an operand that moves with the row
    uint32_t operand;
    int64_t offset;
  };
  Failure check(const std::vector<Memory>& blocks) const;
  void resolve(const std::vector<Memory>& blocks);
  // What instructions take for one micro-batch.
  struct Lane {
    std::vector<void*> operands;
    std::vector<Args> args;
    Bytes own;                  // its arena, where it is not the workspace's
    uint8_t* arena = nullptr;   // where operands take it to be
  };
  // Lanes for so many micro-batches at once, in arenas of their own or, one of them, in this one. False when memory is lacking.
  bool prepare(size_t lanes, uint8_t* arena);
  static void move(Lane& lane, const std::vector<Patch>& patches, uint8_t* row);
  Lane& lane() { return lanes_[lane_]; }

  std::shared_ptr<const Program> program_;
  std::vector<void*> operands_;   // those that do not move, for each lane
  std::vector<Lane> lanes_;
  size_t lane_ = 0;   // of the micro-batch that is on
  std::vector<Patch> arena_, feed_, step_, report_;
  Context context_{};
  Status status_{};
  Profile profile_;
  Poison poison_;
  std::vector<int> sizes_;
};

}   // namespace gradclip
