// control.h: kernels that steer a run instead of computing tensors.

// in[0] f64 scalar; anything but 0 (NaN too) skips the step.
static void skip_if(const Args& a, const Team& team) {
  if (team.rank == 0 && *(const double*)a.in[0] != 0) a.ctx->skip = 1;
}
static void skip_if_need(Need& n) { n.in[0] = 8; }
