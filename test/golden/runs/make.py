"""make.py: makes the goldens beside it with PyTorch: loss and gradient norm of 200 steps, in f32 and in f64.

    python test/golden/runs/make.py            # needs torch 2.13 and numpy

Weights and batches come from a hash of whole numbers (recipe.py, and recipe.ts the same), so no data is kept here: only
what PyTorch made of them. Prints how far PyTorch's f32 strays from its f64, which is what a tolerance has to allow.
"""
import json, math, os
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from recipe import noise, uniform, weights

STEPS = 200
HERE = os.path.dirname(os.path.abspath(__file__))


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(784, 256), nn.Linear(256, 128), nn.Linear(128, 10)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))

    @staticmethod
    def bound(name, shape):
        fan_in = shape[1] if len(shape) == 2 else {"fc1.bias": 784, "fc2.bias": 256, "fc3.bias": 128}[name]
        return 1 / math.sqrt(fan_in)

    @staticmethod
    def batch(step):
        """Ten prototypes under noise; a label is wrong now and then, so that the loss has a floor above 0.

        Of 400 seeds, 50000 leaves the inputs of the ReLUs farthest from 0 in the first ten steps (3e-6): where rounding takes
        one across, the norm moves by 3e-4, and that would be compared instead of the arithmetic.
        """
        r = noise(1000 + step, 64)
        label, wrong = r % 10, (r >> np.uint32(8)) % 16 == 0
        x = uniform(999, 7840).reshape(10, 784)[label].astype(np.float64) * 0.25
        x = (x + uniform(50000 + step, 64 * 784).reshape(64, 784)).astype(np.float32)
        return x, np.where(wrong, (label + 1) % 10, label).astype(np.int64)


class CharRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn, self.out = nn.Embedding(65, 32), nn.RNN(32, 128, batch_first=True), nn.Linear(128, 65)

    def forward(self, x):
        return self.out(self.rnn(self.embedding(x))[0])

    @staticmethod
    def bound(name, shape):
        return 1.0 if name.startswith("embedding") else 1 / math.sqrt(128)

    @staticmethod
    def batch(step):
        """Rows of a stream in which a character follows from the two before it, but for one in eight."""
        r = noise(3000 + step, 32 * 65).reshape(32, 65)
        ids = np.zeros((32, 65), np.int64)
        for t in range(65):
            rule = (ids[:, t - 1] * 3 + ids[:, t - 2] + 7) % 65 if t >= 2 else r[:, t] % 65
            ids[:, t] = np.where((r[:, t] >> np.uint32(8)) % 8 == 0, r[:, t] % 65, rule)
        return ids[:, :-1], ids[:, 1:]


CASES = {
    "mlp-sgd": (MLP, dict(optimizer="sgd", lr=0.05, momentum=0.9, maxNorm=0.5)),
    "mlp-adamw": (MLP, dict(optimizer="adamw", lr=1e-3, betas=[0.9, 0.999], eps=1e-8, weightDecay=0.01, maxNorm=0.5)),
    "char-rnn-sgd": (CharRNN, dict(optimizer="sgd", lr=1.0, momentum=0.9, maxNorm=0.25)),
}


def run(Model, s, dtype):
    model = Model()
    shapes = {n: tuple(p.shape) for n, p in model.named_parameters()}
    initial = dict(zip(shapes, weights([(shape, Model.bound(n, shape)) for n, shape in shapes.items()])))
    model.load_state_dict({n: torch.from_numpy(w) for n, w in initial.items()})
    model.to(dtype)
    ps = list(model.parameters())
    if s["optimizer"] == "sgd":
        opt = torch.optim.SGD(ps, lr=s["lr"], momentum=s["momentum"])
    else:
        opt = torch.optim.AdamW(ps, lr=s["lr"], betas=s["betas"], eps=s["eps"], weight_decay=s["weightDecay"])
    losses, norms = [], []
    for step in range(STEPS):
        x, y = (torch.from_numpy(a) for a in Model.batch(step))
        out = model(x.to(dtype) if x.is_floating_point() else x)
        loss = F.cross_entropy(out.reshape(-1, out.shape[-1]), y.reshape(-1))
        opt.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(ps, s["maxNorm"])
        opt.step()
        losses.append(loss.item())
        norms.append(norm.item())
    final = {n: [p.double().sum().item(), p.double().square().sum().item()] for n, p in model.named_parameters()}
    return losses, norms, final, initial


def sums(x, y):
    return [x.astype(np.float64).sum().item(), (y.ravel() * (np.arange(y.size) % 7)).sum().item()]


def far(a, b):
    """Largest relative distance in steps 1-10, 11-100, 101-200."""
    d = [abs(x - y) / abs(y) for x, y in zip(a, b)]
    return " ".join(f"{max(d[i:j]):.1e}" for i, j in ((0, 10), (10, 100), (100, STEPS)))


def main():
    torch.set_num_threads(1)
    for name, (Model, settings) in CASES.items():
        f32, f64 = run(Model, settings, torch.float32), run(Model, settings, torch.float64)
        golden = {
            "torch": torch.__version__,
            "settings": settings,
            # First values of what recipe.ts must make again.
            "probe": {
                "parameters": {n: [list(w.shape), [float(v) for v in w.flat[:3]]] for n, w in f32[3].items()},
                # Of the batches of three steps: sum of x, and sum of y[i] * (i mod 7).
                "sums": {step: sums(*Model.batch(step)) for step in (0, 77, STEPS - 1)},
            },
            "f32": {"loss": [float(f"{v:.9g}") for v in f32[0]], "norm": [float(f"{v:.9g}") for v in f32[1]]},
            "f64": {"loss": [float(f"{v:.11g}") for v in f64[0]], "norm": [float(f"{v:.11g}") for v in f64[1]]},
            # Sum and sum of squares of each parameter after the last step, in f64.
            "final": {n: [float(f"{v:.11g}") for v in pair] for n, pair in f64[2].items()},
        }
        with open(os.path.join(HERE, f"{name}.json"), "w") as f:
            json.dump(golden, f, separators=(",", ":"))
            f.write("\n")
        bites = sum(n > settings["maxNorm"] for n in f64[1])
        print(f"{name}: loss {f64[0][0]:.3f} -> {f64[0][-1]:.3f}, norm {min(f64[1]):.3g} to {max(f64[1]):.3g}, clipped {bites} of {STEPS}")
        print(f"  f32 against f64, steps 1-10, 11-100, 101-200: loss {far(f32[0], f64[0])}, norm {far(f32[1], f64[1])}")


main()
