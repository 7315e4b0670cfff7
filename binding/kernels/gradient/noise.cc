// noise.cc: noise for gradients. A unit of the kernels (unit.h).
#include "gaussian_noise.h"
