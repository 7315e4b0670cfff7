// cpus.cc: in place of binding/threads.cc, a number of CPUs that the test chooses, since teams larger than that do not spin.
#include "hammer.h"
#include "threads.h"

namespace gradclip {

thread_local int pretended_cpus = 1;

int usable_cpus() { return pretended_cpus; }

}   // namespace gradclip
