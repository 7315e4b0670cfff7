# make_head.py: the loss of a last layer of 50,257 classes whose weights are the table of the rows, and its gradients, as PyTorch computes them in
# f64, for compile/losses.test.ts. Run: python make_head.py > head.json
import json
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
ROWS, CLASSES, DIM = 340, 50257, 4


def waves(n, k):
    i = torch.arange(n)
    return torch.sin(k * i.double() + (i % 7).double()).float().double()


def number(v):
    return float(f"{v.item():.10g}")


cases = []
for options in [{}, {"labelSmoothing": 0.1, "ignoreIndex": 7919}]:
    w = waves(CLASSES * DIM, 3).reshape(CLASSES, DIM).requires_grad_()
    x = waves(ROWS * DIM, 2).reshape(ROWS, DIM).requires_grad_()
    y = torch.arange(ROWS) * 7919 % CLASSES
    hidden = torch.relu(x + w[y])
    loss = F.cross_entropy(hidden @ w.T, y, label_smoothing=options.get("labelSmoothing", 0.0),
                           ignore_index=options.get("ignoreIndex", -100))
    loss.backward()
    cases.append({"options": options, "loss": number(loss), "norms": [number(x.grad.norm()), number(w.grad.norm())],
                  "dx": [number(v) for v in x.grad[:6].reshape(-1)],
                  "dw": [number(v) for v in w.grad[[0, 1, 7919, 15838, 50256]].reshape(-1)]})
print(json.dumps({"rows": ROWS, "classes": CLASSES, "dim": DIM, "at": [0, 1, 7919, 15838, 50256], "cases": cases}))
