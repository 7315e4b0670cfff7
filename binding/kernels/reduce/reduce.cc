// reduce.cc: reductions and softmax; the probes of the machine. A unit of the kernels (unit.h).
#include "../probe.h"
#include "reduce.h"
#include "softmax.h"
