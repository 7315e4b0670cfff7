// elementwise.cc: elementwise maps and chains of numbers. A unit of the kernels (unit.h).
#include "map.h"
#include "scalars.h"
