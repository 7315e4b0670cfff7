// program.h: a program decoded from numbers and verified, so that running it needs no more checks.
#pragma once
#include <stdint.h>

#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "sizing.h"

namespace gradclip {

// lib/compile/program.ts, SPACE.
enum Space : int32_t { kArena = 0, kConstants = 1, kFeed = 2, kStep = 3, kReport = 4, kBlocks = 5 };

struct Place {
  int32_t space;
  int64_t offset, bytes;
};

struct Instr {
  const KernelInfo* kernel;
  bool skippable, serial;
  int32_t n_out, n_in, n_i, n_f;
  size_t places, ints, floats;          // positions of the first in Program's vectors; outputs come before inputs
  int64_t scratch_bytes, local_bytes;   // of this one; the program's are the most of all
};

// What lies between two barriers: one shared instruction, or a chain of serial ones.
struct Phase {
  int32_t begin, end;
  bool serial;
  bool skippable;   // all of it
};

// A part of a step: what is done for each micro-batch, and what follows once they all have come there.
struct Stage {
  std::vector<Phase> each, once;
};

// As it comes from JavaScript.
struct ProgramSpec {
  std::vector<double> code;
  int64_t instrs = 0, micro_end = 0;
  int64_t arena_bytes = 0, feed_bytes = 0, step_bytes = 0, report_bytes = 0;
  std::vector<uint8_t> constants;
  std::vector<int64_t> block_bytes;
  std::vector<uint8_t> block_writes;
  // Of the micro section, where stages end: for each but the last what is done for each micro-batch, then what is done once.
  std::vector<int64_t> cuts;
};

struct Program {
  ProgramSpec spec;   // its code is dropped once decoded
  const KernelTable* table = nullptr;
  std::vector<Instr> instrs;
  std::vector<Stage> stages;   // one at least; the last does `apply` once
  std::vector<Place> places;
  std::vector<int64_t> ints;
  std::vector<double> floats;
  int64_t scratch_bytes = 0;   // shared by the team
  int64_t local_bytes = 0;     // per thread
  bool once_reads_feed = false;
  mutable Sizing sizing;   // of runs with a crew, which the executor makes one after the other, whatever they are bound to

  // Where several stages are, what a micro-batch has computed waits for the others: each has an arena of its own, and they are the binding's.
  bool keeps_arenas() const { return stages.size() > 1; }
  int64_t shared_arena_bytes() const { return keeps_arenas() ? 0 : spec.arena_bytes; }

  // Returns what is wrong, or an empty string.
  std::string decode(ProgramSpec given, const KernelTable* kernels);

 private:
  std::string verify(int32_t index);
  std::string check_place(const Place& p, bool output) const;
  std::vector<Phase> phases(int32_t begin, int32_t end) const;
};

}   // namespace gradclip
