// poison.cc: what may be overwritten when, and the pattern.
#include "poison.h"

#include <string.h>

#include <algorithm>
#include <map>
#include <set>

namespace gradclip {
namespace {

void fill(void* to, int64_t bytes) {
  if (bytes == 0) return;   // where there is nothing, `to` may be null, which C functions do not accept
  uint32_t* const words = static_cast<uint32_t*>(to);
  const int64_t whole = bytes / int64_t(sizeof kPattern);
  std::fill_n(words, whole, kPattern);
  memcpy(words + whole, &kPattern, size_t(bytes) % sizeof kPattern);
}

PoisonAsked decide() {
  const std::string asked = port::environment("GRADCLIP_POISON");
  if (asked.empty() || asked == "0") return {};
  if (asked == "1") return {true, ""};
  return {false, "GRADCLIP_POISON: expected 0 or 1, got " + asked};
}

// Bytes of the arena, as ranges that do not overlap: their ends by their beginnings.
class Ranges {
 public:
  void add(int64_t begin, int64_t end) {
    remove(begin, end);
    if (begin < end) ends_[begin] = end;
  }
  void remove(int64_t begin, int64_t end) {
    auto at = ends_.lower_bound(begin);
    if (at != ends_.begin() && std::prev(at)->second > begin) at--;
    while (at != ends_.end() && at->first < end) {
      const auto [from, to] = *at;
      at = ends_.erase(at);
      if (from < begin) ends_[from] = begin;
      if (to > end) ends_[end] = to;
    }
  }
  const std::map<int64_t, int64_t>& ends() const { return ends_; }

 private:
  std::map<int64_t, int64_t> ends_;
};

}   // namespace

const PoisonAsked& poison_asked() {
  static const PoisonAsked* const p = new PoisonAsked(decide());   // never freed: runs may outlive exit()
  return *p;
}

// Backwards from the last instruction, after which the arena holds nothing. Micro sections loop, and so do steps; but what such a loop
// would carry from one turn to the next was never written before its first, so no program may count on it.
bool Poison::plan(const Program& program) {
  if (!scratch_.reserve(program.scratch_bytes)) return false;
  program_ = &program;
  dead_.assign(program.instrs.size(), {});
  fresh_.assign(program.instrs.size(), {});
  Ranges live;
  for (size_t k = program.instrs.size(); k-- > 0;) {
    const Instr& in = program.instrs[k];
    const Place* places = program.places.data() + in.places;
    const auto each = [&](int32_t first, int32_t end, auto what) {
      for (int32_t p = first; p < end; p++) {
        if (places[p].space == kArena) what(places[p].offset, places[p].offset + places[p].bytes);
      }
    };
    const int32_t all = in.n_out + in.n_in;
    std::set<std::pair<int32_t, int64_t>> read;
    for (int32_t p = in.n_out; p < all; p++) {
      if (places[p].bytes > 0) read.insert({places[p].space, places[p].offset});
    }
    for (int32_t o = 0; o < in.n_out; o++) {
      if (!read.count({places[o].space, places[o].offset})) fresh_[k].push_back(o);
    }
    Ranges dead;
    each(0, all, [&](int64_t begin, int64_t end) { dead.add(begin, end); });
    for (const auto& [begin, end] : live.ends()) dead.remove(begin, end);
    for (const auto& [begin, end] : dead.ends()) dead_[k].push_back({begin, end});
    // What is done once is done in one micro-batch's arena: in the others all is as it was.
    const auto cut = std::upper_bound(program.spec.cuts.begin(), program.spec.cuts.end(), int64_t(k));
    if ((cut - program.spec.cuts.begin()) % 2 == 0)
      each(0, in.n_out, [&](int64_t begin, int64_t end) { live.remove(begin, end); });
    each(in.n_out, all, [&](int64_t begin, int64_t end) { live.add(begin, end); });
  }
  return true;
}

void Poison::begin(uint8_t* arena) const { fill(arena, program_->spec.arena_bytes); }

void Poison::before(int32_t instr, const Args& args, int threads) const {
  const Instr& in = program_->instrs[size_t(instr)];
  const Place* places = program_->places.data() + in.places;
  scratch_.refill(in.scratch_bytes);
  if (in.local_bytes > 0) locals_.refill(program_->local_bytes * threads);
  for (int32_t o : fresh_[size_t(instr)]) fill(args.out[o], places[o].bytes);
}

void Poison::after(int32_t instr, uint8_t* arena) const {
  for (const Range& r : dead_[size_t(instr)]) fill(arena + r.begin, r.end - r.begin);
}

}   // namespace gradclip
