// mpi.cc: processes that a launcher of MPI started, by its library as it is installed: found at run time, so nothing is compiled against it.
#include <time.h>

#include <atomic>
#include <memory>

#include "collective.h"
#include "gate.h"
#include "port/port.h"

namespace gradclip {
namespace {

std::atomic<Collective*> opened{nullptr};

// A neighbor on the same machine answers within microseconds, one across a network in tens. Who waits longer gives its core back between two looks.
constexpr int64_t kLookNs = 100000;
constexpr int kTag = 0x6763;
constexpr int64_t kPiece = int64_t(1) << 30;   // MPI counts in int
constexpr int kSerialized = 2;                 // MPI_THREAD_SERIALIZED, in every library

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
    find(self->abort_, "MPI_Abort");
    find(self->finalize_, "MPI_Finalize");
    if (missing) return std::string("it has no function ") + missing;
    int flag = 0, level = -1;
    if (initialized(&flag) != 0 || flag) return "this process uses MPI already";
    if (init(nullptr, nullptr, kSerialized, &level) != 0) return "MPI_Init_thread failed";
    if (level < kSerialized) return "it does not let a thread of its own exchange (MPI_THREAD_SERIALIZED)";
    int r = 0, n = 0;
    if (rank(names.world, &r) != 0 || size(names.world, &n) != 0) return "it does not tell ranks";
    self->wire_ = {r, n, self.get(), exchange};
    out = std::move(self);
    return "";
  }
  explicit Mpi(const Names<Handle>& names) : names_(names) {}

  void abort(int code) noexcept override { abort_(names_.world, code); }
  void finalize() noexcept override { finalize_(); }

 private:
  // An error within MPI ends the job: that is how communicators are made (MPI_ERRORS_ARE_FATAL).
  static void exchange(void* impl, int32_t peer, const void* out, int64_t out_bytes, void* in, int64_t in_bytes) {
    Mpi& self = *static_cast<Mpi*>(impl);
    const char* from = static_cast<const char*>(out);
    char* to = static_cast<char*>(in);
    while (out_bytes > 0 || in_bytes > 0) {
      const int64_t send = out_bytes < kPiece ? out_bytes : kPiece, receive = in_bytes < kPiece ? in_bytes : kPiece;
      Handle requests[2];
      int n = 0;
      if (receive > 0) self.receive_(to, int(receive), self.names_.byte, peer, kTag, self.names_.world, &requests[n++]);
      if (send > 0) self.send_(from, int(send), self.names_.byte, peer, kTag, self.names_.world, &requests[n++]);
      self.wait(n, requests);
      from += send, out_bytes -= send;
      to += receive, in_bytes -= receive;
    }
  }
  void wait(int n, Handle* requests) {
    const int64_t began = now_ns();
    for (int done = 0;;) {
      test_(n, requests, &done, names_.ignored);
      if (done) return;
      const int64_t waited = now_ns() - began;
      if (waited > kLookNs) port::nap(waited < 20 * kLookNs ? 10000 : 100000);
    }
  }

  const Names<Handle> names_;
  int (*send_)(const void*, int, Handle, int, int, Handle, Handle*) = nullptr;
  int (*receive_)(void*, int, Handle, int, int, Handle, Handle*) = nullptr;
  int (*test_)(int, Handle*, int*, void*) = nullptr;
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
