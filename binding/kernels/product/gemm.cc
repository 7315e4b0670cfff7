// gemm.cc: products of matrices, and attention, which is made of their tiles; the probe of products in bf16. A unit of the kernels (unit.h).
#include "../dots.h"
#include "../probe_dot.h"
#include "attention.h"
#include "cached_attention.h"
#include "gemm.h"
#include "linear_cross_entropy.h"
