// control.h: kernels that steer a run instead of computing tensors.
#pragma once
#include "../unit.h"

namespace gradclip::GRADCLIP_ISA {
// in[0] f64 scalar; anything but 0 (NaN too) skips the step.
void skip_if(const Args& a, const Team& team) {
  if (team.rank == 0 && *(const double*)a.in[0] != 0) a.ctx->skip = 1;
}
void skip_if_need(Need& n) { n.in[0] = 8; }

// in[0] f64 scalar: anything but 0 (NaN too) ends the run as non-finite. in[1] f64 scalar: which tensor is to blame; what is no whole
// number from 0 on counts as unknown, -1.
void fail_if(const Args& a, const Team& team) {
  const double flag = *(const double*)a.in[0], at = *(const double*)a.in[1];
  if (team.rank == 0 && flag != 0) fail(a.status, kNonFinite, at >= 0 && at < 0x1p53 ? (int64_t)at : -1, flag, 0);
}
void fail_if_need(Need& n) { n.in[0] = n.in[1] = 8; }
}   // namespace gradclip::GRADCLIP_ISA
