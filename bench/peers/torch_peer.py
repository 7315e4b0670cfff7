"""torch_peer.py: PyTorch as a peer: whole training steps (modes compile and autotune: torch.compile, as it comes and with max-autotune;
bf16: under autocast; f64: for the losses that the workloads record), iterations of a GAN, text, and the optimizer phase alone."""
import functools
import worker
from torch_generate import generate_cell
from torch_gpt import GPT
from torch_ops import ops_cell
from torch_ranks import Ranks, stepper
import torch, torch.nn as nn, torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm


class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        layers = [nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])]
        self.net = nn.Sequential(*[m for layer in layers for m in (layer, nn.ReLU())][:-1])

    def forward(self, x):
        return self.net(x)


class LeNet(nn.Sequential):
    def __init__(self):
        conv = lambda i, o: [nn.Conv2d(i, o, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        super().__init__(*conv(1, 32), *conv(32, 64), nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10))


class LastRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.RNN(2, 128, batch_first=True), nn.Linear(128, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


class CharRNN(nn.Module):
    def __init__(self, kind=nn.RNN, embedding=32, hidden=128):
        super().__init__()
        self.embedding, self.rnn, self.out = nn.Embedding(65, embedding), kind(embedding, hidden, batch_first=True), nn.Linear(hidden, 65)

    def forward(self, x):
        return self.out(self.rnn(self.embedding(x))[0])


class ResidualBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        changes = stride != 1 or i != o
        self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if changes else nn.Identity()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        blocks = [ResidualBlock(i, o, 1 if i == o else 2) for i, o in zip(widths, widths[1:])]
        self.net = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        return self.net(x)


class NCF(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items, self.mlp = nn.Embedding(50000, 64), nn.Embedding(20000, 64), MLP([128, 128, 64, 1])

    def forward(self, x):
        return self.mlp(torch.cat([self.users(x[:, 0]), self.items(x[:, 1])], 1)).squeeze(1)


def build(kind, ws):
    if kind == "mlp":
        return MLP([ws[0].shape[1], *(w.shape[0] for w in ws[::2])])
    if kind.startswith("gpt"):
        (vocabulary, width), context = ws[0].shape, ws[1].shape[0]
        return GPT(vocabulary, context, (len(ws) - 4) // 12, int(kind[4:]), width)
    if kind in ("char-lstm", "char-gru"):
        return CharRNN(nn.LSTM if kind == "char-lstm" else nn.GRU, 64, 256)
    return {"rnn-last": LastRNN, "char-rnn": CharRNN, "resnet20": ResNet20, "ncf": NCF, "lenet": LeNet}[kind]()


def step_parts(name, mode, wrap=lambda model: model, part=(0, 1)):
    """A model's parameters, its loss on one batch (or on one of so many parts of its rows), and its optimizer."""
    from workloads import workload

    kind, ws, x, y, loss, optimizer = workload(name)
    dtype = torch.float64 if "f64" in mode else torch.float32
    model = build(kind, ws)
    ps = list(model.parameters())
    with torch.no_grad():
        for p, w in zip(ps, ws, strict=True):
            p.copy_(torch.from_numpy(w))
    model.to(dtype)
    ps = list(model.parameters())
    x, y = (torch.from_numpy(a).chunk(part[1])[part[0]].contiguous() for a in (x, y))
    x, y = (t.to(dtype) if t.is_floating_point() else t for t in (x, y))
    if x.ndim == 4:  # images: convolutions take a fifth less this way
        model, x = (t.to(memory_format=torch.channels_last) for t in (model, x))
    if optimizer == "adamw":
        opt = torch.optim.AdamW(ps, lr=1e-4, fused=True)
    else:
        opt = torch.optim.SGD(ps, lr=1e-4, momentum=0.9, fused=True)
    model = wrap(model)
    cross_entropy = lambda o, y: F.cross_entropy(o.reshape(-1, o.shape[-1]), y.reshape(-1))
    criterion = cross_entropy if loss == "ce" else F.mse_loss
    forward = lambda: criterion(model(x), y)
    return ps, prepared(forward, mode), opt


def prepared(f, mode):
    """As the modes have it: what is compiled computes under autocast too."""
    if "autotune" in mode:
        f = torch.compile(f, mode="max-autotune")
    elif "compile" in mode:
        f = torch.compile(f)
    return torch.autocast("cpu", torch.bfloat16)(f) if "bf16" in mode else f


def product(mode, m, n, k):
    """x[m, k] by w[n, k] transposed, as a linear layer has it."""
    x, w = torch.randn(m, k), torch.randn(n, k)
    multiply = prepared(F.linear, mode)

    @torch.no_grad()
    def call():
        multiply(x, w)

    return call


def warm_up():
    """A small step of everything, so that what is loaded with the first use is not counted as a model's memory."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 4))
    opt = torch.optim.AdamW(model.parameters(), fused=True)
    F.cross_entropy(model(torch.zeros(2, 1, 4, 4)), torch.zeros(2, dtype=torch.int64)).backward()
    clip_grad_norm_(model.parameters(), 1.0, foreach=True)
    opt.step()


def step_cell(args):
    warm_up()
    memory = worker.watch_memory()
    ps, forward, opt = step_parts(args.cell, args.mode)

    def step(clip):
        opt.zero_grad(set_to_none=True)
        value = forward()
        value.backward()
        norm = clip_grad_norm_(ps, 1.0, foreach=True) if clip else None
        opt.step()
        return value, norm

    first = [[t.item() for t in step(True)] for _ in range(3)]
    memory_mib = memory()
    step(False)
    info = {"params": sum(p.numel() for p in ps), "memory_mib": memory_mib, "loss": [v for v, _ in first], "norm": [n for _, n in first]}
    info |= worker.precision(args)
    products = worker.products(args, lambda *sizes: product(args.mode, *sizes))
    return info, {"step": lambda: step(True), "noclip": lambda: step(False), **products}


def ranks_cell(args):
    """Processes of one thread each under DistributedDataParallel, beside this process with as many threads."""
    ranks = Ranks(args.cell, args.threads)
    ps, forward, opt = step_parts(args.cell, args.mode)
    step = stepper(ps, forward, opt)
    first = [step() for _ in range(3)]
    info = {"params": sum(p.numel() for p in ps), "library": "gloo", "chunk_loss": [v.item() for v, _ in first], "chunk_norm": [n.item() for _, n in first]}
    return info | ranks.first, {"ranks": ranks.sample, "threads": step}


def clip_cell(args):
    case, optimizer = args.cell.split("/")
    torch.manual_seed(0)
    ps = [torch.randn(shape, requires_grad=True) for shape in worker.CLIP_CASES[case]]
    for p in ps:
        p.grad = torch.randn_like(p)
    if optimizer == "adamw":
        opt = torch.optim.AdamW(ps, lr=1e-6, fused=True)
    else:
        opt = torch.optim.SGD(ps, lr=1e-6, momentum=0.9, fused=True)
    variants = {
        "update": opt.step,
        "norm": lambda: get_total_norm([p.grad for p in ps], foreach=True),
        "global_norm_step": lambda: (clip_grad_norm_(ps, 1.0, foreach=True), opt.step()),
        "value_step": lambda: (clip_grad_value_(ps, 0.5, foreach=True), opt.step()),
    }
    for call in variants.values():
        call()
    return {"params": sum(p.numel() for p in ps), "tensors": len(ps)}, variants


def each_norm(ps, most):
    """Each tensor's own norm, all at once: a loop of clip_grad_norm_ calls takes several times as long."""
    grads = [p.grad for p in ps]
    scales = torch.clamp(most / (torch.stack(torch._foreach_norm(grads)) + 1e-6), max=1.0)
    torch._foreach_mul_(grads, scales.unbind())


# What PyTorch has of the library's policies and optimizers, by the library's names.
POLICIES = {
    "none": lambda ps: get_total_norm([p.grad for p in ps], foreach=True),
    "value": lambda ps: clip_grad_value_(ps, 0.01, foreach=True),
    "value unchecked": lambda ps: clip_grad_value_(ps, 0.01, foreach=True),
    "globalNorm": lambda ps: clip_grad_norm_(ps, 1.0, foreach=True),
    "globalNorm 1": lambda ps: clip_grad_norm_(ps, 1.0, norm_type=1.0, foreach=True),
    "globalNorm inf": lambda ps: clip_grad_norm_(ps, 0.01, norm_type=float("inf"), foreach=True),
    "globalNorm 3": lambda ps: clip_grad_norm_(ps, 1.0, norm_type=3.0, foreach=True),
    "perTensorNorm": lambda ps: each_norm(ps, 0.5),
}
OPTIMIZERS = {
    "adadelta": lambda ps, lr: torch.optim.Adadelta(ps, lr=lr, foreach=True),
    "adafactor": lambda ps, lr: torch.optim.Adafactor(ps, lr=lr, foreach=True),
    "adagrad": lambda ps, lr: torch.optim.Adagrad(ps, lr=lr, fused=True),
    "adam": lambda ps, lr: torch.optim.Adam(ps, lr=lr, fused=True),
    "adamax": lambda ps, lr: torch.optim.Adamax(ps, lr=lr, foreach=True),
    "adamw": lambda ps, lr: torch.optim.AdamW(ps, lr=lr, fused=True),
    "muon": lambda ps, lr: torch.optim.Muon(ps, lr=lr),
    "nadam": lambda ps, lr: torch.optim.NAdam(ps, lr=lr, foreach=True),
    "radam": lambda ps, lr: torch.optim.RAdam(ps, lr=lr, foreach=True),
    "rmsprop": lambda ps, lr: torch.optim.RMSprop(ps, lr=lr, foreach=True),
    "sgd": lambda ps, lr: torch.optim.SGD(ps, lr=lr, fused=True),
}


@functools.lru_cache(1)
def alone(place):
    """Parameters with gradients, and copies of these: a clip writes over them."""
    ps = [torch.from_numpy(worker.parameter(i, shape)).requires_grad_() for i, shape in enumerate(worker.CLIP_CASES[place])]
    return ps, [torch.from_numpy(worker.gradient(i, p.shape)) for i, p in enumerate(ps)]


def policies_cell(args):
    kind, place, name = args.cell.split("/")
    known = POLICIES if kind == "policy" else OPTIMIZERS
    if name not in known:
        raise worker.Unsupported(f"PyTorch has no {kind} {name}")
    clip = POLICIES[name if kind == "policy" else "globalNorm"]
    digest = None
    if place in worker.CLIP_CASES:
        ps, grads = alone(place)
        opt, forward = torch.optim.AdamW(ps, lr=1e-6, fused=True), None

        def refresh():
            for p, g in zip(ps, grads):
                p.grad = g.clone()

        def digest():
            refresh()
            clip(ps)
            return worker.digest_of(p.grad for p in ps)

        refresh()
    else:
        ps, forward, opt = step_parts(place, args.mode)
    if kind == "optimizer":
        if name == "muon" and any(p.ndim != 2 for p in ps):
            raise worker.Unsupported("PyTorch's Muon takes matrices only")
        opt = OPTIMIZERS[name](ps, 1e-4 if forward else 1e-6)

    def step(clipped):
        value = norm = None
        if forward:
            opt.zero_grad(set_to_none=True)
            value = forward()
            value.backward()
        if clipped:
            norm = clip(ps)
        opt.step()
        return value, norm

    info = {"params": sum(p.numel() for p in ps), "tensors": len(ps), "digest": digest}
    first = [step(True)]
    order = float(name.split()[1]) if name.startswith("globalNorm ") else 2.0  # the norm that the policy is of
    info["norm_after"] = [get_total_norm([p.grad for p in ps], norm_type=order, foreach=True).item()]
    first += [step(True) for _ in range(2)]
    step(False)
    if forward and kind == "policy" and name == "globalNorm":
        info |= {"loss": [v.item() for v, _ in first], "norm": [n.item() for _, n in first]}
    return info, {"without": lambda: step(False), "with": lambda: step(True)}


def gan_cell(args):
    from wgan import ITERATIONS, Training

    if args.cell != "wgan":
        raise worker.Unsupported(f"no {args.cell} among the peers")
    # Tensors this small are updated fastest one by one.
    training = Training(compiled="compile" in args.mode, foreach=False)
    first = [training.iteration() for _ in range(ITERATIONS)]
    critic = [loss.item() for losses, _ in first for loss in losses]
    info = {"params": sum(p.numel() for p in training.model.parameters()), "critic": critic, "generator": [loss.item() for _, loss in first]}
    return info, {"step": training.iteration}


def open_cell(args):
    torch.set_num_threads(args.threads)
    if args.suite == "gan":
        return gan_cell(args)
    if args.suite == "policies":
        return policies_cell(args)
    if args.suite == "step":
        return step_cell(args)
    if args.suite == "clip-step":
        return clip_cell(args)
    if args.suite == "ops":
        return ops_cell(args)
    if args.suite == "mpi":
        return ranks_cell(args)
    if args.suite == "generate":
        return generate_cell(build, args)
    raise worker.Unsupported("products are the part of numpy_peer.py")


if __name__ == "__main__":
    worker.serve(open_cell)
