# make_nn.py: losses and layers as PyTorch computes them in f64, for nn.test.ts. Run: python make_nn.py > nn.json
import json
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(1)


def flat(t):
    return [float(f"{v:.12g}") for v in t.detach().reshape(-1).tolist()]


def array(t):
    return {"shape": list(t.shape), "data": flat(t)}


def f32(*shape):
    return torch.randn(*shape).float().double()


def loss(f, x, y, **options):
    x = x.clone().requires_grad_()
    value = f(x, y, **options)
    value.backward()
    options = {"labelSmoothing" if k == "label_smoothing" else k: v for k, v in options.items()}
    return {"options": options, "value": value.item(), "grad": flat(x.grad)}


def losses():
    x, y = 2 * f32(3, 4), f32(3, 4)
    y[0, 0] = x[0, 0]  # a difference of exactly 0
    z, p = 4 * f32(2, 5), torch.rand(2, 5).float().double()
    z[0, 0], z[0, 1], p[0, 2] = 0, 200, 1
    c, k = 3 * f32(2, 3, 4), torch.randint(4, (2, 3))
    flatten = lambda a, b, **o: F.cross_entropy(a.reshape(-1, 4), b.reshape(-1), **o)
    smooth = [{"label_smoothing": 0.1}, {"label_smoothing": 1.0, "reduction": "sum"}]
    both = [{"reduction": "mean"}, {"reduction": "sum"}]
    return {
        "mse": {"x": array(x), "y": array(y), "cases": [loss(F.mse_loss, x, y, **o) for o in both]},
        "l1": {"x": array(x), "y": array(y), "cases": [loss(F.l1_loss, x, y, **o) for o in both]},
        "huber": {"x": array(x), "y": array(y),
                  "cases": [loss(F.huber_loss, x, y, **o) for o in both + [{"delta": 0.5}, {"delta": 2.5, "reduction": "sum"}]]},
        "bceWithLogits": {"x": array(z), "y": array(p),
                          "cases": [loss(F.binary_cross_entropy_with_logits, z, p, **o) for o in both]},
        "crossEntropy": {"x": array(c), "y": array(k), "cases": [loss(flatten, c, k, **o) for o in both + smooth]},
    }


def layer(module, *ins):
    for p in module.parameters():
        p.data = p.data.float().double()
    out = module(*ins)
    outs = [array(o) for o in (out if isinstance(out, tuple) else (out,))]
    return {
        "ins": [array(x) for x in ins],
        "parameters": {name: array(p) for name, p in module.named_parameters()},
        "outs": outs,
    }


def layers():
    mlp = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2, bias=False))
    shapes = {"GELU": nn.GELU(), "GELU-tanh": nn.GELU(approximate="tanh"), "SiLU": nn.SiLU(), "Softplus": nn.Softplus(),
              "ReLU": nn.ReLU(), "Tanh": nn.Tanh(), "Sigmoid": nn.Sigmoid()}
    x = torch.tensor([-30.0, -4, -1, -0.25, 0, 0.25, 1, 4, 30])
    return {
        "Linear": layer(nn.Linear(3, 2), f32(2, 4, 3)),
        "Linear-vector": layer(nn.Linear(3, 2), f32(3)),
        "Embedding": layer(nn.Embedding(5, 3), torch.tensor([[4, 0], [1, 4]])),
        "RNN": layer(nn.RNN(3, 4, batch_first=True), f32(2, 5, 3)),
        "RNN-h0": layer(nn.RNN(3, 4, batch_first=True, bias=False), f32(2, 1, 3), f32(1, 2, 4)),
        "Sequential": layer(mlp, f32(2, 2, 3)),
        **{name: layer(m, x) for name, m in shapes.items()},
    }


print(json.dumps({"torch": torch.__version__, "losses": losses(), "layers": layers()}))
