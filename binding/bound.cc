// bound.cc: resolve operands, and the loop over steps, micro-batches and instructions.
#include "bound.h"

#include <algorithm>

namespace gradclip {

// Operands and scratch without bytes in memory without bytes: an address that C functions accept, as they do not accept null.
static uint8_t* there(const void* base) {
  alignas(64) static uint8_t nowhere[64];
  return base ? static_cast<uint8_t*>(const_cast<void*>(base)) : nowhere;
}

Failure Bound::bind(std::shared_ptr<const Program> program, const std::vector<Memory>& blocks) {
  program_ = std::move(program);
  if (Failure f = check(blocks)) return f;
  if (poison_asked().on && !poison_.plan(*program_)) {
    return {"ERR_MEMORY", "bind: no memory to poison"};
  }
  resolve(blocks);
  return {};
}

Failure Bound::rebind(const std::vector<Memory>& blocks) {
  if (Failure f = check(blocks)) return f;
  arena_.clear(), feed_.clear(), step_.clear(), report_.clear();
  resolve(blocks);
  return {};
}

Failure Bound::check(const std::vector<Memory>& blocks) const {
  const ProgramSpec& spec = program_->spec;
  if (blocks.size() != spec.block_bytes.size()) {
    return {"ERR_OPTION",
            "bind: expected " + std::to_string(spec.block_bytes.size()) + " blocks, got " + std::to_string(blocks.size())};
  }
  std::vector<size_t> order(blocks.size());
  for (size_t b = 0; b < blocks.size(); b++) {
    order[b] = b;
    const std::string name = "bind: block " + std::to_string(b);
    if (blocks[b].bytes < spec.block_bytes[b]) {
      return {"ERR_OPTION", name + ": expected at least " + std::to_string(spec.block_bytes[b]) + " bytes, got " +
                                std::to_string(blocks[b].bytes)};
    }
    if (reinterpret_cast<uintptr_t>(blocks[b].data) % 4) return {"ERR_OPTION", name + ": expected memory aligned to 4 bytes"};
  }
  // The verifier took blocks for distinct memory: what the program writes may not lie in a second block as well.
  const auto at = [&](size_t b) { return reinterpret_cast<uintptr_t>(blocks[b].data); };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return at(a) < at(b); });
  uintptr_t end = 0, written_end = 0;
  for (size_t b : order) {
    if (blocks[b].bytes == 0) continue;
    if (at(b) < written_end || (spec.block_writes[b] && at(b) < end)) {
      return {"ERR_OPTION",
              "bind: block " + std::to_string(b) + " overlaps another block, and the program writes to one of them"};
    }
    end = std::max(end, at(b) + uintptr_t(blocks[b].bytes));
    if (spec.block_writes[b]) written_end = end;
  }
  return {};
}

void Bound::resolve(const std::vector<Memory>& blocks) {
  const Program& p = *program_;
  operands_.assign(p.places.size(), nullptr);
  for (size_t k = 0; k < p.places.size(); k++) {
    const Place& place = p.places[k];
    const Patch patch{uint32_t(k), place.offset};
    switch (place.space) {
      case kArena:
        arena_.push_back(patch);
        break;
      case kConstants:
        operands_[k] = there(p.spec.constants.data()) + place.offset;
        break;
      case kFeed:
        feed_.push_back(patch);
        break;
      case kStep:
        step_.push_back(patch);
        break;
      case kReport:
        report_.push_back(patch);
        break;
      default:
        operands_[k] = there(blocks[place.space - kBlocks].data) + place.offset;
    }
  }
  for (Lane& lane : lanes_) lane.args.clear();
}

bool Bound::prepare(size_t lanes, uint8_t* arena) {
  const Program& p = *program_;
  if (lanes_.size() < lanes) lanes_.resize(lanes);
  for (size_t k = 0; k < lanes; k++) {
    Lane& lane = lanes_[k];
    if (!arena && !lane.own.reserve(p.spec.arena_bytes)) return false;
    uint8_t* const at = there(arena ? arena : lane.own.data());
    if (lane.args.empty()) {
      lane.operands = operands_;
      lane.arena = nullptr;
      lane.args.reserve(p.instrs.size());
      for (const Instr& in : p.instrs) {
        void** first = lane.operands.data() + in.places;
        lane.args.push_back({first, first + in.n_out, nullptr, nullptr, p.ints.data() + in.ints, p.floats.data() + in.floats,
                             in.n_out, in.n_in, in.n_i, in.n_f, &context_, &status_});
      }
    }
    if (at != lane.arena) move(lane, arena_, at);
    lane.arena = at;
  }
  return true;
}

void Bound::move(Lane& lane, const std::vector<Patch>& patches, uint8_t* row) {
  for (const Patch& p : patches) lane.operands[p.operand] = there(row) + p.offset;
}

// One run. `over` and `skip` change only in settle(), while every thread of the team waits at a barrier, so all threads take the
// same way through the program; `context` and the moving operands likewise. From step to step the team may shrink and grow again: the
// others sit on the bench.
struct Loop {
  Bound& b;
  RunRequest& request;
  uint8_t *const scratch, *const locals;
  RunResult& result;
  const std::atomic<int>& stop;
  const std::atomic<bool>& closing;
  const Crew* crew;
  const int most, all;   // threads of this run, and how many it might have had
  int64_t applied = 0;
  bool over = false, skip = false;

  struct Seats {
    int32_t step, threads;   // from this step on; 0 threads: the run is over
  };
  int team = most;                                                    // of this step
  std::atomic<Seats> seats{Seats{0, most}}, called{Seats{0, most}};   // the last change: for the team, and for the bench
  Gate bench;
  struct {
    int64_t at, tried, slept;
  } told{now_ns(), 0, crew ? crew->slept() : 0};   // what `sizing` knows of this run

  enum Then { kGoOn, kNextMicro, kFirstMicro, kOnce, kNextStep, kEndOfPart };

  static void enter(void* arg, Member& member) { static_cast<Loop*>(arg)->thread(member); }

  void start() {
    b.context_ = {request.seed,
                  request.attempt + uint64_t(request.first),
                  request.step_count,
                  int32_t(request.first),
                  int32_t(request.micros),
                  0,
                  int32_t(request.base),
                  int32_t(request.share),
                  request.wire};
    b.status_ = {kOk, -1, 0, 0, 0};
    result = {};
    result.skips = request.skips;
    if (b.poison_.on() && request.from == 0)
      for (size_t k = 0; k < lanes(); k++) b.poison_.begin(b.lanes_[k].arena);
    if (stop == kStopNow || closing) {
      end(kStopped);
    } else {
      move_rows();
    }
  }

  void thread(Member& member) {
    int64_t at = 0;
    Turns* const turns = member.turns = b.profile_.turns();
    if (turns) turns->enter(member.team.rank);
    bool go = !over;
    while (go) go = step(member) && seated(member, at);
    if (turns) turns->leave(member.team.rank);
    if (member.team.rank == 0) call({0, 0});
  }

  // False when the run is over.
  bool step(Member& member) {
    const std::vector<Stage>& stages = b.program_->stages;
    const bool whole = request.end >= request.base + request.share;   // else others of the step's micro-batches are to come
    for (int64_t s = request.from; s < request.to; s++) {
      const Then next = s + 1 < request.to ? kFirstMicro : s + 1 < int64_t(stages.size()) ? kEndOfPart : kNextStep;
      // There may be none: others may have all micro-batches of a step.
      for (int64_t m = request.first; m < request.end; m++) {
        const Then then = m + 1 < request.end ? kNextMicro : whole ? kOnce : kEndOfPart;
        if (!section(stages[size_t(s)].each, then, member)) return false;
      }
      if (!section(stages[size_t(s)].once, next, member)) return false;
    }
    return true;
  }

  // After the last barrier of step `at`. False when the run is over. Who sits on the bench looks at nothing but `called`, as the others
  // have gone on; and rank 0 calls when it has left that barrier, lest somebody enters it in time for the step before.
  bool seated(Member& member, int64_t& at) {
    const int rank = member.team.rank;
    at++;
    const Seats now = seats;
    if (now.step <= at && rank < now.threads) {
      if (rank == 0 && now.threads > member.team.size) call(now);
      member.team.size = now.threads;
      return !over;
    }
    for (;;) {
      const uint32_t seen = bench.value();
      const Seats next = called;
      if (next.threads == 0) return false;
      if (next.step > at && rank < next.threads) {
        at = next.step;
        member.team.size = next.threads;
        return true;
      }
      bench.wait(seen, 0);
    }
  }
  void call(Seats s) {
    called = s;
    bench.advance();
  }

  // False when the run is over; what follows the last barrier of a step is for seated() to say.
  bool section(const std::vector<Phase>& phases, Then then, Member& member) {
    if (phases.empty()) {
      begin(-1, member);
      member.sync([&] { settle(-1, then); });
      return then == kNextStep || !over;
    }
    for (size_t k = 0; k < phases.size(); k++) {
      const Phase& phase = phases[k];
      const bool last = k + 1 == phases.size(), idle = phase.skippable && skip;
      if (idle && !last) continue;
      const int64_t start = b.profile_.on() ? now_ns() : 0;
      if (idle || phase.serial) {
        begin(-1, member);
        if (!idle && member.team.rank == 0) chain(phase);
      } else {
        if (b.poison_.on()) {
          begin(-1, member);
          member.sync([&] { b.poison_.before(phase.begin, b.lane().args[phase.begin], member.team.size); });
        }
        begin(phase.begin, member);
        execute(phase.begin, member.team);
      }
      member.sync([&] {
        if (b.poison_.on() && !idle && !phase.serial) b.poison_.after(phase.begin, b.lane().arena);
        settle(phase.begin, last ? then : kGoOn);
      });
      if (start && !idle && !phase.serial && member.team.rank == 0) b.profile_.done(phase.begin, now_ns() - start);
      if (last && then == kNextStep) return true;
      if (over) return false;
    }
    return true;
  }

  static void begin(int32_t k, Member& member) {
    if (member.turns) member.turns->begin(member.team.rank, k);
  }

  void execute(int32_t k, const Team& team) {
    Args a = b.lane().args[k];
    a.scratch = scratch;
    a.local = locals + team.rank * b.program_->local_bytes;
    if (!b.profile_.on()) return b.program_->instrs[k].kernel->run(a, team);
    const int64_t start = now_ns();
    b.program_->instrs[k].kernel->run(a, team);
    b.profile_.busy(team.rank, k, now_ns() - start);
  }

  // Serial instructions in a row, by one thread, without barriers between them.
  void chain(const Phase& phase) {
    const Team alone{0, 1, nullptr, nullptr};
    for (int32_t k = phase.begin; k < phase.end; k++) {
      if (b.program_->instrs[k].skippable && b.context_.skip) continue;
      const int64_t start = b.profile_.on() ? now_ns() : 0;
      if (b.poison_.on()) b.poison_.before(k, b.lane().args[k], 1);
      execute(k, alone);
      if (start) b.profile_.done(k, now_ns() - start);
      if (Turns* const turns = b.profile_.turns()) turns->alone(k, now_ns() - start);
      if (b.poison_.on()) b.poison_.after(k, b.lane().arena);
      if (b.status_.code != kOk) {
        b.status_.instr = k;
        return;
      }
    }
  }

  // Between two phases, in one thread while the others wait.
  void settle(int32_t instr, Then then) {
    skip = b.context_.skip != 0;
    if (b.status_.code != kOk) {
      if (b.status_.instr < 0) b.status_.instr = instr;
      over = true;
    } else if (then == kNextStep) {
      next_step();
    } else if (closing.load(std::memory_order_relaxed)) {
      end(kStopped);
    } else if (then == kEndOfPart) {
      end(kOk);
    } else if (then == kNextMicro) {
      enter(b.context_.micro + 1);
    } else if (then == kFirstMicro) {
      enter(request.first);
    } else if (then == kOnce) {
      once();
    }
  }

  void next_step() {
    result.tried++;
    result.skips = skip ? result.skips + 1 : 0;
    applied += !skip;
    skip = false;
    if (request.max_skips > 0 && result.skips >= request.max_skips) return end(kTooManySkips);
    if (result.tried == request.steps) return end(kOk);
    if (stop.load(std::memory_order_relaxed) != kRunOn || closing.load(std::memory_order_relaxed)) return end(kStopped);
    Context& c = b.context_;
    c.skip = 0;
    c.step = request.step_count + uint64_t(applied);
    move_rows();
    if (most > 1 && !b.profile_.on()) resize();
  }

  void resize() {
    int wanted = team;
    if (!b.sizes_.empty()) {
      wanted = b.sizes_[size_t(result.tried) % b.sizes_.size()];
    } else if (crew->slept() != told.slept || b.program_->sizing.trying()) {
      tell();
      wanted = b.program_->sizing.size(all);
    }
    wanted = std::max(1, std::min(wanted, most));
    if (wanted == team) return;
    team = wanted;
    seats = Seats{int32_t(result.tried), team};
  }
  void tell() {
    const decltype(told) now{now_ns(), result.tried, crew->slept()};
    b.program_->sizing.took(team, (now.tried - told.tried) * std::max<int64_t>(1, request.share), now.at - told.at,
                            now.slept - told.slept, now.at);
    told = now;
  }

  void end(StatusCode code) {
    b.status_.code = code;
    over = true;
  }

  size_t lanes() const { return b.program_->keeps_arenas() ? size_t(std::max<int64_t>(1, request.end - request.first)) : 1; }
  // From here on the micro-batch `m` is on, in its lane.
  void enter(int64_t m) {
    b.context_.micro = int32_t(m);
    b.context_.attempt = request.attempt + uint64_t(result.tried) * uint64_t(request.micros) + uint64_t(m);
    b.lane_ = b.program_->keeps_arenas() ? size_t(m - request.first) : 0;
    Bound::move(b.lane(), b.feed_, feed_row());
    if (m == request.end) once();   // others have all micro-batches of the step
  }
  // What comes once has the counter of the step's last micro-batch, whichever of them are this process's: what it draws is the same in all of a group.
  void once() {
    b.context_.attempt = request.attempt + uint64_t(result.tried) * uint64_t(request.micros) + uint64_t(request.micros - 1);
  }

  uint8_t* feed_row() const {
    const int64_t row = result.tried * (request.end - request.first) + b.context_.micro - request.first;
    return request.feed.data() + row * b.program_->spec.feed_bytes;
  }
  void move_rows() {
    enter(request.first);   // of more than one step: the whole share of each
    for (size_t k = 0; k < lanes(); k++) {
      Bound::move(b.lanes_[k], b.step_, request.step.data() + applied * b.program_->spec.step_bytes);
      Bound::move(b.lanes_[k], b.report_, request.report + result.tried * b.program_->spec.report_bytes);
    }
  }

  void finish() {
    // A run that ends amid a step leaves nobody at its memory.
    if (request.wire) request.wire->finish(request.wire->impl);
    result.status = b.status_.code;
    result.threads = all;
    result.instr = b.status_.instr;
    result.position = b.status_.position;
    result.value = b.status_.value;
    result.bound = b.status_.bound;
    result.attempt = request.attempt + uint64_t(result.tried) * uint64_t(request.micros);
    result.step_count = request.step_count + uint64_t(applied);
  }
};

bool Bound::run(RunRequest& request, Workspace& workspace, Crew* crew, int threads, const std::atomic<int>& stop,
                const std::atomic<bool>& closing, RunResult& result) {
  const int all = crew ? std::min(threads, crew->size()) : 1;
  const bool by_time = all > 1 && sizes_.empty() && !profile_.balance();   // else nobody asks how long steps take
  const int size = by_time ? program_->sizing.size(all) : all;
  if (!poison_.on()) workspace.trim();
  const bool there_is = poison_.on() ? poison_.reserve_locals(size)
                                     : workspace.arena.reserve(program_->shared_arena_bytes()) &&
                                           workspace.scratch.reserve(program_->scratch_bytes) &&
                                           workspace.locals.reserve(program_->local_bytes * size);
  const bool own = poison_.on() || program_->keeps_arenas();
  const size_t lanes = program_->keeps_arenas() ? size_t(std::max<int64_t>(1, request.end - request.first)) : 1;
  if (!there_is || !prepare(lanes, own ? nullptr : there(workspace.arena.data()))) return false;
  uint8_t* const scratch = there(poison_.on() ? poison_.scratch() : workspace.scratch.data());
  uint8_t* const locals = there(poison_.on() ? poison_.locals() : workspace.locals.data());
  if (profile_.on()) profile_.begin_run(size);
  // What may throw stands above: whoever leaves the loop by an exception leaves the others at its barriers.
  Loop loop{*this, request, scratch, locals, result, stop, closing, crew, size, all};
  loop.start();
  if (size > 1) {
    crew->run(size, Loop::enter, &loop);
  } else {
    run_alone(Loop::enter, &loop);
  }
  loop.finish();
  if (all > 1 && !profile_.balance()) loop.tell();
  if (profile_.on()) profile_.end_run();
  return true;
}

}   // namespace gradclip
