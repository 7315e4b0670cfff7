// region.h: where the threads of a team come from: OpenMP's (region/openmp.cc) or native ones (region/threads.cc), as the add-on was built.
#pragma once
#include <string>

namespace gradclip {

// Calls `body` in `size` threads at once, the caller's as rank 0, and returns when all have returned. They are fewer where the system refuses
// some: all are told how many they are.
using Region = void (*)(int size, void (*body)(void* arg, int rank, int size), void* arg);

struct Regions {
  const char* team;   // 'openmp' or 'threads'
  Region run = nullptr;
  std::string error;   // set when there are none
};

// Decided at the first call.
const Regions& region();

}   // namespace gradclip
