// recurrent.cc: recurrent networks over time. A unit of the kernels (unit.h).
#include "gru.h"
#include "lstm.h"
#include "rnn.h"
