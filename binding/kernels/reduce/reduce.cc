// reduce.cc: reductions, running sums and softmax; the probes of the machine. A unit of the kernels (unit.h).
#include "../probe.h"
#include "reduce.h"
#include "scan.h"
#include "softmax.h"
