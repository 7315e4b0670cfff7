// clip.cc: statistics of gradients and what policies remember; projections, pruning. A unit of the kernels (unit.h).
#include "unit.h"

UNIT_BEGIN
#include "simd.h"
#include "math.h"
#include "philox.h"
#include "stage.h"
#include "staged.h"
#include "statistics.h"
#include "unit_statistic.h"
#include "project.h"
#include "pruning.h"
#include "analyze.h"
#include "history.h"
#include "lists.h"
#include "select.h"
UNIT_END
