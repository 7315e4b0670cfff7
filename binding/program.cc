// program.cc: the border between TypeScript's programs and the kernels: decode and verify, once.
#include "program.h"

#include <stdarg.h>
#include <stdio.h>

#include <algorithm>
#include <utility>

namespace gradclip {
namespace {

constexpr double kExact = 9007199254740992.0;   // 2^53: whole numbers up to here are exact

std::string text(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string text(const char* format, ...) {
  char buffer[256];
  va_list args;
  va_start(args, format);
  vsnprintf(buffer, sizeof buffer, format, args);
  va_end(args);
  return buffer;
}
using ll = long long;

// Reads `code` front to back. After the first error all reads give 0.
struct Reader {
  const std::vector<double>& code;
  size_t at = 0;
  std::string error;

  int64_t whole() {
    const double x = real();
    if (!error.empty()) return 0;
    if (!(x >= -kExact && x <= kExact) || x != double(int64_t(x))) {
      error = text("code[%zu]: expected a whole number, got %g", at - 1, x);
      return 0;
    }
    return int64_t(x);
  }
  double real() {
    if (error.empty() && at >= code.size()) error = text("code ends after %zu numbers, in the middle of it", code.size());
    return error.empty() ? code[at++] : 0;
  }
  // A count of things that take `each` numbers of the rest of the code.
  int32_t count(size_t each) {
    const int64_t n = whole();
    if (error.empty() && (n < 0 || size_t(n) > (code.size() - at) / each)) {
      error = text("a count of %lld does not fit in the %zu numbers left", ll(n), code.size() - at);
    }
    return error.empty() ? int32_t(n) : 0;
  }
};

const char* space_name(int32_t space) {
  static const char* const names[] = {"arena", "constants", "feed row", "step row", "report row"};
  return names[space];
}

std::string space_text(int32_t space) { return space < kBlocks ? space_name(space) : text("block %d", space - kBlocks); }

std::string operand_name(const Instr& in, int32_t k) {
  return k < in.n_out ? text("output %d", k) : text("input %d", k - in.n_out);
}

// An output and an input that may be the same memory (Need::allow).
struct Allowed {
  int32_t out, in;
  int64_t at;
  bool operator<(const Allowed& b) const { return out != b.out ? out < b.out : in < b.in; }
};

bool overlap(const Place& a, const Place& b) {
  return a.space == b.space && a.bytes > 0 && b.bytes > 0 && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}
bool same(const Place& a, const Place& b) { return a.space == b.space && a.offset == b.offset && a.bytes == b.bytes; }
bool within(const Place& a, const Place& b, int64_t at) {
  return a.space == b.space && a.offset == b.offset + at && a.bytes <= b.bytes - at;
}

std::string arity(const char* what, int32_t expected, int32_t got) {
  return expected < 0 || expected == got ? "" : text("expected %d %s, got %d", expected, what, got);
}

int64_t pad64(int64_t n) { return (n + 63) & ~int64_t(63); }

// Sizes of the spaces. Rows that are no multiple of 8 bytes would put the next row's doubles at odd addresses.
std::string check_sizes(const ProgramSpec& s) {
  if (s.arena_bytes < 0 || s.arena_bytes > Need::kMax) return text("arenaBytes: expected 0 to 2^46, got %lld", ll(s.arena_bytes));
  const std::pair<const char*, int64_t> rows[] = {
      {"feedBytes", s.feed_bytes}, {"stepBytes", s.step_bytes}, {"reportBytes", s.report_bytes}};
  for (const auto& [name, bytes] : rows) {
    if (bytes < 0 || bytes > Need::kMax) return text("%s: expected 0 to 2^46, got %lld", name, ll(bytes));
    if (bytes % 8) return text("%s: expected a multiple of 8, got %lld", name, ll(bytes));
  }
  for (size_t b = 0; b < s.block_bytes.size(); b++) {
    if (s.block_bytes[b] < 0 || s.block_bytes[b] > Need::kMax) {
      return text("blockBytes[%zu]: expected 0 to 2^46, got %lld", b, ll(s.block_bytes[b]));
    }
  }
  if (s.block_writes.size() != s.block_bytes.size()) {
    return text("blockWrites: expected %zu values, got %zu", s.block_bytes.size(), s.block_writes.size());
  }
  if (s.block_bytes.size() > 1000000) return text("blockBytes: %zu are too many", s.block_bytes.size());
  if (s.instrs < 0 || s.instrs > 10000000) return text("instrs: expected 0 to 10000000, got %lld", ll(s.instrs));
  if (s.micro_end < 0 || s.micro_end > s.instrs) {
    return text("microEnd: expected 0 to %lld, got %lld", ll(s.instrs), ll(s.micro_end));
  }
  if (s.cuts.size() % 2 || s.cuts.size() > 2 * size_t(s.micro_end))
    return text("cuts: expected two for each stage that has instructions, got %zu", s.cuts.size());
  int64_t before = 0;
  for (size_t k = 0; k < s.cuts.size(); before = s.cuts[k++]) {
    if (s.cuts[k] < before || s.cuts[k] > s.micro_end)
      return text("cuts[%zu]: expected %lld to %lld, got %lld", k, ll(before), ll(s.micro_end), ll(s.cuts[k]));
  }
  return "";
}

// An instruction may have thousands of operands, so outputs are sorted by place, and inputs looked up among them.
std::string check_overlaps(const Place* out, int32_t n_out, const Place* in, int32_t n_in, std::vector<Allowed> allowed) {
  std::vector<int32_t> order;
  for (int32_t o = 0; o < n_out; o++) {
    if (out[o].bytes > 0) order.push_back(o);
  }
  const auto before = [](const Place& a, const Place& b) { return a.space != b.space ? a.space < b.space : a.offset < b.offset; };
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return before(out[a], out[b]); });
  for (size_t k = 1; k < order.size(); k++) {
    const int32_t a = order[k - 1], b = order[k];
    if (overlap(out[a], out[b])) return text("output %d overlaps output %d", std::max(a, b), std::min(a, b));
  }
  std::sort(allowed.begin(), allowed.end());
  for (int32_t i = 0; i < n_in; i++) {
    if (in[i].bytes == 0) continue;
    // From the first output that begins behind this input's beginning, or the one before it.
    auto at = std::upper_bound(order.begin(), order.end(), in[i], [&](const Place& p, int32_t o) { return before(p, out[o]); });
    if (at != order.begin()) at--;
    for (; at != order.end() && !before({in[i].space, in[i].offset + in[i].bytes, 0}, out[*at]); at++) {
      const int32_t o = *at;
      if (!overlap(out[o], in[i])) continue;
      const auto pair = std::lower_bound(allowed.begin(), allowed.end(), Allowed{o, i, 0});
      if (pair == allowed.end() || pair->out != o || pair->in != i)
        return text("output %d overlaps input %d, which the kernel does not allow", o, i);
      const bool right = pair->at == Need::kSame ? same(out[o], in[i]) : within(in[i], out[o], pair->at);
      if (!right) return text("output %d overlaps input %d without being the same place", o, i);
    }
  }
  return "";
}

}   // namespace

std::string Program::decode(ProgramSpec given, const KernelTable* kernels) {
  spec = std::move(given);
  table = kernels;
  std::string error = check_sizes(spec);
  if (!error.empty()) return error;
  Reader r{spec.code, 0, ""};
  for (int32_t k = 0; k < spec.instrs; k++) {
    const int64_t id = r.whole(), flags = r.whole();
    const bool known = r.error.empty() && id >= 0 && id < table->n_kernels;
    const std::string name = text("instr %d (%s): ", k, known ? table->kernels[id].name : "?");
    Instr in{};
    in.n_out = r.count(3), in.n_in = r.count(3), in.n_i = r.count(1), in.n_f = r.count(1);
    if (!r.error.empty()) return name + r.error;
    if (!known) return name + text("kernel %lld is unknown, there are %d", ll(id), table->n_kernels);
    if (flags < 0 || flags > 3) return name + text("flags %lld are unknown", ll(flags));
    in.kernel = &table->kernels[id];
    in.skippable = flags & 1, in.serial = flags & 2;
    in.places = places.size(), in.ints = ints.size(), in.floats = floats.size();
    for (int32_t p = 0; p < in.n_out + in.n_in && r.error.empty(); p++) {
      const int64_t space = r.whole(), offset = r.whole(), bytes = r.whole();
      if (r.error.empty() && (space < 0 || space >= kBlocks + int64_t(spec.block_bytes.size()))) {
        return name + operand_name(in, p) +
               text(": space %lld is unknown, there are %zu blocks", ll(space), spec.block_bytes.size());
      }
      places.push_back({int32_t(space), offset, bytes});
    }
    for (int32_t i = 0; i < in.n_i && r.error.empty(); i++) ints.push_back(r.whole());
    for (int32_t f = 0; f < in.n_f && r.error.empty(); f++) floats.push_back(r.real());
    if (!r.error.empty()) return name + r.error;
    instrs.push_back(in);
    error = verify(k);
    if (!error.empty()) return name + error;
  }
  if (r.at != spec.code.size()) return text("code has %zu numbers after the last instruction", spec.code.size() - r.at);
  spec.code = {};
  int32_t at = 0;
  const auto stage = [&](int64_t each_end, int64_t once_end) {
    stages.push_back({phases(at, int32_t(each_end)), phases(int32_t(each_end), int32_t(once_end))});
    for (int64_t k = each_end; k < once_end; k++) {
      const Instr& in = instrs[size_t(k)];
      for (int32_t p = 0; p < in.n_out + in.n_in; p++)
        once_reads_feed = once_reads_feed || places[in.places + size_t(p)].space == kFeed;
    }
    at = int32_t(once_end);
  };
  for (size_t k = 0; k < spec.cuts.size(); k += 2) stage(spec.cuts[k], spec.cuts[k + 1]);
  stage(spec.micro_end, spec.instrs);
  return "";
}

// Arity, places, sizes against the kernel's own statement of need, and aliasing.
std::string Program::verify(int32_t index) {
  Instr& in = instrs[index];
  const KernelInfo& kernel = *in.kernel;
  std::string error = arity("outputs", kernel.n_out, in.n_out);
  if (error.empty()) error = arity("inputs", kernel.n_in, in.n_in);
  if (error.empty()) error = arity("ints", kernel.n_i, in.n_i);
  if (error.empty()) error = arity("floats", kernel.n_f, in.n_f);
  if (!error.empty()) return error;

  const Place* out = places.data() + in.places;
  const Place* ins = out + in.n_out;
  for (int32_t k = 0; k < in.n_out + in.n_in; k++) {
    error = check_place(out[k], k < in.n_out);
    if (!error.empty()) return operand_name(in, k) + error;
  }

  std::vector<int64_t> bytes(size_t(in.n_out) + in.n_in, 0);
  std::vector<Allowed> allowed;
  Need need{};
  need.out = bytes.data(), need.in = bytes.data() + in.n_out, need.impl = &allowed;
  need.n_out = in.n_out, need.n_in = in.n_in, need.n_i = in.n_i, need.n_f = in.n_f;
  need.i = ints.data() + in.ints, need.f = floats.data() + in.floats;
  need.allow = [](void* pairs, int32_t o, int32_t i, int64_t at) {
    static_cast<std::vector<Allowed>*>(pairs)->push_back({o, i, at});
  };
  kernel.need(need);
  if (need.error) return need.error;
  for (int32_t k = 0; k < in.n_out + in.n_in; k++) {
    if (bytes[k] < 0 || bytes[k] > Need::kMax) return operand_name(in, k) + ": sizes overflow";
    if (out[k].bytes < bytes[k]) {
      return operand_name(in, k) + text(" has %lld bytes, the kernel needs %lld", ll(out[k].bytes), ll(bytes[k]));
    }
  }
  if (need.scratch < 0 || need.scratch > Need::kMax || need.local < 0 || need.local > Need::kMax) return "scratch sizes overflow";
  in.scratch_bytes = pad64(need.scratch), in.local_bytes = pad64(need.local);
  scratch_bytes = std::max(scratch_bytes, in.scratch_bytes);
  local_bytes = std::max(local_bytes, in.local_bytes);
  return check_overlaps(out, in.n_out, ins, in.n_in, std::move(allowed));
}

// Within its space, aligned, and writable if it is an output. Arena places start at cache lines; elsewhere small tensors lie
// close together (a row of labels beside a learning rate), at multiples of 8, so that compiled loops over f64 may rely on it.
std::string Program::check_place(const Place& p, bool output) const {
  int64_t size = 0;
  bool writable = true;
  switch (p.space) {
    case kArena:
      size = spec.arena_bytes;
      break;
    case kConstants:
      size = int64_t(spec.constants.size()), writable = false;
      break;
    case kFeed:
      size = spec.feed_bytes, writable = false;
      break;
    case kStep:
      size = spec.step_bytes, writable = false;
      break;
    case kReport:
      size = spec.report_bytes;
      break;
    default:
      size = spec.block_bytes[p.space - kBlocks], writable = spec.block_writes[p.space - kBlocks] != 0;
  }
  if (p.offset < 0 || p.bytes < 0) return text(": offset %lld and bytes %lld may not be negative", ll(p.offset), ll(p.bytes));
  // Both are at most 2^53 here, so the sum is exact.
  if (p.offset + p.bytes > size) {
    return text(" ends at %lld, ", ll(p.offset + p.bytes)) + space_text(p.space) + text(" has %lld", ll(size));
  }
  const int64_t step = p.space == kArena ? 64 : 8;
  if (p.offset % step)
    return text(" starts at %lld, ", ll(p.offset)) + space_text(p.space) + text(" places are multiples of %lld", ll(step));
  if (output && !writable) return " lies in " + space_text(p.space) + ", which is read-only";
  return "";
}

std::vector<Phase> Program::phases(int32_t begin, int32_t end) const {
  std::vector<Phase> list;
  for (int32_t k = begin; k < end; k++) {
    if (instrs[k].serial && !list.empty() && list.back().serial) {
      list.back().end = k + 1;
      list.back().skippable = list.back().skippable && instrs[k].skippable;
    } else {
      list.push_back({k, k + 1, instrs[k].serial, instrs[k].skippable});
    }
  }
  return list;
}

}   // namespace gradclip
