// region.h: where the threads of a team come from: a small library beside the add-on, loaded with it.
#pragma once
#include <string>

namespace gradclip {

// Calls `body` in `size` threads at once, the caller's as rank 0, and returns when all have returned. They may be fewer: all are told how
// many they are.
using Region = void (*)(int size, void (*body)(void* arg, int rank, int size), void* arg);

struct RegionLibrary {
  Region run = nullptr;
  std::string error;   // set when it cannot be loaded
};

// Loaded at the first call. OpenMP reads its environment then, and finds nothing there: OMP_PROC_BIND would bind the thread that
// imports us to one CPU, and OMP_THREAD_LIMIT would cut teams.
const RegionLibrary& region();

}   // namespace gradclip
