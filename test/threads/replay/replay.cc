// replay.cc: runs that record.ts has written down, by crews of four under ThreadSanitizer: no race, and the results that one thread had without it.
// Arguments: the file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "../hammer.h"
#include "bound.h"
#include "kernels/unit.h"
#include "team.h"

namespace gradclip {

extern const KernelTable GRADCLIP_CAT(table_, GRADCLIP_ISA_NAME);

namespace {

constexpr int kTeam = 4;
constexpr int kStatusAt = 14, kTriedAt = 15;   // lib/native/numbers.ts has them all
std::string label;                             // of the run that is being replayed

class Reader {
 public:
  explicit Reader(const char* file) : file_(fopen(file, "rb")) { expect(file_, "no such file"); }
  ~Reader() { fclose(file_); }
  Reader(const Reader&) = delete;
  bool at_end() {
    const int next = getc(file_);
    if (next != EOF) ungetc(next, file_);
    return next == EOF;
  }
  int64_t whole() {
    int64_t n = 0;
    read(&n, sizeof n);
    return n;
  }
  template <class T>
  std::vector<T> list() {
    std::vector<T> values(size_t(whole()) / sizeof(T));
    read(values.data(), values.size() * sizeof(T));
    return values;
  }

 private:
  void read(void* to, size_t bytes) { expect(fread(to, 1, bytes, file_) == bytes, "the file is cut off"); }
  FILE* const file_;
};

// Bit for bit, but that a NaN has no sign: compilers choose which operand gives it.
bool same(const uint8_t* a, const uint8_t* b, size_t bytes) {
  for (size_t at = 0; at + 4 <= bytes; at += 4) {
    uint32_t x, y;
    memcpy(&x, a + at, 4), memcpy(&y, b + at, 4);
    const bool odd = (x & 0x7f800000) == 0x7f800000 || (x & 0x7ff00000) == 0x7ff00000;
    if (x != y && !(odd && ((x ^ y) & 0x7fffffff) == 0)) return false;
  }
  return memcmp(a + bytes / 4 * 4, b + bytes / 4 * 4, bytes % 4) == 0;
}

Bytes copy_of(const std::vector<uint8_t>& from) {
  Bytes bytes(int64_t(from.size()));
  if (!from.empty()) memcpy(bytes.data(), from.data(), from.size());
  return bytes;
}

std::shared_ptr<const Program> program_of(Reader& in) {
  ProgramSpec spec;
  spec.instrs = in.whole(), spec.micro_end = in.whole(), spec.arena_bytes = in.whole();
  spec.feed_bytes = in.whole(), spec.step_bytes = in.whole(), spec.report_bytes = in.whole();
  spec.code = in.list<double>();
  for (const double at : in.list<double>()) spec.cuts.push_back(int64_t(at));
  spec.constants = in.list<uint8_t>();
  for (const double bytes : in.list<double>()) spec.block_bytes.push_back(int64_t(bytes));
  spec.block_writes = in.list<uint8_t>();
  auto program = std::make_shared<Program>();
  const std::string error = program->decode(std::move(spec), &GRADCLIP_CAT(table_, GRADCLIP_ISA_NAME));
  expect(error.empty(), error.c_str());
  return program;
}

struct Replay {
  Bound& bound;
  RunRequest& request;
  RunResult& result;
  static void lead(void* arg, Crew& crew) {
    const Replay& self = *static_cast<Replay*>(arg);
    Workspace workspace;
    const std::atomic<int> run_on{kRunOn};
    const std::atomic<bool> never{false};
    expect(crew.size() == kTeam, "a crew of fewer");
    expect(self.bound.run(self.request, workspace, &crew, kTeam, run_on, never, self.result), "no memory");
  }
};

void replay(Reader& in) {
  const std::vector<char> name = in.list<char>();
  label.assign(name.begin(), name.end());
  const std::shared_ptr<const Program> program = program_of(in);
  const std::vector<double> given = in.list<double>(), told = in.list<double>();
  RunRequest request;
  request.steps = int64_t(given[0]), request.micros = int64_t(given[1]), request.attempt = uint64_t(given[2]);
  request.step_count = uint64_t(given[3]), request.skips = int64_t(given[4]), request.max_skips = int64_t(given[5]);
  request.first = int64_t(given[7]), request.end = int64_t(given[8]), request.base = int64_t(given[9]),
  request.share = int64_t(given[10]);
  request.from = int64_t(given[11]), request.to = int64_t(given[12]), request.seed = uint64_t(in.whole());
  request.feed = copy_of(in.list<uint8_t>()), request.step = copy_of(in.list<uint8_t>());
  const std::vector<uint8_t> reported = in.list<uint8_t>();
  Bytes report(request.steps * program->spec.report_bytes);
  request.report = report.data();
  std::vector<Bytes> blocks;
  std::vector<std::vector<uint8_t>> after;
  std::vector<Memory> memory;
  for (size_t k = 0; k < program->spec.block_bytes.size(); k++) {
    blocks.push_back(copy_of(in.list<uint8_t>()));
    after.push_back(in.list<uint8_t>());
  }
  for (const Bytes& block : blocks) memory.push_back({block.data(), block.size()});

  Bound bound;
  const Failure failure = bound.bind(program, memory);
  expect(!failure, failure.message.c_str());
  RunResult result;
  Replay run{bound, request, result};
  with_crew(kTeam, Replay::lead, &run);
  // Of several faults another may be the first.
  expect(result.status == int32_t(told[kStatusAt]), "another end");
  if (result.status != kOk) return;
  expect(double(result.tried) == told[kTriedAt], "other steps");
  expect(same(report.data(), reported.data(), reported.size()), "another report");
  for (size_t k = 0; k < blocks.size(); k++) expect(same(blocks[k].data(), after[k].data(), after[k].size()), "other values");
}

}   // namespace

void tell_label() { fprintf(stderr, "replay: in %s\n", label.c_str()); }

}   // namespace gradclip

// The sanitizer calls it with each report.
extern "C" void __tsan_on_report(void*) { gradclip::tell_label(); }

int main(int, char** argv) {
  atexit([] { gradclip::tell_label(); });
  gradclip::Reader in(argv[1]);
  int runs = 0;
  for (; !in.at_end(); runs++) gradclip::replay(in);
  gradclip::label = "none";
  printf("replay: done, %d runs\n", runs);
}
