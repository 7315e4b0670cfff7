// scatter_rows.h: scatterAdd that keeps only the rows it was given: the gradient of a large table of which few rows were read.

// values[u] = the sum of x[k] over the positions k whose index is the u-th distinct one, in order of first appearance; zero from there
// on. at[v] = u for the row v of the table, -1 where no position has that index.
// i: rows of the table, elements of a row, number of indices, bytes of an index. out: values, at, and if there is a third the sum of
// squares of every block of rows of the values.
struct RowsPlan {
  int64_t* used;    // how many distinct rows
  int64_t* start;   // where the positions of value u begin in `order`; positions ascend
  int32_t* order;
};
static RowsPlan rows_plan_of(const Args& a) {
  int64_t* p = (int64_t*)a.scratch;
  return {p, p + 1, (int32_t*)(p + a.i[2] + 3)};
}
static void rows_plan(const Args& a, const RowsPlan& p, int32_t* at) {
  const int64_t rows = a.i[0], count = a.i[2], bytes = a.i[3];
  int64_t used = 0;
  memset(p.start, 0, (count + 2) * sizeof(int64_t));
  for (int64_t k = 0; k < count; k++) {
    const int64_t v = index_at(a.in[1], bytes, k);
    if (!index_ok(a, k, v, rows)) continue;
    if (at[v] < 0) at[v] = (int32_t)used++;
    p.start[at[v] + 2]++;
  }
  for (int64_t u = 2; u <= used + 1; u++) p.start[u] += p.start[u - 1];
  for (int64_t k = 0; k < count; k++) {
    const int64_t v = index_at(a.in[1], bytes, k);
    if ((uint64_t)v < (uint64_t)rows) p.order[p.start[at[v] + 1]++] = (int32_t)k;
  }
  *p.used = used;
}

void scatterRows(const Args& a, const Team& team) {
  const int64_t rows = a.i[0], row = a.i[1], count = a.i[2];
  const float* x = (const float*)a.in[0];
  float* values = (float*)a.out[0];
  int32_t* at = (int32_t*)a.out[1];
  const RowsPlan p = rows_plan_of(a);
  const Range mine = split(rows, team);
  memset(at + mine.begin, 0xff, (mine.end - mine.begin) * sizeof(int32_t));
  team.barrier();
  if (team.rank == 0) rows_plan(a, p, at);
  team.barrier();
  const int64_t height = scatter_block_rows(row), blocks = (count + height - 1) / height;
  // A block of rows each in turn: those in use lie in front.
  for (int64_t b = team.rank; b < blocks; b += team.size) {
    const int64_t first = b * height, end = first + height < count ? first + height : count;
    D square = dset1(0);
    for (int64_t u = first; u < end; u++) {
      float* y = values + u * row;
      if (u >= *p.used) {
        memset(y, 0, row * sizeof(float));
        continue;
      }
      for (int64_t c = 0; c < row; c += 2 * L) {
        const int64_t m = row - c < 2 * L ? row - c : 2 * L;
        double v[2 * L];
        scatter_columns(x, row, p.order + p.start[u], p.start[u + 1] - p.start[u], c, m, v);
        for (int64_t k = 0; k < m; k++) v[k] = y[c + k] = (float)v[k];
        square = fma(dload(v), dload(v), square);
        square = fma(dload(v + L), dload(v + L), square);
      }
    }
    if (a.n_out > 2) ((double*)a.out[2])[b] = hsum(square);
  }
}
void scatterRows_need(Need& n) {
  if (n.n_out != 2 && n.n_out != 3) return n.fail("expected two or three outputs");
  if (n.i[3] != 1 && n.i[3] != 4) return n.fail("indices are neither u8 nor i32");
  const int64_t rows = n.i[0], row = n.i[1], count = n.i[2];
  if (rows < 0 || rows > Need::kMax || row < 0 || row > Need::kMax) return n.fail("size out of range");
  if (count < 0 || count > INT32_MAX) return n.fail("more positions than 32 bits number");
  n.in[0] = n.out[0] = size_of(count, row, 4);
  n.in[1] = size_of(count, n.i[3]);
  n.out[1] = size_of(rows, 4);
  const int64_t height = scatter_block_rows(row);
  if (n.n_out == 3) n.out[2] = size_mul((count + height - 1) / height, 8);
  n.scratch = size_mul(count + 3, 8) + size_mul(count, 4);
}
