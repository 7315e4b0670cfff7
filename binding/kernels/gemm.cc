// gemm.cc: products of matrices, and attention, which is made of their tiles. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "transpose.h"
#include "gemm_pack.h"
#include "gemm_micro.h"
#include "gemm_squares.h"
#include "gemm_finish.h"
#include "gemm.h"
#include "philox.h"
#include "attention.h"
UNIT_END
