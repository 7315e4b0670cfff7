// openmp_library.cc: the one parallel region, a library beside the add-on (see openmp.cc). Nothing else knows OpenMP.
#include <omp.h>

namespace {

// GCC's runtime reads the environment when it is loaded, LLVM's when it is first asked for anything: so ask now.
__attribute__((constructor)) void read_environment() { omp_get_max_threads(); }

}   // namespace

extern "C" __attribute__((visibility("default"))) void gradclip_region(int size, void (*body)(void* arg, int rank, int size),
                                                                       void* arg) {
  // Where the runtime was in the process before us, it has read the environment, and may give fewer threads on a busy machine.
  omp_set_dynamic(0);
#pragma omp parallel num_threads(size)
  body(arg, omp_get_thread_num(), omp_get_num_threads());
}
