// embedding.cc: rows of tables and bags of them. A unit of the kernels (unit.h).
#include "embedding.h"
