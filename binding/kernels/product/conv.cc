// conv.cc: convolutions. A unit of the kernels (unit.h).
#include "conv.h"
#include "conv_weight.h"
