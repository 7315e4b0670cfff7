// arm64.cc: the tables of 64-bit ARM: every processor of the family has NEON with fma.
#include "processor.h"

namespace gradclip {

extern const KernelTable table_neon;

std::vector<const KernelTable*> runnable_tables() { return {&table_neon}; }

}   // namespace gradclip
