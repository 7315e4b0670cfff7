// recurrent.cc: recurrent networks over time. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "transpose.h"
#include "gemm_pack.h"
#include "recurrent_product.h"
#include "recurrent.h"
#include "rnn.h"
#include "lstm.h"
#include "gru.h"
UNIT_END
