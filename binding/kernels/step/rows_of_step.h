// rows_of_step.h: rows of a table that the micro-batches of a step looked up, one beside the other, and those of processes that train together. Twin:
// ops/step/rows-of-step.ts.
#pragma once
#include "sync.h"

namespace gradclip::GRADCLIP_ISA {
// Places of `most` rows for each micro-batch of a step; an id is a row of the table, or `none` where nothing lies.
enum StepRowsInts { kStepRowsMicros, kStepRowsMost, kStepRowsRow, kStepRowsNone, kStepRowsCount };
static bool step_rows_need(Need& n) {
  const int64_t micros = n.i[kStepRowsMicros], most = n.i[kStepRowsMost], none = n.i[kStepRowsNone];
  if (micros < 0 || most < 0 || n.i[kStepRowsRow] < 0 || none < 0 || none > INT32_MAX) return n.fail("size out of range"), false;
  if (size_of(micros, most, 1) > INT32_MAX / 4) return n.fail("more places than 32 bits number"), false;
  n.in[0] = n.out[0] = size_of(micros, most, n.i[kStepRowsRow], 4);
  n.in[1] = n.out[1] = size_of(micros, most, 4);
  n.alias(0, 0), n.alias(1, 1);
  return true;
}
static void step_rows_keep(const Args& a, int32_t k, int64_t bytes, const Team& team) {
  const Range r = split(bytes, team);
  if (a.out[k] != a.in[k]) memcpy((char*)a.out[k] + r.begin, (const char*)a.in[k] + r.begin, (size_t)(r.end - r.begin));
}
static inline bool is_step_row(int64_t id, int64_t none) { return (uint64_t)id < (uint64_t)none; }

// in: rows and ids of the micro-batches before, those of this one: as lookupRows gives them, ids of -1 behind. out: rows and ids, with these at the
// places of the micro-batch. ints: micro-batches, places of each, elements of a row, rows of the table, rows of this one
void keepRows(const Args& a, const Team& team) {
  const int64_t most = a.i[kStepRowsMost], row = a.i[kStepRowsRow], none = a.i[kStepRowsNone], all = a.i[kStepRowsMicros] * most;
  const int64_t count = a.i[kStepRowsCount] < most ? a.i[kStepRowsCount] : most, micro = a.ctx->micro;
  // As many micro-batches as a request asks for, which the verifier does not see.
  if (micro >= a.i[kStepRowsMicros]) return fail(a.status, kIndexOutOfBounds, micro, (double)micro, (double)a.i[kStepRowsMicros]);
  const int32_t* const given = (const int32_t*)a.in[3];
  if (a.out[0] != a.in[0]) {
    step_rows_keep(a, 0, all * row * 4, team);
    team.barrier();
  }
  float* const rows = (float*)a.out[0] + micro * most * row;
  const Range r = split(count, team);
  for (int64_t u = r.begin; u < r.end; u++)
    if (is_step_row(given[u], none)) memcpy(rows + u * row, (const float*)a.in[2] + u * row, (size_t)row * 4);
  if (team.rank > 0) return;
  const bool first = a.ctx->micro == a.ctx->base;
  int32_t* const ids = (int32_t*)a.out[1];
  for (int64_t k = 0; k < all; k++) {
    const int64_t u = k - micro * most;
    if (u >= 0 && u < most)
      ids[k] = u < count && is_step_row(given[u], none) ? given[u] : (int32_t)none;
    else
      ids[k] = first ? (int32_t)none : ((const int32_t*)a.in[1])[k];
  }
}
void keepRows_need(Need& n) {
  if (!step_rows_need(n)) return;
  n.in[2] = size_of(n.i[kStepRowsCount], n.i[kStepRowsRow], 4);
  n.in[3] = size_of(n.i[kStepRowsCount], 4);
}

// Rows that travel: of each its place and its id, and its elements.
struct RowsLot {
  int64_t count, most, row;
  int32_t* places;
  float* rows;
};
// False where there are more than places.
static bool rows_trade(const Wire& w, int32_t peer, RowsLot& lot, bool gives, bool takes) {
  const int64_t own = gives ? lot.count : 0;
  int64_t theirs = 0;
  w.exchange(w.impl, peer, &own, gives ? 8 : 0, &theirs, takes ? 8 : 0);
  if (theirs < 0 || theirs > lot.most - lot.count) return false;
  w.exchange(w.impl, peer, lot.places, 8 * own, lot.places + 2 * lot.count, 8 * theirs);
  w.exchange(w.impl, peer, lot.rows, 4 * own * lot.row, lot.rows + lot.count * lot.row, 4 * theirs * lot.row);
  lot.count += theirs;
  return true;
}
// Those of all processes: of 2^k of them each gives all that it has to another one, k times. Those beyond give theirs before, and take all after.
static bool rows_of_all(const Wire& w, RowsLot& lot) {
  int32_t lower = 1;
  while (2 * lower <= w.size) lower *= 2;
  const int32_t spare = w.rank ^ lower;
  if (w.rank >= lower) {
    if (!rows_trade(w, spare, lot, true, false)) return false;
    lot.count = 0;
    return rows_trade(w, spare, lot, false, true);
  }
  const bool helps = spare < w.size;
  if (helps && !rows_trade(w, spare, lot, false, true)) return false;
  for (int32_t bit = 1; bit < lower; bit <<= 1)
    if (!rows_trade(w, w.rank ^ bit, lot, true, true)) return false;
  return !helps || rows_trade(w, spare, lot, true, false);
}

// in: rows and ids as keepRows leaves them, of the micro-batches of this process. out: those of all processes. ints: as of keepRows, without the last
void syncRows(const Args& a, const Team& team) {
  const Wire* const wire = a.ctx->wire;
  const bool alone = !wire || wire->size == 1;
  if (alone && a.ctx->share != a.ctx->micros) return fail(a.status, kNoGroup, 0, 0, 0);
  const int64_t most = a.i[kStepRowsMost], row = a.i[kStepRowsRow], none = a.i[kStepRowsNone], all = a.i[kStepRowsMicros] * most;
  if (alone) {
    step_rows_keep(a, 0, all * row * 4, team);
    return step_rows_keep(a, 1, all * 4, team);
  }
  int64_t* const count = (int64_t*)a.scratch;
  RowsLot lot{0, all, row, (int32_t*)(count + 8), nullptr};
  lot.rows = (float*)(lot.places + 2 * all);
  if (team.rank == 0) {
    const int32_t* const ids = (const int32_t*)a.in[1];
    const int64_t end = (a.ctx->base + a.ctx->share) * most;
    for (int64_t k = a.ctx->base * most; k < end && k < all; k++) {
      if (!is_step_row(ids[k], none)) continue;
      lot.places[2 * lot.count] = (int32_t)k, lot.places[2 * lot.count + 1] = ids[k];
      lot.count++;
    }
    *count = lot.count;
  }
  team.barrier();
  const Range own = split(*count, team);
  for (int64_t u = own.begin; u < own.end; u++)
    memcpy(lot.rows + u * row, (const float*)a.in[0] + lot.places[2 * u] * row, (size_t)row * 4);
  step_rows_keep(a, 0, all * row * 4, team);
  team.barrier();
  if (team.rank == 0) {
    // No other number of rows than there are places can come of the same program.
    *count = rows_of_all(*wire, lot) ? lot.count : -1;
    int32_t* const ids = (int32_t*)a.out[1];
    for (int64_t k = 0; k < all; k++) ids[k] = (int32_t)none;
    for (int64_t u = 0; u < *count; u++) {
      const int32_t k = lot.places[2 * u], id = lot.places[2 * u + 1];
      if ((uint64_t)k < (uint64_t)all && is_step_row(id, none)) ids[k] = id;
    }
  }
  team.barrier();
  if (*count < 0) return fail(a.status, kNoGroup, 0, 0, 0);
  const Range r = split(*count, team);
  for (int64_t u = r.begin; u < r.end; u++) {
    const int32_t k = lot.places[2 * u];
    if ((uint64_t)k < (uint64_t)all) memcpy((float*)a.out[0] + k * row, lot.rows + u * row, (size_t)row * 4);
  }
}
void syncRows_need(Need& n) {
  if (!step_rows_need(n)) return;
  n.scratch = 64 + size_of(n.i[kStepRowsMicros], n.i[kStepRowsMost], 8) + n.in[0];
}
}   // namespace gradclip::GRADCLIP_ISA
