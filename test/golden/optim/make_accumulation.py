# make_accumulation.py: losses over rows of which some do not count, and the gradient of all rows, as PyTorch computes them in f64, for
# train/step/accumulation.test.ts. Run: python make_accumulation.py > accumulation.json
import json
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(11)


def flat(t):
    return [float(f"{v:.9g}") for v in t.detach().reshape(-1).tolist()]


x = torch.randn(17, 3).float().double()
y = torch.randint(0, 4, (17,))
y[[1, 4, 5, 6, 16]] = -100
weight = torch.randn(3, 4).float().double()
classes = torch.tensor([0.5, 2.0, 0.0, 1.25])
CASES = []
for options, f in [
    ({"ignoreIndex": -100}, lambda z: F.cross_entropy(z, y)),
    ({"ignoreIndex": -100, "weight": classes.tolist()}, lambda z: F.cross_entropy(z, y, weight=classes)),
    ({"ignoreIndex": -100, "weight": classes.tolist(), "labelSmoothing": 0.25},
     lambda z: F.cross_entropy(z, y, weight=classes, label_smoothing=0.25)),
]:
    w = weight.clone().requires_grad_()
    value = f(x @ w)
    value.backward()
    CASES.append({"options": options, "loss": flat(value)[0], "gradient": flat(w.grad)})
print(json.dumps({"torch": torch.__version__, "x": flat(x), "y": y.tolist(), "weight": flat(weight), "cases": CASES}))
