# make_log_sum_exp.py: torch.logsumexp and its gradient, in f64, for log-sum-exp.test.ts. Run: python make_log_sum_exp.py > log-sum-exp.json
import json
import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(5)
INF = float("inf")


def text(t):  # JSON has neither NaN nor Infinity
    return [str(v) if v != v or abs(v) == INF else v for v in t.detach().reshape(-1).tolist()]


def case(x, axes, keep=False):
    x = x.float().double().requires_grad_()
    y = torch.logsumexp(x, axes, keepdim=keep)
    (y * torch.arange(1, y.numel() + 1).reshape(y.shape)).sum().backward()
    return {"shape": list(x.shape), "x": text(x), "axes": axes, "keepDims": keep, "out": list(y.shape), "y": text(y), "grad": text(x.grad)}


x = 3 * torch.randn(2, 3, 4, 5)
CASES = [case(x, a, k) for a in [[0], [1], [3], [-1], [1, 2], [0, 2], [0, 1, 2, 3]] for k in [False, True]]
CASES += [case(torch.tensor(row), [1]) for row in [
    [[1e30, 0, -1e30], [-1e30, -1e30 + 1e25, -2e30], [3e38, -3e38, 1.0]],
    [[-INF, 3, -INF], [0.0, -INF, 0.0], [1.0, 2.0, 3.0]],
    [[-INF, -INF], [1.0, 2.0]],
    [[INF, 1.0], [-INF, 2.0]],
    [[float("nan"), 1.0], [1.0, 2.0]],
    [[1e-9], [-88.0], [1e-30]],
    [[100.0, 100.0], [-1000.0, -1000.0], [1e4, 1e4]],
]]
CASES.append(case(torch.zeros(0, 3), [0]))
CASES.append(case(torch.zeros(3, 0), [1]))
print(json.dumps({"torch": torch.__version__, "cases": CASES}))
