// program.cc: the loop of a run under ThreadSanitizer: steps of a program of three plain kernels, on teams that shrink and grow from step to
// step, stopped from another thread, and beside a run of the same program on one thread that has no team.
#include <thread>

#include "bound.h"
#include "hammer.h"

namespace gradclip {
namespace {

constexpr int64_t kCells = 96;   // f64; what a kernel does to them is cut by the size of the team, as it does not matter here

double* out(const Args& a) { return static_cast<double*>(a.out[0]); }
const double* in(const Args& a, int k) { return static_cast<const double*>(a.in[k]); }

// out = in + 1
void count_up(const Args& a, const Team& team) {
  const Range mine = split(kCells, team);
  for (int64_t k = mine.begin; k < mine.end; k++) out(a)[k] = in(a, 0)[k] + 1;
}
// out[k] = in[n - 1 - k], through scratch of the team and of each thread: what a thread reads, others wrote before, and in this very
// instruction.
void turn(const Args& a, const Team& team) {
  const Range mine = split(kCells, team);
  double* scratch = static_cast<double*>(a.scratch);
  double* local = static_cast<double*>(a.local);
  for (int64_t k = mine.begin; k < mine.end; k++) local[k] = in(a, 0)[kCells - 1 - k];
  for (int64_t k = mine.begin; k < mine.end; k++) scratch[kCells - 1 - k] = local[k];
  team.barrier();
  for (int64_t k = mine.begin; k < mine.end; k++) out(a)[k] = scratch[kCells - 1 - k];
}
// By one thread: out[0] = the sum of in.
void sum(const Args& a, const Team&) {
  double total = 0;
  for (int64_t k = 0; k < kCells; k++) total += in(a, 0)[k];
  out(a)[0] = total;
}

void need_cells(Need& need) {
  need.out[0] = need.in[0] = kCells * 8;
  need.scratch = need.local = kCells * 8;
  need.alias(0, 0);
}
void need_sum(Need& need) {
  need.out[0] = 8;
  need.in[0] = kCells * 8;
}

const KernelInfo kKernels[] = {
    {"count_up", 1, 1, 0, 0, count_up, need_cells},
    {"turn", 1, 1, 0, 0, turn, need_cells},
    {"sum", 1, 1, 0, 0, sum, need_sum},
};
const KernelTable kTable{"plain", kKernels, 3, nullptr, 0};

// Each micro-batch: cells += 1, by way of the arena, and reported; each step: their sum, by one thread.
std::shared_ptr<const Program> counting() {
  constexpr double kBytes = kCells * 8;
  ProgramSpec spec;
  const auto instr = [&](int kernel, int flags, Place to, Place from) {
    for (const double x : {double(kernel), double(flags), 1., 1., 0., 0.}) spec.code.push_back(x);
    for (const Place& p : {to, from}) {
      for (const double x : {double(p.space), double(p.offset), double(p.bytes)}) spec.code.push_back(x);
    }
    spec.instrs++;
  };
  const Place cells{kBlocks, 0, int64_t(kBytes)}, arena{kArena, 0, int64_t(kBytes)};
  instr(0, 0, arena, cells);
  instr(1, 0, arena, arena);
  instr(1, 0, cells, arena);
  spec.micro_end = spec.instrs;
  instr(2, 2, {kReport, 0, 8}, cells);
  spec.arena_bytes = spec.block_bytes.emplace_back(int64_t(kBytes));
  spec.block_writes = {1};
  spec.report_bytes = 8;
  auto program = std::make_shared<Program>();
  const std::string error = program->decode(std::move(spec), &kTable);
  expect(error.empty(), error.c_str());
  return program;
}

// Another one of the same program, on memory and a workspace of its own: what predicts while something trains.
struct Apart {
  Bound bound;
  Workspace workspace;
  double cells[kCells] = {};

  explicit Apart(const std::shared_ptr<const Program>& program) {
    const Failure failure = bound.bind(program, {{cells, int64_t(sizeof cells)}});
    expect(!failure, failure.message.c_str());
  }

  // Each time on other blocks.
  void run(int times) {
    const std::atomic<int> run_on{kRunOn};
    const std::atomic<bool> open{false};
    for (int k = 0; k < times; k++) {
      double other[kCells] = {};
      expect(!bound.rebind({{k % 2 ? other : cells, int64_t(sizeof cells)}}), "no other blocks");
      double report[3];
      RunRequest request;
      request.steps = 3;
      request.report = reinterpret_cast<uint8_t*>(report);
      RunResult result;
      expect(bound.run(request, workspace, nullptr, 9, run_on, open, result), "no memory for a run apart");
      expect(result.tried == 3 && result.threads == 1, "a run apart");
      for (int64_t step = 0; step < 3; step++) {
        const double before = k % 2 ? 0 : 3 * (k / 2);
        expect(report[step] == (before + double(step) + 1) * kCells, "a step's sum apart");
      }
    }
  }
};

struct Runs {
  Numbers numbers;
  const std::shared_ptr<const Program> program = counting();
  Bound bound;
  Workspace workspace;
  double cells[kCells] = {};
  double counted = 0;

  explicit Runs(uint64_t seed) : numbers(seed) {
    const Failure failure = bound.bind(program, {{cells, int64_t(sizeof cells)}});
    expect(!failure, failure.message.c_str());
  }

  static void lead(void* arg, Crew& crew) {
    for (int k = 0; k < 6; k++) static_cast<Runs*>(arg)->run(crew);
    static_cast<Runs*>(arg)->balance(crew);
  }

  // Threads that take turns: the same sums, and every barrier counted.
  void balance(Crew& crew) {
    double mine[kCells] = {}, report[5];
    Bound one;
    expect(!one.bind(program, {{mine, int64_t(sizeof mine)}}), "no binding");
    one.profile().start(program->instrs.size(), true);
    RunRequest request;
    request.steps = 5, request.micros = request.share = request.end = 2;
    request.report = reinterpret_cast<uint8_t*>(report);
    RunResult result;
    const std::atomic<int> run_on{kRunOn};
    const std::atomic<bool> open{false};
    for (int k = 0; k < 2; k++) expect(one.run(request, workspace, &crew, crew.size(), run_on, open, result), "no memory");
    for (int64_t step = 0; step < 5; step++)
      expect(report[step] == (10 + 2. * double(step + 1)) * kCells, "a step's sum in turns");
    const int64_t barriers[] = {1, 2, 2, 0}, calls[] = {20, 20, 20, 10};
    const std::vector<Profile::Times> times = one.profile().times();
    for (size_t k = 0; k < 4; k++) {
      expect(times[k].calls == calls[k], "calls of an instruction");
      expect(times[k].barriers == barriers[k] * calls[k], "barriers of an instruction");
      expect(times[k].largest_ns <= times[k].busy_ns && times[k].busy_ns <= crew.size() * times[k].wall_ns,
             "shares of an instruction");
    }
  }

  // Steps on sizes of their own, each of them drawn; half of the runs are endless, and stopped.
  void run(Crew& crew) {
    std::vector<int> sizes(size_t(1 + numbers.below(20)));
    for (int& size : sizes) size = numbers.below(crew.size() + 2);
    bound.size_steps(sizes);
    const bool endless = numbers.below(2) == 1;
    RunRequest request;
    request.steps = endless ? 4000 : 1 + numbers.below(40);
    request.micros = request.share = request.end = 1 + numbers.below(3);
    Bytes report(request.steps * 8);
    request.report = report.data();
    RunResult result;
    std::atomic<int> stop{kRunOn};
    std::atomic<bool> closing{false};
    std::thread stopper([&] {
      Apart(program).run(4);
      if (endless) std::this_thread::sleep_for(std::chrono::microseconds(500)), stop = kEndEarly;
    });
    expect(bound.run(request, workspace, &crew, crew.size(), stop, closing, result), "no memory for a run");
    stopper.join();
    expect(endless || result.tried == request.steps, "a run ended early");
    for (int64_t step = 0; step < result.tried; step++) {
      counted += double(request.micros);
      expect(reinterpret_cast<double*>(report.data())[step] == counted * kCells, "a step's sum");
    }
    for (const double cell : cells) expect(cell == counted, "a cell is not counted");
  }
};

}   // namespace

void hammer_program(uint64_t seed) {
  for (const int cpus : {1, kMostSize}) {
    pretended_cpus = cpus;
    Runs runs(seed + uint64_t(cpus));
    for (const int size : {2, 3, 5, 8, kMostSize}) with_crew(size, Runs::lead, &runs);
  }
}

}   // namespace gradclip
