// gemm_share.h: the share of a thread in a product, and its memory.
#pragma once
#include "gemm_weave.h"

namespace gradclip::GRADCLIP_ISA {
constexpr int64_t kSOwn = 1 << 19;      // floats of packed S that a thread has for itself
constexpr int64_t kVCap = 3 << 16;      // floats of packed V that a thread has for itself
constexpr int64_t kVShared = 1 << 20;   // floats of packed V that a team shares in product_columns, twice

// The share of a thread in the work on a product: rows [rm of gm], lanes [rn of gn]. `team` is null where other threads work on other
// products; then nothing is shared with them, however the rows and lanes are cut.
struct Share {
  const Team* team;
  int64_t rm, gm, rn, gn;
  float *own, *shared;   // scratch of the thread, and of the team
  int64_t turn;
};
}   // namespace gradclip::GRADCLIP_ISA
