// poison.h: GRADCLIP_POISON=1, a test mode: memory that holds nothing yet holds a pattern, so that what is read unwritten is seen.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

#include "program.h"

namespace gradclip {

struct PoisonAsked {
  bool on = false;
  std::string error;   // set when GRADCLIP_POISON makes no sense
};
const PoisonAsked& poison_asked();

// Of one bound program. All but local() are called by one thread while the others wait.
class Poison {
 public:
  // From here on the mode is on.
  void plan(const Program& program, uint8_t* arena);
  bool on() const { return program_ != nullptr; }

  // Before a run: nothing in the arena outlives one.
  void begin();
  // Before an instruction: its scratch, and its outputs but for those in place of an input.
  void before(int32_t instr, const Args& args) const;
  // Before an instruction, by each of its threads.
  void local(int32_t instr, const Args& args) const;
  // After an instruction: what of the arena it used that no later one reads before somebody writes it.
  void after(int32_t instr) const;

 private:
  struct Range {
    int64_t begin, end;
  };
  const Program* program_ = nullptr;
  uint8_t* arena_ = nullptr;
  // Per instruction:
  std::vector<std::vector<int32_t>> fresh_;   // outputs not in place of an input
  std::vector<std::vector<Range>> dead_;
};

}   // namespace gradclip
