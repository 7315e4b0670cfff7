// ctc.cc: losses of unaligned sequences. A unit of the kernels (unit.h).
#include "ctc.h"
