# make_precision.py: loss and gradients of small networks as PyTorch computes them in f64, and norms by the order of their sum as numpy adds them in f32,
# for precision.test.ts. Run: python make_precision.py > precision.json
import json
import numpy as np
import torch
from torch import nn

torch.manual_seed(11)


def values(t):
    return [float(v) for v in t.detach().reshape(-1).tolist()]


def array(t):
    return {"shape": list(t.shape), "data": values(t)}


class Last(nn.Module):
    """A recurrent layer, and a linear one on the last step."""

    def __init__(self, kind):
        super().__init__()
        self.rnn, self.fc = kind(4, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        return self.fc(self.rnn(x)[0][:, -1])


def case(name, model, x, y):
    """Weights and data are numbers of f32; all else is f64."""
    model = model.float().double()
    classes = y.dtype == torch.int64
    out = model(x)
    loss = nn.functional.cross_entropy(out, y) if classes else nn.functional.mse_loss(out, y)
    loss.backward()
    named = dict(model.named_parameters())
    return {"name": name, "x": array(x), "y": {"shape": list(y.shape), "data": y.reshape(-1).tolist()}, "classes": classes,
            "loss": loss.item(), "parameters": {k: array(p) for k, p in named.items()},
            "gradients": {k: values(p.grad) for k, p in named.items()}}


f32 = lambda *shape: torch.randn(*shape).float().double()
labels = torch.tensor([0, 2, 1, 2, 0])
deep = [layer for _ in range(40) for layer in (nn.Linear(3, 3), nn.Sigmoid())]
cases = [
    case("mlp", nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)), f32(5, 5), labels),
    case("norm", nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3)), f32(5, 5), labels),
    case("conv", nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 3)),
         f32(5, 2, 6, 6), labels),
    case("lstm", Last(nn.LSTM), f32(3, 7, 4), f32(3, 2)),
    case("gru", Last(nn.GRU), f32(3, 7, 4), f32(3, 2)),
    case("deep", nn.Sequential(*deep, nn.Linear(3, 1)), f32(4, 3), f32(4, 1)),
]

# Squares added in f32. np.add.accumulate goes from one to the next.
n = 150_001
v = (((np.arange(n) * 7919) % 997) / 500 - 0.9).astype(np.float32)
squares = v * v


def halves(a):
    return a[0] if len(a) == 1 else np.float32(halves(a[: len(a) // 2]) + halves(a[len(a) // 2:]))


norms = {"count": n, "f64": float(np.sqrt(np.sum(v.astype(np.float64) ** 2))),
         "forward": float(np.sqrt(np.add.accumulate(squares, dtype=np.float32)[-1])),
         "pairwise": float(np.sqrt(np.float32(halves(squares))))}
print(json.dumps({"cases": cases, "norms": norms}))
