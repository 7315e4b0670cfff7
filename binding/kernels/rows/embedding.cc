// embedding.cc: rows of tables, bags of them, elements by index, and rows in order. A unit of the kernels (unit.h).
#include "along.h"
#include "embedding.h"
#include "sort.h"
