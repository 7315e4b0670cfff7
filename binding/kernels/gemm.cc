// gemm.cc: products of matrices. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "gemm_pack.h"
#include "gemm_micro.h"
#include "gemm_squares.h"
#include "gemm.h"
UNIT_END
