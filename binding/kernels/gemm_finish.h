// gemm_finish.h: what a product is, and bias and activation over parts of it that are finished. Convolutions end the same way.

// t[m, n] = s[m, k] * v[k, n]: S is broadcast, V is loaded as lanes. Lanes of C are contiguous (cj = 1), or its rows are (ci = 1).
struct Product {
  int64_t m, n, k;
  const float* s;
  int64_t si, sp;   // strides of S by row and by k; one is 1
  const float* v;
  int64_t vp, vj;   // strides of V by k and by lane; one is 1
  float* c;
  int64_t ci, cj;
  const float* bias;
  int64_t bi, bj;   // 1 along the n of the matmul, 0 along its m
  int64_t act;
  double* stats;   // sums of squares of the tiles of C, or null; only where C lies by rows
};

template <class Fn>
static inline void finish_with(const Product& g, float* c, int64_t ld, const float* bias, int64_t rows, int64_t cols, Fn fn) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < cols; j += L) {
      const int n = (int)least(L, cols - j);
      float* to = c + i * ld + j;
      F x = n == L ? load(to) : load_n(to, n);
      if (bias) x = add(x, g.bj == 0 ? set1(bias[i]) : n == L ? load(bias + j) : load_n(bias + j, n));
      x = fn(x);
      n == L ? store(to, x) : store_n(to, x, n);
    }
}
// Bias and activation over the finished part at row i, lane j of the product, which lies at c.
static void finish(const Product& g, float* c, int64_t ld, int64_t i, int64_t j, int64_t rows, int64_t cols) {
  const float* bias = g.bias ? g.bias + i * g.bi + j * g.bj : nullptr;
  switch (g.act) {
    case 0:
      return bias ? finish_with(g, c, ld, bias, rows, cols, [](F x) { return x; }) : (void)0;
    case 1:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return relu_f(x); });
    case 2:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return tanh_f(x); });
    case 3:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return sigmoid_f(x); });
    case 4:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return gelu_f(x); });
    case 5:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return gelu_tanh_f(x); });
    default:
      return finish_with(g, c, ld, bias, rows, cols, [](F x) { return silu_f(x); });
  }
}
