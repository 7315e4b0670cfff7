# Makes probe.json: run it with a Python that has PyTorch and SciPy. Gradients of ten batches of a small network in float64, and by plain definitions,
# with the means themselves and each batch left out in turn: noise scale, the mean gradient clipped and not, units that are never active.
import json
import os

import numpy as np
import torch
from scipy import stats

FOLDER = os.path.dirname(os.path.abspath(__file__))
BATCHES, ROWS = 10, 24
SIZES = [5, 16, 8, 3]
torch.set_default_dtype(torch.float64)


# These must be as in test/train/run/probe.test.ts: multiples of 2^-7, exact in f32.
def number(i, k):
    return ((i * 29 + k * 53 + (i * i * 7) % 31 + 11) % 127 - 63) / 128


def weights(layer):
    fan, n = SIZES[layer], SIZES[layer + 1]
    w = torch.tensor([number(i, layer) for i in range(n * fan)]).reshape(n, fan)
    b = torch.tensor([number(i, layer + 7) / 4 for i in range(n)])
    if layer == 0:
        b[3] = b[11] = -16.0
    return w, b


def batch(j):
    x = torch.tensor([4 * number(i + 211 * j, 3) for i in range(ROWS * SIZES[0])]).reshape(ROWS, SIZES[0])
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


params = [p.requires_grad_() for layer in range(3) for p in weights(layer)]


def outputs(x):
    a = torch.relu(x @ params[0].T + params[1])
    b = torch.relu(a @ params[2].T + params[3])
    return a, b, b @ params[4].T + params[5]


grads, losses, active = [], [], [0, 0]
for j in range(BATCHES):
    x, y = batch(j)
    a, b, logits = outputs(x)
    loss = torch.nn.functional.cross_entropy(logits, y)
    losses.append(loss.item())
    grads.append([g.numpy() for g in torch.autograd.grad(loss, params)])
    active = [active[0] + (a > 0).sum(0), active[1] + (b > 0).sum(0)]

flat = np.array([np.concatenate([g.ravel() for g in grad]) for grad in grads])
norms = np.linalg.norm(flat, axis=1)
CLIPS = {
    "none": lambda g: g,
    "globalNorm": lambda g: g * min(1, 0.5 / np.linalg.norm(g)),
    "value": lambda g: np.clip(g, -0.015625, 0.015625),
}


def apart(a, b):
    """The product of the two means from pairs of different batches alone."""
    n = len(a)
    return sum(a[i] @ b[j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


def share(g):
    """|G|^2 without bias, of the square of a batch's norm: 1 / (1 + noise scale / rows)."""
    return apart(g, g) / np.mean(np.sum(g * g, 1))


def scale(f):
    return ROWS * (1 - f) / f


def cosine(g, c):
    return apart(g, c) / np.sqrt(apart(g, g) * apart(c, c))


def at_bound(plain, clipped):
    """Elements that keep less of themselves than the one of their tensor that keeps most, and all that are not 0."""
    bound = given = 0
    for grad, row in zip(plain, clipped):
        at = 0
        for g in grad:
            c = row[at : at + g.size].reshape(g.shape)
            at += g.size
            kept = np.abs(c[g != 0] / g[g != 0])
            given += kept.size
            bound += int((kept < kept.max() * (1 - 1e-3)).sum())
    return bound / given


def interval(figure, *of):
    n = BATCHES
    others = np.array([figure(*(np.delete(x, i, 0) for x in of)) for i in range(n)])
    away = stats.t.ppf(0.975, n - 1) * np.sqrt((n - 1) / n * np.sum((others - others.mean()) ** 2))
    return figure(*of) - away, figure(*of) + away


low, high = interval(share, flat)
variance = np.sum(np.var(flat, axis=0, ddof=1))
assert abs(variance - (np.mean(norms**2) - apart(flat, flat))) < 1e-12 * variance
found = {
    "losses": losses,
    "norms": norms.tolist(),
    "meanNorm": np.linalg.norm(flat.mean(0)),
    "variance": variance,
    "signal": apart(flat, flat),
    "noiseScale": [scale(share(flat)), scale(high), scale(low)],
    "rms": [float(np.sqrt(np.mean([np.mean(grad[k] ** 2) for grad in grads]))) for k in range(6)],
    "zeros": [float(np.mean([np.mean(grad[k] == 0) for grad in grads])) for k in range(6)],
    "dead": [int((n == 0).sum()) for n in active],
    "clips": {},
    "student": {str(k): float(stats.t.ppf(0.975, k)) for k in (3, 4, 5, 9, 15, 31, 100)},
}
for name, clip in CLIPS.items():
    clipped = np.array([clip(g) for g in flat])
    cosines = np.sum(clipped * flat, 1) / np.linalg.norm(clipped, axis=1) / norms
    g, c = flat.mean(0), clipped.mean(0)
    found["clips"][name] = {
        "cosine": cosine(flat, clipped),
        "interval": interval(cosine, flat, clipped) if name != "none" else [1, 1],
        "plainCosine": g @ c / np.linalg.norm(g) / np.linalg.norm(c),
        "length": apart(flat, clipped) / apart(flat, flat),
        "rate": float(np.mean(np.any(clipped != flat, 1))),
        "turn": float(np.mean(1 - cosines)),
        "atBound": at_bound(grads, clipped),
    }
with open(os.path.join(FOLDER, "probe.json"), "w") as f:
    json.dump(found, f, indent=1)
    f.write("\n")
