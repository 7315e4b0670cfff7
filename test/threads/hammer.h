// hammer.h: what the parts of the test under ThreadSanitizer share.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

namespace gradclip {

// Of the calling thread: what usable_cpus() says.
extern thread_local int pretended_cpus;

constexpr int kMostSize = 16;

inline void expect(bool right, const char* what) {
  if (right) return;
  fprintf(stderr, "hammer: %s\n", what);
  exit(1);
}

// Small numbers, the same in each run of the program.
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed * 2 + 1) {}
  int below(int n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return int((state_ >> 33) % uint64_t(n));
  }

 private:
  uint64_t state_;
};

// Whole runs of a program by teams whose size changes from step to step (program.cc of this folder).
void hammer_program(uint64_t seed);

// A thread that works beside others (beside.cc of this folder).
void hammer_beside(uint64_t seed);

}   // namespace gradclip
