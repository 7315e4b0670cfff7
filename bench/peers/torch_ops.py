"""torch_ops.py: what PyTorch does for the cases of suite ops (bench/ops.ts): forward without a graph, or the backward pass alone."""
import json, math
import worker
from recipe import noise, uniform
import torch, torch.nn.functional as F

OPS = {
    "leakyRelu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "celu": lambda x: F.celu(x, 0.75),
    "relu6": F.relu6,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "hardtanh": F.hardtanh,
    "hardshrink": F.hardshrink,
    "softshrink": F.softshrink,
    "tanhshrink": F.tanhshrink,
    "softsign": F.softsign,
    "logSigmoid": F.logsigmoid,
    "glu": F.glu,
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "gelu": F.gelu,
    "softplus": F.softplus,
    "exp": torch.exp,
    "log1p": lambda x: torch.log1p(x.square()),
    "sin": torch.sin,
    "cos": torch.cos,
    "prelu": F.prelu,
    "flip": lambda x: x.flip(1),
    "roll": lambda x: x.roll(100, 1),
    "tril": torch.tril,
    "norm": lambda x: torch.linalg.vector_norm(x, dim=-1),
    "std": lambda x: x.std(-1),
    "variance": lambda x: x.var(0),
    "logSumExp": lambda x: x.logsumexp(-1),
    "cumsum": lambda x: x.cumsum(-1),
    "cumsum first": lambda x: x.cumsum(0),
    "cumprod": lambda x: x.cumprod(-1),
    "randn": torch.randn_like,
    "uniform": torch.rand_like,
    "bernoulli": torch.bernoulli,
    "sort": lambda x: tuple(x.sort(stable=True, dim=-1)),
    "sort first": lambda x: tuple(x.sort(stable=True, dim=0)),
    "takeAlongAxis": lambda x, at: x.gather(-1, at),
    "scatter": lambda x, at, v: x.scatter(-1, at, v),
    "scatter add": lambda x, at, v: x.scatter_add(-1, at, v),
    "einsum bij->bji": lambda x: torch.einsum("bij->bji", x).contiguous(),
    "adaptiveAvgPool2d": lambda x: F.adaptive_avg_pool2d(x, 7),
    "adaptiveMaxPool2d": lambda x: F.adaptive_max_pool2d(x, 5),
    "conv3d": lambda x, w: F.conv3d(x, w, padding=1),
    "conv3d 1x3x3": lambda x, w: F.conv3d(x, w, padding=(0, 1, 1)),
    "conv3d 3x1x1": lambda x, w: F.conv3d(x, w, padding=(1, 0, 0)),
    "conv3d by 2": lambda x, w: F.conv3d(x, w, padding=1, stride=2),
    "maxPool3d": lambda x: F.max_pool3d(x, 2),
    "avgPool3d": lambda x: F.avg_pool3d(x, 3, 2, 1),
    "convTranspose1d": lambda x, w: F.conv_transpose1d(x, w, stride=2, padding=1),
}


def op_of(name):
    if name in OPS:
        return OPS[name]
    kind, _, of = name.partition(" ")
    if kind == "topK":
        return lambda x: tuple(x.topk(int(of)))
    if kind == "einsum":
        return lambda *xs: torch.einsum(of, *xs)
    raise worker.Unsupported(f"PyTorch has no {name}")


def filled(given, seed):
    n, low, high = math.prod(given["shape"]), given.get("low", -1), given.get("high", 1)
    if given.get("integers"):
        return torch.from_numpy((noise(seed, n) % high).astype("int64")).reshape(given["shape"])
    x = (low + (high - low) * (uniform(seed, n).astype("f8") + 1) / 2).astype("f4")
    return torch.from_numpy(x).reshape(given["shape"])


def ops_cell(args):
    op = op_of(args.cell.split("/")[0])
    ins = [filled(given, i) for i, given in enumerate(json.loads(args.inputs))]
    of = lambda made: made if isinstance(made, tuple) else (made,)
    if args.gradient:
        floats = [x.requires_grad_() for x in ins if x.is_floating_point()]
        y = of(op(*ins))[0]
        dy = filled({"shape": list(y.shape)}, len(ins))
        call = lambda: torch.autograd.grad(y, floats, dy, retain_graph=True)
    else:

        @torch.no_grad()
        def call():
            return of(op(*ins))

    size = sum(x.numel() for x in [*ins, *call()])
    return {"digest": lambda: worker.digest_of(x.numpy() for x in call())}, {"op": (call, max(1, round(5e5 / size)))}
