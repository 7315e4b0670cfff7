// random.h: dropout and single random numbers.

// y[n] = x[n] * (0 or floats[0]). ints: n, key of the op, threshold: an element is dropped when the upper 24 bits of its word lie
// below it. Element 64 g + 16 w + l takes word w of counter 16 g + l.
void dropout(const Args& a, const Team& team) {
  const int64_t n = a.i[0], groups = (n + 63) / 64, chunk = 64;
  const uint32_t attempt = (uint32_t)a.ctx->attempt, tag = 0x64726f70u ^ (uint32_t)(a.ctx->attempt >> 32);
  const F threshold = set1((float)a.i[2]), scale = set1((float)a.f[0]);
  int32_t lanes[L];
  for (int k = 0; k < L; k++) lanes[k] = k;
  const I lane = iload(lanes);
  const float* x = (const float*)a.in[0];
  float* y = (float*)a.out[0];
  const Range range = split((groups + chunk - 1) / chunk, team);
  const int64_t end = range.end * chunk < groups ? range.end * chunk : groups;
  for (int64_t g = range.begin * chunk; g < end; g++) {
    const Philox r = philox(iadd(iset1((int32_t)(16 * g)), lane), attempt, tag, (uint32_t)a.i[1], a.ctx->seed);
    for (int w = 0; w < 4; w++) {
      const int64_t at = 64 * g + 16 * w;
      const F factor = select(le(threshold, to_float(ishr<8>(r.word[w]))), scale, set1(0.f));
      if (at + L <= n) {
        store(y + at, mul(load(x + at), factor));
      } else if (at < n) {
        store_n(y + at, mul(load_n(x + at, (int)(n - at)), factor), (int)(n - at));
      }
    }
  }
}
void dropout_need(Need& n) {
  if (n.i[0] < 0 || n.i[0] > int64_t(1) << 34) return n.fail("wrong number of elements");
  if (n.i[1] < 0 || n.i[1] > 0xffffffffll || n.i[2] < 0 || n.i[2] > 1 << 24) return n.fail("wrong key or threshold");
  n.out[0] = n.in[0] = size_of(n.i[0], 4);
  n.alias(0, 0);
}

// One number of [0, 1) with 53 bits, keyed by seed, attempt and int 0.
void uniform(const Args& a, const Team& team) {
  if (team.rank != 0) return;
  const uint32_t attempt = (uint32_t)a.ctx->attempt, tag = 0x756e6966u ^ (uint32_t)(a.ctx->attempt >> 32);
  const Philox r = philox(iset1(0), attempt, tag, (uint32_t)a.i[0], a.ctx->seed);
  int32_t high[L], low[L];
  istore(high, r.word[0]), istore(low, r.word[1]);
  *(double*)a.out[0] = ((double)((uint32_t)high[0] >> 5) * 0x1p26 + (double)((uint32_t)low[0] >> 6)) * 0x1p-53;
}
void uniform_need(Need& n) {
  if (n.i[0] < 0 || n.i[0] > 0xffffffffll) return n.fail("wrong key");
  n.out[0] = 8;
}
