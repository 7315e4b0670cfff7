// mpi.cc: processes that a launcher of MPI started, by its library as it is installed: found at run time, so nothing is compiled against it.
#include <stdio.h>

#include <atomic>
#include <memory>

#include "beside.h"
#include "collective.h"
#include "gate.h"
#include "port/port.h"

namespace gradclip {
namespace {

std::atomic<Collective*> opened{nullptr};

// A neighbor on the same machine answers within microseconds, one across a network in tens. Who waits longer gives its core back between two looks, for
// a part of the time that it has waited: to look is work for a library, which yields the core in each call. Not for long while something may be arriving,
// since nothing is read meanwhile.
constexpr int64_t kLookNs = 100000, kShortNs = 20000, kShortUntilNs = 50000000, kMostNs = 2000000;
constexpr int64_t kByteNs = 20;   // of a slow network
constexpr int kNaps = 16;
constexpr int64_t kElsewhereNs = 50000000;   // from one look for what else the other process does to the next
// Whoever is elsewhere may have sent what is waited for before it went there: it arrives within this time.
constexpr int64_t kGraceNs = 1000000000;
// Kinds of messages.
enum Tag { kSteps = 0x6763, kWords, kLeft };
// What was written to stdout and stderr is read within this time, by whoever started the process, before all are ended. Where nobody can know whether it
// is, it has a part of it.
constexpr int64_t kReadNs = 1000000000, kPerhapsReadNs = 100000000;
constexpr int64_t kPiece = int64_t(1) << 30;   // MPI counts in int
constexpr int kSerialized = 2;                 // MPI_THREAD_SERIALIZED, in every library

// A launcher ends what it is asked to end before it reads what they have written: why they end would be lost.
void until_read() noexcept {
  const int64_t began = now_ns();
  for (const int file : {1, 2}) {
    for (int64_t bytes; (bytes = port::unread_bytes(file)) != 0;) {
      const int64_t waited = now_ns() - began;
      if (waited > (bytes < 0 ? kPerhapsReadNs : kReadNs)) break;
      port::nap(kMostNs);
    }
  }
}

// What a library calls things. The functions of all libraries take the same arguments, but what they name communicators, types and requests by differs.
template <class Handle>
struct Names {
  Handle world, byte;
  void* ignored;   // MPI_STATUSES_IGNORE
};

template <class Handle>
class Mpi final : public Collective {
 public:
  static std::string open(port::Library& library, const Names<Handle>& names, std::unique_ptr<Collective>& out) {
    auto self = std::make_unique<Mpi>(names);
    const char* missing = nullptr;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(library.find(name));
      if (!function && !missing) missing = name;
    };
    int (*initialized)(int*) = nullptr;
    int (*init)(int*, char***, int, int*) = nullptr;
    int (*rank)(Handle, int*) = nullptr;
    int (*size)(Handle, int*) = nullptr;
    find(initialized, "MPI_Initialized");
    find(init, "MPI_Init_thread");
    find(rank, "MPI_Comm_rank");
    find(size, "MPI_Comm_size");
    find(self->send_, "MPI_Isend");
    find(self->receive_, "MPI_Irecv");
    find(self->test_, "MPI_Testall");
    find(self->probe_, "MPI_Iprobe");
    find(self->abort_, "MPI_Abort");
    find(self->finalize_, "MPI_Finalize");
    if (missing) return std::string("it has no function ") + missing;
    int flag = 0, level = -1;
    if (initialized(&flag) != 0 || flag) return "this process uses MPI already";
    if (init(nullptr, nullptr, kSerialized, &level) != 0) return "MPI_Init_thread failed";
    if (level < kSerialized) return "it does not let a thread of its own exchange (MPI_THREAD_SERIALIZED)";
    int r = 0, n = 0;
    if (rank(names.world, &r) != 0 || size(names.world, &n) != 0) return "it does not tell ranks";
    self->steps_ = {r, n, &self->on_steps_, exchange, begin, finish};
    self->words_ = {r, n, &self->on_words_, exchange, begin, finish};
    out = std::move(self);
    return "";
  }
  explicit Mpi(const Names<Handle>& names) : names_(names) {}

  void abort(int code) noexcept override {
    until_read();
    abort_(names_.world, code);
  }
  void finalize() noexcept override {
    if (busy_.load()) {   // the process ends amid what others wait for
      say("ended while it trained with the others: wait for what fit and barrier give before the process ends");
      return abort(1);
    }
    const char left = 0;
    for (int32_t peer = 0; peer < words_.size; peer++)
      if (peer != words_.rank) exchange(&on_left_, peer, &left, 1, nullptr, 0);
    char from;
    for (int32_t peer = 0; peer < words_.size; peer++)
      if (peer != words_.rank) exchange(&on_left_, peer, nullptr, 0, &from, 1);
    finalize_();
  }

 private:
  // What a Wire is of.
  struct Line {
    Mpi* mpi;
    Tag tag;
  };
  // An error within MPI ends the job: that is how communicators are made (MPI_ERRORS_ARE_FATAL).
  static void exchange(void* impl, int32_t peer, const void* out, int64_t out_bytes, void* in, int64_t in_bytes) {
    const Line& line = *static_cast<const Line*>(impl);
    Mpi& self = *line.mpi;
    self.busy_.store(true);
    const char* from = static_cast<const char*>(out);
    char* to = static_cast<char*>(in);
    while (out_bytes > 0 || in_bytes > 0) {
      const int64_t send = out_bytes < kPiece ? out_bytes : kPiece, receive = in_bytes < kPiece ? in_bytes : kPiece;
      Handle requests[2];
      int n = 0;
      if (receive > 0) self.receive_(to, int(receive), self.names_.byte, peer, line.tag, self.names_.world, &requests[n++]);
      if (send > 0) self.send_(from, int(send), self.names_.byte, peer, line.tag, self.names_.world, &requests[n++]);
      self.wait(n, requests, peer, line.tag, send > receive ? send : receive);
      from += send, out_bytes -= send;
      to += receive, in_bytes -= receive;
    }
    self.busy_.store(false);
  }
  static void begin(void* impl, Beside::Work work, const void* arg, int64_t bytes) {
    static_cast<const Line*>(impl)->mpi->beside_.begin(work, arg, bytes);
  }
  static void finish(void* impl) { static_cast<const Line*>(impl)->mpi->beside_.finish(); }
  void wait(int n, Handle* requests, int32_t peer, Tag tag, int64_t bytes) {
    const int64_t began = now_ns();
    // Beside a team that computes, nobody looks for long.
    const int64_t look = beside_.inside() ? 0 : kLookNs;
    for (int64_t elsewhere = 0, looked = began;;) {
      int done = 0;
      test_(n, requests, &done, names_.ignored);
      if (done) return;
      const int64_t now = now_ns(), waited = now - began;
      if (waited <= look) continue;
      if (!elsewhere && now - looked > kElsewhereNs) {
        if (is_elsewhere(peer, tag)) elsewhere = now;
        looked = now;
      }
      if (elsewhere && now - elsewhere > kGraceNs) return lost(peer, tag);
      const int64_t most = waited < kShortUntilNs + bytes * kByteNs ? kShortNs : kMostNs;
      port::nap(waited / kNaps < most ? waited / kNaps : most);
    }
  }
  // Whether a process has sent something of another kind: it does not come here any more, or there is nobody to come to.
  bool is_elsewhere(int32_t peer, Tag tag) {
    for (const Tag other : {kSteps, kWords, kLeft}) {
      int there = 0;
      if (other != tag) probe_(peer, other, names_.world, &there, names_.ignored);
      if (there) return true;
    }
    return false;
  }
  void lost(int32_t peer, Tag tag) {
    const char* const what[] = {"sums the gradients of a step", "waits for all of them", "ends"};
    char text[160];
    snprintf(
        text, sizeof text,
        "%s, and process %d does something else: all processes of a group run the same program, and end fits after the same step",
        what[tag - kSteps], int(peer));
    say(text);
    abort(1);
  }
  void say(const char* text) { fprintf(stderr, "process %d of %d: gradclip: %s\n", int(words_.rank), int(words_.size), text); }

  const Names<Handle> names_;
  Line on_steps_{this, kSteps}, on_words_{this, kWords}, on_left_{this, kLeft};
  std::atomic<bool> busy_{false};
  Beside beside_;
  int (*send_)(const void*, int, Handle, int, int, Handle, Handle*) = nullptr;
  int (*receive_)(void*, int, Handle, int, int, Handle, Handle*) = nullptr;
  int (*test_)(int, Handle*, int*, void*) = nullptr;
  int (*probe_)(int, int, Handle, int*, void*) = nullptr;
  int (*abort_)(Handle, int) = nullptr;
  int (*finalize_)() = nullptr;
};

void* number(intptr_t value) { return reinterpret_cast<void*>(value); }

}   // namespace

Collective* collective() noexcept { return opened.load(std::memory_order_acquire); }

Opened open_mpi(const std::string& file) {
  Opened result;
  port::Library library(file.c_str());
  if (!library.error.empty()) {
    result.error = library.error;
    return result;
  }
  std::unique_ptr<Collective> made;
  void* const world = library.find("ompi_mpi_comm_world");
  if (world) {   // handles are where its objects are
    result.library = "Open MPI";
    result.error = Mpi<void*>::open(library, {world, library.find("ompi_mpi_byte"), nullptr}, made);
  } else if (library.find("MPI_Abi_get_version")) {   // MPI 5.0, chapter 20: constants of the standard
    result.library = "MPI ABI";
    result.error = Mpi<void*>::open(library, {number(0x101), number(0x247), nullptr}, made);
  } else {
    result.library = "MPICH";   // and what has its ABI: Intel MPI, MVAPICH
    result.error = Mpi<int>::open(library, {0x44000000, 0x4c00010d, number(1)}, made);
  }
  if (made) opened.store(result.collective = made.release(), std::memory_order_release);
  return result;
}

}   // namespace gradclip
