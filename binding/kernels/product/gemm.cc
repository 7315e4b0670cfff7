// gemm.cc: products of matrices, and attention, which is made of their tiles. A unit of the kernels (unit.h).
#include "../dots.h"
#include "attention.h"
#include "cached_attention.h"
#include "gemm.h"
#include "linear_cross_entropy.h"
