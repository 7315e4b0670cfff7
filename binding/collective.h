// collective.h: processes that train together: who they are, and how two of them reach each other.
#pragma once
#include <string>

#include "kernels/kernel.h"

namespace gradclip {

// Of the process: there is one, from open_mpi() on. Its functions are for one thread at a time.
class Collective {
 public:
  virtual ~Collective() = default;
  // Sums of steps travel on the one, what else processes tell each other on the other: who waits for one of them, and finds the other, knows that
  // the other process does something else.
  const Wire& steps() const { return steps_; }
  const Wire& words() const { return words_; }
  // Ends all of them.
  virtual void abort(int code) noexcept = 0;
  // Nothing is exchanged from here on. It waits until the others are here as well; one that waits for something else ends all of them.
  virtual void finalize() noexcept = 0;

 protected:
  Wire steps_{0, 1, nullptr, nullptr, nullptr, nullptr}, words_{0, 1, nullptr, nullptr, nullptr, nullptr};
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
