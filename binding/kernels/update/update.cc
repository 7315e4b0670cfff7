// update.cc: the optimizers' updates, all of rules/. A unit of the kernels (unit.h).
#include "rules.inc"
#include "update_chain.h"
