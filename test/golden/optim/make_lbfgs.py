# Makes lbfgs.json: run it with a Python that has PyTorch (2.13). Steps of torch.optim.LBFGS in f64 on losses that search.test.ts has in plain loops:
# the loss that each step returns, the parameters after it, evaluations and iterations up to there. Rounding grows from iteration to iteration, there and
# here: kept are the steps that are the same to 1e-7 from starts that are 1e-12 away, and `f32` says for how many of these f32 and f64 stay within 1e-3 from
# starts that are 1e-6 away.
import json
import math
import os

import torch

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lbfgs.json")


def numbers(n, salt):
    return [((i * 37 + salt * 53 + 11) % 127 - 63) / 64 for i in range(n)]


def quadratic(p):
    # Curvatures from 1 to 100.
    n = p.numel()
    a = torch.tensor([100 ** (i / (n - 1)) for i in range(n)], dtype=p.dtype)
    b = torch.tensor(numbers(n, 3), dtype=p.dtype)
    return (0.5 * a * p * p - b * p).sum() + 0.25 * p.sum() ** 2


def rosenbrock(p):
    return ((1 - p[:-1]) ** 2 + 100 * (p[1:] - p[:-1] ** 2) ** 2).sum()


def logistic(p):
    x = torch.tensor(numbers(24 * 4, 7), dtype=p.dtype).reshape(24, 4)
    y = torch.tensor([1.0 if (i * 5) % 3 == 0 else -1.0 for i in range(24)], dtype=p.dtype)
    z = x @ p[:4] + p[4]
    return torch.nn.functional.softplus(-y * z).mean() + 0.01 * (p * p).sum()


def mlp(p):
    # 3 inputs, 4 units with tanh, 1 output.
    x = torch.tensor(numbers(10 * 3, 5), dtype=p.dtype).reshape(10, 3)
    y = torch.tensor(numbers(10, 9), dtype=p.dtype)
    h = torch.tanh(x @ p[:12].reshape(4, 3).T + p[12:16])
    return ((h @ p[16:20] + p[20] - y) ** 2).mean()


LOSSES = {"quadratic": (quadratic, 8, 1), "rosenbrock": (rosenbrock, 2, 4), "chain": (rosenbrock, 6, 6), "logistic": (logistic, 5, 2), "mlp": (mlp, 21, 8)}
OPTIONS = {
    "plain": dict(lr=0.1, max_iter=4),
    "default": dict(max_iter=20),
    "wolfe": dict(max_iter=5, line_search_fn="strong_wolfe"),
    "wolfe of short memory": dict(max_iter=7, history_size=2, line_search_fn="strong_wolfe"),
    "wolfe of few evaluations": dict(max_iter=8, max_eval=5, line_search_fn="strong_wolfe"),
    "wolfe of small steps": dict(lr=0.01, max_iter=3, line_search_fn="strong_wolfe"),
    "wolfe of large steps": dict(lr=30, max_iter=3, line_search_fn="strong_wolfe"),
    "one iteration": dict(lr=0.2, max_iter=1, history_size=3),
    "coarse": dict(lr=0.3, max_iter=30, tolerance_grad=0.05, tolerance_change=1e-3),
}
STEPS = 8


def steps(loss, n, salt, options, dtype, away=0.0):
    p = torch.tensor([v + away for v in numbers(n, salt)], dtype=dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([p], **{"history_size": 10, **options})

    def closure():
        optimizer.zero_grad()
        f = loss(p)
        f.backward()
        return f

    kept = []
    for _ in range(STEPS):
        f = optimizer.step(closure).item()
        state = optimizer.state[p]
        kept.append({"loss": f, "p": p.tolist(), "evaluations": state["func_evals"], "iterations": state["n_iter"]})
        if not all(math.isfinite(v) for v in [f, *p.tolist()]):
            return kept[:-1]
    return kept


def near(found, wanted, tolerance):
    """How many steps are."""
    for i, (a, b) in enumerate(zip(found, wanted)):
        pairs = zip([a["loss"], *a["p"]], [b["loss"], *b["p"]])
        if a["evaluations"] != b["evaluations"] and tolerance < 1e-6 or any(abs(x - y) > tolerance * max(1, abs(y)) for x, y in pairs):
            return i
    return min(len(found), len(wanted))


cases = {}
for name, (loss, n, salt) in LOSSES.items():
    for of, options in OPTIONS.items():
        wanted = steps(loss, n, salt, options, torch.float64)
        others = lambda dtype, *away: [steps(loss, n, salt, options, dtype, a) for a in away]
        wanted = wanted[: min(near(x, wanted, 1e-7) for x in others(torch.float64, 1e-12, -1e-12, 1e-13))]
        f32 = min(near(x, wanted, 1e-3) for t in (torch.float32, torch.float64) for x in others(t, 0, 1e-6, -1e-6))
        cases[f"{name}, {of}"] = {"loss": name, "size": n, "salt": salt, "options": options, "f32": f32, "steps": wanted}

with open(PATH, "w") as file:
    json.dump({"torch": torch.__version__.split("+")[0], "cases": cases}, file)
    file.write("\n")
print(len(cases), {k: (len(c["steps"]), c["f32"]) for k, c in cases.items()})
