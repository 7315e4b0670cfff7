// poison.cc: what may be overwritten when, and the pattern.
#include "poison.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <map>
#include <set>

namespace gradclip {
namespace {

// Not a number as f32 and as f64 (a signalling one), as an index beyond any table.
constexpr uint32_t kPattern = 0x7ff4f4f4;

void fill(void* to, int64_t bytes) {
  static_assert(sizeof(wchar_t) == sizeof kPattern);
  if (bytes == 0) return;   // where there is nothing, `to` may be null, which C functions do not accept
  const size_t words = size_t(bytes) / sizeof kPattern;
  wchar_t* p = static_cast<wchar_t*>(to);
  wmemset(p, wchar_t(kPattern), words);
  memcpy(p + words, &kPattern, size_t(bytes) % sizeof kPattern);
}

// A file in memory that holds the pattern, below 0 where there is none.
constexpr int64_t kFile = 1 << 21;
int pattern_file() {
  static const int file = [] {
    const int fd = memfd_create("gradclip", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, kFile) != 0) return -1;
    void* at = mmap(nullptr, size_t(kFile), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) return -1;
    fill(at, kFile);
    munmap(at, size_t(kFile));
    return fd;
  }();
  return file;
}

PoisonAsked decide() {
  const char* asked = getenv("GRADCLIP_POISON");
  if (!asked || !*asked || !strcmp(asked, "0")) return {};
  if (!strcmp(asked, "1")) return {true, ""};
  return {false, std::string("GRADCLIP_POISON: expected 0 or 1, got ") + asked};
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

PoisonPages::~PoisonPages() {
  if (base_) munmap(base_, size_t(mapped_));
}

bool PoisonPages::reserve(int64_t bytes) {
  constexpr int64_t kMost =
      int64_t(1) << 32;   // each stretch of the file is a mapping, of which a process has some ten thousands
  if (bytes <= size_) return true;
  const int64_t page = sysconf(_SC_PAGESIZE), span = (bytes + page - 1) / page * page;
  if (pattern_file() < 0 || span > kMost) return false;
  uint8_t* base = static_cast<uint8_t*>(mmap(nullptr, size_t(span + page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (base == MAP_FAILED) return false;
  if (base_) munmap(base_, size_t(mapped_));
  base_ = base, mapped_ = span + page, data_ = base + span - bytes, size_ = bytes;
  for (int64_t at = 0; at < span; at += kFile) {
    const size_t length = size_t(std::min(kFile, span - at));
    if (mmap(base + at, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, pattern_file(), 0) == MAP_FAILED) return false;
  }
  return true;
}

void PoisonPages::fill(int64_t bytes) const {
  constexpr int64_t kFew = 1 << 15;   // sooner written than asked of the system
  if (bytes <= kFew) return gradclip::fill(data_, bytes);
  madvise(base_, size_t(data_ + bytes - base_), MADV_DONTNEED);
}

// Backwards from the last instruction, after which the arena holds nothing. Micro sections loop, and so do steps; but what such a loop
// would carry from one turn to the next was never written before its first, so no program may count on it.
bool Poison::plan(const Program& program, uint8_t* arena) {
  if (!scratch_.reserve(program.scratch_bytes)) return false;
  program_ = &program;
  arena_ = arena;
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
    each(0, in.n_out, [&](int64_t begin, int64_t end) { live.remove(begin, end); });
    each(in.n_out, all, [&](int64_t begin, int64_t end) { live.add(begin, end); });
  }
  return true;
}

void Poison::begin() { fill(arena_, program_->spec.arena_bytes); }

void Poison::before(int32_t instr, const Args& args, int threads) const {
  const Instr& in = program_->instrs[size_t(instr)];
  const Place* places = program_->places.data() + in.places;
  scratch_.fill(in.scratch_bytes);
  if (in.local_bytes > 0) locals_.fill(program_->local_bytes * threads);
  for (int32_t o : fresh_[size_t(instr)]) fill(args.out[o], places[o].bytes);
}

void Poison::after(int32_t instr) const {
  for (const Range& r : dead_[size_t(instr)]) fill(arena_ + r.begin, r.end - r.begin);
}

}   // namespace gradclip
