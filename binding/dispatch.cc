// dispatch.cc: of the tables this machine can run (processor.h), those that are used; GRADCLIP_ISA forces downwards only.
#include "dispatch.h"

#include "port/port.h"
#include "processor/processor.h"

namespace gradclip {
namespace {

Dispatch decide() {
  Dispatch r;
  r.tables = runnable_tables();
  const std::string forced = port::environment("GRADCLIP_ISA");
  if (forced.empty()) return r;
  if (!r.find(forced)) {
    r.error = "GRADCLIP_ISA: expected one of " + r.names() + " on this machine, got " + forced;
    return r;
  }
  while (r.tables[0] != r.find(forced)) r.tables.erase(r.tables.begin());
  return r;
}

}   // namespace

const KernelTable* Dispatch::find(const std::string& isa) const {
  for (const KernelTable* t : tables) {
    if (isa == t->isa) return t;
  }
  return nullptr;
}

std::string Dispatch::names() const {
  std::string text;
  for (const KernelTable* t : tables) text += (text.empty() ? "" : ", ") + std::string(t->isa);
  return text;
}

const Dispatch& dispatch() {
  static const Dispatch* const d = new Dispatch(decide());   // never freed: runs may outlive exit()
  return *d;
}

}   // namespace gradclip
