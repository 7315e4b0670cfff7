// collective.h: processes that train together: who they are, and how two of them reach each other.
#pragma once
#include <string>

#include "kernels/kernel.h"

namespace gradclip {

// Of the process: there is one, from open_mpi() on. Its functions are for one thread at a time.
class Collective {
 public:
  virtual ~Collective() = default;
  const Wire& wire() const { return wire_; }
  // Ends all of them.
  virtual void abort(int code) noexcept = 0;
  // Nothing is exchanged from here on; the others do it too. On the thread that opened it.
  virtual void finalize() noexcept = 0;

 protected:
  Wire wire_{0, 1, nullptr, nullptr};
};

// Null: nobody has opened one.
Collective* collective() noexcept;

// Of an MPI library that is there, by its file. A library whose launcher is another one says that it is alone: who knows better is the caller.
struct Opened {
  Collective* collective = nullptr;
  std::string library;   // which of them it is
  std::string error;     // where it did not open
};
Opened open_mpi(const std::string& file);

}   // namespace gradclip
