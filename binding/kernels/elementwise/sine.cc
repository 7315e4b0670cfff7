// sine.cc: sin and cos. A unit of the kernels (unit.h).
#include "sine.h"
