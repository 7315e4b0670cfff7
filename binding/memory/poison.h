// poison.h: GRADCLIP_POISON=1, a test mode: memory that holds nothing yet holds a pattern, so that what is read unwritten is seen.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

#include "../port/port.h"
#include "../program.h"

namespace gradclip {

struct PoisonAsked {
  bool on = false;
  std::string error;   // set when GRADCLIP_POISON makes no sense
};
const PoisonAsked& poison_asked();

// Not a number as f32 and as f64 (a signalling one), as an index beyond any table.
constexpr uint32_t kPattern = 0x7ff4f4f4;

// Of one bound program. All of it is called by one thread while the others wait.
class Poison {
 public:
  // From here on the mode is on. False when memory is lacking.
  bool plan(const Program& program);
  bool on() const { return program_ != nullptr; }
  // What the program's scratch and its threads' buffers are in this mode.
  uint8_t* scratch() const { return scratch_.data(); }
  uint8_t* locals() const { return locals_.data(); }
  bool reserve_locals(int threads) { return locals_.reserve(program_->local_bytes * threads); }

  // Before a step's first stage, or a run: nothing in an arena outlives one.
  void begin(uint8_t* arena) const;
  // Before an instruction on so many threads: its scratch and their buffers, and its outputs but for those in place of an input.
  void before(int32_t instr, const Args& args, int threads) const;
  // After an instruction: what of the arena it used that no later one reads before somebody writes it.
  void after(int32_t instr, uint8_t* arena) const;

 private:
  struct Range {
    int64_t begin, end;
  };
  const Program* program_ = nullptr;
  port::PatternPages scratch_{kPattern}, locals_{kPattern};
  // Per instruction:
  std::vector<std::vector<int32_t>> fresh_;   // outputs not in place of an input
  std::vector<std::vector<Range>> dead_;
};

}   // namespace gradclip
