"""Makes opacus.json and opacus.safetensors: 20 steps of small models under Opacus without noise, in float64, and how far its own float32 ends
from that at most, with the rows of batches in as many orders as there are rows.

python make_opacus.py: a Python that has PyTorch, Opacus, numpy and safetensors. Weights and batches are made by a recipe (opacus.ts has its twin), so
that only what comes of them is kept. The norms of the first batch's samples are Opacus' own, and each is compared here with that of a backward pass of
the one sample alone, through PyTorch's own layers: where one of both were wrong, nothing is written.

What Opacus 1.6 gets wrong or has not is worked around, and said beside it: a table that is head as well, attention with batch_first, bags that
have a row twice.
"""
import json, math, os, sys, warnings

warnings.simplefilter("ignore")
import torch, torch.nn as nn, torch.nn.functional as F
from opacus import __version__ as version
from opacus.grad_sample import GradSampleModule
from opacus.layers import DPGRU, DPLSTM, DPRNN
from opacus.optimizers import DPOptimizer
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "runs"))
from recipe import noise, uniform

STEPS = 20


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 6, 5, padding=2)
        self.fc1, self.fc2 = nn.Linear(24, 10), nn.Linear(10, 3)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x).relu(), 2)
        x = F.max_pool2d(self.conv2(x).relu(), 2).flatten(1)
        return self.fc2(self.fc1(x).relu())


class Recurrent(nn.Module):
    """Opacus has layers of its own in place of PyTorch's recurrent ones: the same names of weights, and the same values."""

    def __init__(self, private, plain, layers=1, bidirectional=False, **more):
        super().__init__()
        kind = (DPRNN, DPLSTM, DPGRU) if private else (nn.RNN, nn.LSTM, nn.GRU)
        self.embedding = nn.Embedding(11, 5)
        self.rnn = kind[plain](5, 7, layers, batch_first=True, bidirectional=bidirectional, **more)
        self.head = nn.Linear(14 if bidirectional else 7, 11)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0])


def attention(qkv, heads, causal):
    """Opacus' own DPMultiheadAttention with batch_first gives other values than PyTorch's: it does not put the heads' outputs side by side."""
    b, t, c = qkv.shape
    q, k, v = (y.view(b, t, heads, -1).transpose(1, 2) for y in qkv.split(c // 3, 2))
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(b, t, c // 3)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2, self.heads = nn.LayerNorm(width), heads
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.proj(attention(self.qkv(self.norm1(x)), self.heads, True))
        return x + self.mlp(self.norm2(x))


class Gpt(nn.Module):
    """With a head of its own: Opacus does not see where a table is used by anything but its layer."""

    def __init__(self):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(11, 8), nn.Embedding(6, 8)
        self.blocks = nn.Sequential(Block(8, 2), Block(8, 2))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 11, bias=False)

    def forward(self, x):
        places = torch.arange(x.shape[1]).expand(x.shape)
        return self.head(self.norm(self.blocks(self.embedding(x) + self.positions(places))))


class Encoder(nn.Module):
    """TransformerEncoderLayer(8, 2, 12), norms after the sums."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Module()
        self.layer.self_attn = nn.Module()
        self.layer.self_attn.in_proj, self.layer.self_attn.out_proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.layer.linear1, self.layer.linear2 = nn.Linear(8, 12), nn.Linear(12, 8)
        self.layer.norm1, self.layer.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        own = self.layer
        x = own.norm1(x + own.self_attn.out_proj(attention(own.self_attn.in_proj(x), 2, False)))
        return self.head(own.norm2(x + own.linear2(own.linear1(x).relu())).mean(1))


class Bags(nn.Module):
    def __init__(self):
        super().__init__()
        self.means, self.sums = nn.EmbeddingBag(11, 4, mode="mean"), nn.EmbeddingBag(11, 3, mode="sum")
        self.head = nn.Linear(7, 3)

    def forward(self, x):
        flat, offsets = x.reshape(-1), torch.arange(0, x.numel(), x.shape[1])
        return self.head(torch.cat([self.means(flat, offsets), self.sums(flat, offsets)], 1).tanh())


def mlp():
    model = nn.Module()
    model.layers = nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3))
    model.forward = lambda x: model.layers(x)
    return model


def groups():
    first = [nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.GroupNorm(2, 4), nn.ReLU()]
    second = [nn.Conv2d(4, 6, (3, 2), stride=(2, 1), dilation=(1, 2)), nn.GroupNorm(3, 6), nn.Tanh()]
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(48, 3))


def transposed():
    first = [nn.Linear(5, 36), nn.Unflatten(1, (4, 3, 3)), nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2), nn.Tanh()]
    return nn.Sequential(*first, nn.ConvTranspose2d(6, 2, 3, padding=2, dilation=2))


def norms():
    first = [nn.Conv1d(3, 6, 3, padding=2, dilation=2, bias=False), nn.InstanceNorm1d(6, affine=True), nn.SiLU(), nn.LayerNorm(9)]
    return nn.Sequential(*first, nn.Conv1d(6, 4, 5, stride=2, padding=2, groups=2, bias=False), nn.RMSNorm(5, eps=1e-5), nn.Flatten(), nn.Linear(20, 3))


def volumes():
    first = [nn.Conv3d(2, 4, (2, 3, 3), padding=(0, 1, 1), groups=2, bias=False), nn.InstanceNorm3d(4, affine=True), nn.Tanh()]
    return nn.Sequential(*first, nn.ConvTranspose3d(4, 2, 2, stride=(1, 2, 1)), nn.PReLU(), nn.Flatten(), nn.Linear(288, 3))


SGD = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9}
ADAMW = {"optimizer": "adamw", "lr": 0.01}
LABELS = {"shape": [8], "below": 3}
TEXT = {"shape": [6, 9], "below": 11}
# What a model is, its threshold, optimizer, and batches; as `private`, of Opacus' own layers.
CASES = {
    "mlp": (lambda private: mlp(), 0.96, SGD, {"shape": [8, 12]}, LABELS),
    "lenet": (lambda private: LeNet(), 1.05, ADAMW, {"shape": [8, 1, 8, 8]}, LABELS),
    "charLstm": (lambda private: Recurrent(private, 1), 0.36, ADAMW, TEXT, TEXT),
    "lstmDeep": (lambda private: Recurrent(private, 1, 2, True), 0.36, SGD, TEXT, TEXT),
    "charGru": (lambda private: Recurrent(private, 2), 0.47, SGD, TEXT, TEXT),
    "charRnn": (lambda private: Recurrent(private, 0, 2), 0.55, SGD, TEXT, TEXT),
    "rnnRelu": (lambda private: Recurrent(private, 0, nonlinearity="relu"), 0.4, SGD, TEXT, TEXT),
    "gpt": (lambda private: Gpt(), 0.49, SGD, {"shape": [6, 6], "below": 11}, {"shape": [6, 6], "below": 11}),
    "encoder": (lambda private: Encoder(), 1.2, SGD, {"shape": [8, 5, 8]}, LABELS),
    "groups": (lambda private: groups(), 2.6, SGD, {"shape": [8, 2, 5, 6]}, LABELS),
    "transposed": (lambda private: transposed(), 0.35, SGD, {"shape": [8, 5]}, {"shape": [8, 2, 8, 8]}),
    "norms": (lambda private: norms(), 2.3, SGD, {"shape": [8, 3, 9]}, LABELS),
    "volumes": (lambda private: volumes(), 1.6, SGD, {"shape": [8, 2, 3, 4, 5]}, LABELS),
    "bags": (lambda private: Bags(), 1.2, SGD, {"shape": [8, 4], "below": 11, "distinct": True}, LABELS),
}


def values(seed, spec, dtype):
    """Of a batch: labels or characters; numbers; or bags without a row twice, since Opacus 1.6 counts such a row once."""
    shape = spec["shape"]
    if spec.get("distinct"):
        drawn = noise(seed, shape[0]).astype("int64")
        places = torch.arange(shape[1])
        return torch.stack([(int(v) % spec["below"] + places * (1 + (int(v) >> 8) % 3)) % spec["below"] for v in drawn])
    n = math.prod(shape)
    if "below" in spec:
        return torch.from_numpy((noise(seed, n) % spec["below"]).astype("int64")).reshape(shape)
    # Rows of unlike size, so that some are clipped.
    rows = torch.tensor([2.0 ** (i % 4 - 1) for i in range(shape[0])], dtype=dtype)
    return torch.from_numpy(uniform(seed, n)).to(dtype).reshape(shape) * rows.reshape(-1, *[1] * (len(shape) - 1))


def fill(model):
    """In the order of names as our models have them: number k is uniform(k) times its bound, rounded to f32."""
    state = dict(model.named_parameters())
    for k, key in enumerate(sorted(state, key=renamed)):
        p = state[key]
        bound = 0.5 if p.ndim < 2 else 1 / math.sqrt(math.prod(p.shape[1:]))
        drawn = (uniform(k, p.numel()).astype("f8") * bound).astype("f4")
        with torch.no_grad():
            p.copy_(torch.from_numpy(drawn).reshape(p.shape))
    return {renamed(key): p for key, p in state.items()}


def renamed(key):
    return key.replace("in_proj.", "in_proj_")


def loss_of(out, y):
    return F.mse_loss(out, y) if y.is_floating_point() else F.cross_entropy(out.reshape(-1, out.shape[-1]), y.reshape(-1))


def one_by_one(make, x, y):
    """Norms of the samples' gradients, each by a backward pass of its own through PyTorch's layers."""
    model = make(False).double()
    named = fill(model)
    found = []
    for i in range(len(x)):
        model.zero_grad()
        loss_of(model(x[i : i + 1]), y[i : i + 1]).backward()
        found.append({key: p.grad.norm().item() for key, p in named.items()})
    return {key: [sample[key] for sample in found] for key in named}


def run(make, c, settings, x, y, dtype, turn=0):
    """`turn`: by how many places the rows of each batch are turned, which changes in what order f32 adds."""
    rows = x["shape"][0]
    order = (torch.arange(rows) + turn) % rows
    model = make(True).to(dtype)
    named = fill(model)
    start = {key: p.detach().clone() for key, p in named.items()}
    wrapped = GradSampleModule(model, batch_first=True, loss_reduction="mean")
    rest = {key: value for key, value in settings.items() if key != "optimizer"}
    inner = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}[settings["optimizer"]](model.parameters(), **rest)
    optimizer = DPOptimizer(inner, noise_multiplier=0.0, max_grad_norm=c, expected_batch_size=rows, loss_reduction="mean")
    first, clipped = None, 0
    for step in range(STEPS):
        optimizer.zero_grad()
        loss_of(wrapped(values(1000 + step, x, dtype)[order]), values(2000 + step, y, dtype)[order]).backward()
        each = {key: p.grad_sample.reshape(rows, -1).norm(dim=1) for key, p in named.items()}
        clipped += int((torch.stack(list(each.values())).norm(dim=0) > c).sum())
        if step == 0:
            first = {key: n.tolist() for key, n in each.items()}
        optimizer.step()
    return {key: p.detach().double() for key, p in named.items()}, start, first, clipped / (STEPS * rows)


def distance(a, b):
    return math.sqrt(sum(float((a[key].double() - b[key].double()).square().sum()) for key in a))


def far(a, b):
    return max(abs(p - q) / max(abs(q), 1e-12) for key in a for p, q in zip(a[key], b[key], strict=True))


def main():
    torch.set_num_threads(1)
    tensors, cases = {}, {}
    for name, (make, c, settings, x, y) in CASES.items():
        truth, start, norms, clipped = run(make, c, settings, x, y, torch.float64)
        alone = one_by_one(make, values(1000, x, torch.float64), values(2000, y, torch.float64))
        off = far(norms, alone)
        if not off < 1e-9:
            raise SystemExit(f"{name}: Opacus' norms are {off} from those of single samples")
        singles = [run(make, c, settings, x, y, torch.float32, turn)[0] for turn in range(x["shape"][0])]
        errors = [distance(single, truth) / distance(truth, start) for single in singles]
        error = max(errors)
        print(f"{name}: {sum(p.numel() for p in truth.values())} weights, {100 * clipped:.0f} % clipped, norms off {off:.1e}, f32 off {min(errors):.1e} to {error:.1e}")
        if not 0.05 < clipped < 0.95:
            raise SystemExit(f"{name}: a threshold that tells nothing")
        tensors |= {f"{name}/{key}": p.contiguous() for key, p in truth.items()}
        cases[name] = {"c": c, **settings, "x": x, "y": y, "clipped": clipped, "error": error, "norms": norms}
    with open(os.path.join(HERE, "opacus.json"), "w") as f:
        json.dump({"opacus": version, "torch": torch.__version__, "steps": STEPS, "cases": cases}, f, indent=1)
        f.write("\n")
    save_file(tensors, os.path.join(HERE, "opacus.safetensors"))


if __name__ == "__main__":
    main()
