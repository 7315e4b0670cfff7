"""torch_peer.py: PyTorch as a peer: whole training steps (mode compile: torch.compile; mode f64: for the losses that the
workloads record), and the optimizer phase alone."""
import worker
import torch, torch.nn as nn, torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm


class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        layers = [nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])]
        self.net = nn.Sequential(*[m for layer in layers for m in (layer, nn.ReLU())][:-1])

    def forward(self, x):
        return self.net(x)


class LastRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.RNN(2, 128, batch_first=True), nn.Linear(128, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


class CharRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn, self.out = nn.Embedding(65, 32), nn.RNN(32, 128, batch_first=True), nn.Linear(128, 65)

    def forward(self, x):
        return self.out(self.rnn(self.embedding(x))[0])


class NCF(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items, self.mlp = nn.Embedding(50000, 64), nn.Embedding(20000, 64), MLP([128, 128, 64, 1])

    def forward(self, x):
        return self.mlp(torch.cat([self.users(x[:, 0]), self.items(x[:, 1])], 1)).squeeze(1)


def build(kind, ws):
    if kind == "mlp":
        return MLP([ws[0].shape[1], *(w.shape[0] for w in ws[::2])])
    return {"rnn-last": LastRNN, "char-rnn": CharRNN, "ncf": NCF}[kind]()


def step_cell(args):
    from workloads import workload

    kind, ws, x, y, loss, optimizer = workload(args.cell)
    dtype = torch.float64 if args.mode == "f64" else torch.float32
    model = build(kind, ws)
    ps = list(model.parameters())
    with torch.no_grad():
        for p, w in zip(ps, ws, strict=True):
            p.copy_(torch.from_numpy(w))
    model.to(dtype)
    ps = list(model.parameters())
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    x, y = (t.to(dtype) if t.is_floating_point() else t for t in (x, y))
    if optimizer == "adamw":
        opt = torch.optim.AdamW(ps, lr=1e-4, fused=True)
    else:
        opt = torch.optim.SGD(ps, lr=1e-4, momentum=0.9, fused=True)
    cross_entropy = lambda o, y: F.cross_entropy(o.reshape(-1, o.shape[-1]), y.reshape(-1))
    criterion = cross_entropy if loss == "ce" else F.mse_loss
    forward = lambda: criterion(model(x), y)
    if args.mode == "compile":
        forward = torch.compile(forward)

    def step(clip):
        opt.zero_grad(set_to_none=True)
        value = forward()
        value.backward()
        norm = clip_grad_norm_(ps, 1.0, foreach=True) if clip else None
        opt.step()
        return value, norm

    first = [[t.item() for t in step(True)] for _ in range(3)]
    step(False)
    info = {"params": sum(p.numel() for p in ps), "loss": [v for v, _ in first], "norm": [n for _, n in first]}
    return info, {"step": lambda: step(True), "noclip": lambda: step(False)}


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


def open_cell(args):
    torch.set_num_threads(args.threads)
    if args.suite == "step":
        return step_cell(args)
    if args.suite == "clip-step":
        return clip_cell(args)
    raise worker.Unsupported("products are the part of numpy_peer.py")


worker.serve(open_cell)
