// pool.cc: pooling, resampling. A unit of the kernels (unit.h).
#include "pool.h"
#include "resample.h"
