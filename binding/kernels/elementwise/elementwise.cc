// elementwise.cc: elementwise maps. A unit of the kernels (unit.h).
#include "map.h"
#include "narrow.h"
#include "tiles.h"
