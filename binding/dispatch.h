// dispatch.h: which kernel table this machine uses.
#pragma once
#include <string>
#include <vector>

#include "kernels/kernel.h"

namespace gradclip {

// Tables this machine can run, best first. GRADCLIP_ISA removes those above the one it names.
struct Dispatch {
  std::vector<const KernelTable*> tables;
  std::string error;   // set when GRADCLIP_ISA names no table this machine can run
  const KernelTable* find(const std::string& isa) const;
  std::string names() const;
};
const Dispatch& dispatch();

}   // namespace gradclip
