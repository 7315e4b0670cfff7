// turns.h: a team whose threads work one after the other, each up to its next barrier. So the time of each is that of its share alone,
// whatever cores there are: how a step is cut for 64 threads can be seen on one core. Profiles of balance are made of it.
#pragma once
#include <stdint.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "gate.h"

namespace gradclip {

class Turns {
 public:
  // What an instruction is cut into. Of several calls the least of each, as others on the machine only ever add to a time.
  struct Cut {
    int64_t calls = 0, barriers = 0;   // barriers of all calls
    int64_t critical_ns = 0;           // the longest share up to each barrier, one after the other
    std::vector<int64_t> shares;       // ns of each thread
  };

  Turns(size_t instrs, int size) : gates_(new Gate[size_t(size)]), seen_(size_t(size)), now_(size_t(size)), cuts_(instrs) {
    for (Cut& cut : cuts_) cut.shares.assign(size_t(size), 0);
  }
  int size() const { return int(now_.size()); }
  const std::vector<Cut>& cuts() const { return cuts_; }

  // A thread before its first instruction, and after its last.
  void enter(int rank) {
    if (rank > 0) await(rank);
  }
  void leave(int rank) {
    if (rank == 0) flush();
    if (rank + 1 < size()) gates_[rank + 1].advance();
  }

  // The thread whose turn it is begins an instruction; -1: something that is not measured.
  void begin(int rank, int32_t instr) {
    if (rank == 0) {
      flush();
      instr_ = instr;
    }
    start_ = now_ns();
  }

  // A barrier: each thread comes to it in its turn, and goes on in its next one.
  template <class Last>
  void wait(int rank, Last last) {
    const int64_t ns = now_ns() - start_;
    now_[size_t(rank)] += ns;
    longest_ = std::max(longest_, ns);
    if (rank + 1 == size()) {
      critical_ += longest_;
      longest_ = 0;
      barriers_++;
      last();
    }
    if (size() > 1) {
      gates_[(rank + 1) % size()].advance();
      await(rank);
    }
    start_ = now_ns();
  }

  // An instruction that one thread runs.
  void alone(int32_t instr, int64_t ns) {
    Cut& cut = cuts_[size_t(instr)];
    take(cut.critical_ns, ns, cut.calls == 0);
    take(cut.shares[0], ns, cut.calls == 0);
    cut.calls++;
  }

 private:
  static void take(int64_t& best, int64_t ns, bool first) { best = first ? ns : std::min(best, ns); }
  void await(int rank) { gates_[rank].wait(seen_[size_t(rank)]++, 0); }
  void flush() {
    if (instr_ >= 0) {
      Cut& cut = cuts_[size_t(instr_)];
      take(cut.critical_ns, critical_, cut.calls == 0);
      for (size_t k = 0; k < now_.size(); k++) take(cut.shares[k], now_[k], cut.calls == 0);
      cut.calls++;
      cut.barriers += barriers_;
    }
    instr_ = -1;
    critical_ = longest_ = barriers_ = 0;
    std::fill(now_.begin(), now_.end(), 0);
  }

  const std::unique_ptr<Gate[]> gates_;   // by rank
  std::vector<uint32_t> seen_;
  // Of the instruction that is on. Whose turn it is writes; gates order them.
  int32_t instr_ = -1;
  int64_t start_ = 0, longest_ = 0, critical_ = 0, barriers_ = 0;
  std::vector<int64_t> now_;
  std::vector<Cut> cuts_;
};
}   // namespace gradclip
