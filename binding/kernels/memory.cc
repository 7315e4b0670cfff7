// memory.cc: what moves data: copies, gathers, random fills, accumulators, control. A unit of the kernels (unit.h).
#include "accumulate.h"
#include "augment.h"
#include "concat.h"
#include "control.h"
#include "gather.h"
#include "random.h"
#include "scatter_rows.h"
#include "shape.h"
