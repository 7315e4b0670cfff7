"""opacus_peer.py: Opacus as a peer: training steps that clip the gradient of each sample and add noise, in the way and on the threads that are fastest.

Ways: ghost (norms without gradients of samples, where it knows the layer), and hooks (gradients of samples). It has no ghost norms for recurrent
layers, convolutions and norms: there its mode ghost makes gradients of samples, layer by layer.
"""
import math, sys, time, warnings

warnings.simplefilter("ignore")
import worker
from torch_gpt import GPT
from torch_peer import CharRNN, build
import torch, torch.nn as nn, torch.nn.functional as F
from opacus import PrivacyEngine
from opacus.layers import DPLSTM

NOISE = 1.1


class Untied(GPT):
    """With a head of its own, which is more to clip and to update: Opacus takes no table that is used twice. And positions through their layer."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.head = nn.Linear(sizes[-1], sizes[0], bias=False)

    def forward(self, x):
        places = torch.arange(x.shape[1]).expand(x.shape).contiguous()
        return self.head(self.norm(self.blocks(self.embedding(x) + self.positions(places))))


def private_twin(kind, ws):
    """The workload's model of what Opacus can clip, with its weights; and whether it is another one."""
    plain = build(kind, ws)
    with torch.no_grad():
        for p, w in zip(plain.parameters(), ws, strict=True):
            p.copy_(torch.from_numpy(w))
    if kind == "char-lstm":
        twin = CharRNN(DPLSTM, 64, 256)
    elif kind.startswith("gpt"):
        (vocabulary, width), context = ws[0].shape, ws[1].shape[0]
        twin = Untied(vocabulary, context, (len(ws) - 4) // 12, int(kind[4:]), width)
    else:
        return plain, False
    twin.load_state_dict(plain.state_dict(), strict=False)
    if hasattr(twin, "head"):
        twin.head.weight.data.copy_(twin.embedding.weight.data)
    return twin, hasattr(twin, "head")


def stepper(name, way, noise=NOISE):
    """A call that does one step and gives its loss; then the model as Opacus has wrapped it."""
    from workloads import workload

    kind, ws, x, y, loss, optimizer = workload(name)
    if loss != "ce" or kind == "resnet20":
        raise worker.Unsupported(f"no {name} among what is trained in private")
    model, other = private_twin(kind, ws)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    if optimizer == "adamw":
        opt = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    else:
        opt = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=True)
    # One batch of all rows: the sum is divided by as many.
    rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=len(x))
    made = PrivacyEngine().make_private(
        module=model,
        optimizer=opt,
        data_loader=rows,
        criterion=nn.CrossEntropyLoss(),
        noise_multiplier=noise,
        max_grad_norm=1.0,
        poisson_sampling=False,
        grad_sample_mode=way,
    )
    model, opt, criterion = made[0], made[1], made[2] if way == "ghost" else F.cross_entropy

    def step():
        opt.zero_grad()
        out = model(x)
        flat = out.reshape(-1, out.shape[-1]), y.reshape(-1)
        value = criterion(*flat, **({"shape": out.shape} if way == "ghost" and out.ndim == 3 else {}))
        value.backward()
        opt.step()
        return value

    return step, model, other


def first(name, way):
    """Loss of the first step, and the mean norm of its samples' gradients, without noise."""
    step, model, other = stepper(name, way, 0.0)
    seen = []
    if way == "ghost":
        value = step().item()
        norms = model.per_sample_gradient_norms
    else:
        value = step().item()
        norms = torch.stack([p.grad_sample.flatten(1).norm(dim=1) for p in model.parameters() if p.grad_sample is not None]).norm(dim=0)
    return value, norms.mean().item(), other


def timed(step, most):
    """Seconds of a step; infinite where it takes far longer than another way."""
    start = time.perf_counter()
    step()
    if time.perf_counter() - start > 5 * most:
        return math.inf
    times = []
    for _ in range(3):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)


def open_cell(args):
    if args.suite != "privacy":
        raise worker.Unsupported("private steps alone")
    tried = {}
    for way in ("hooks", "ghost"):
        for threads in sorted({1, args.threads}):
            torch.set_num_threads(threads)
            try:
                tried[way, threads] = timed(stepper(args.cell, way)[0], min(tried.values(), default=math.inf))
            except (NotImplementedError, RuntimeError, AttributeError, ValueError) as fault:
                print(f"{args.cell} by {way}: {fault}", file=sys.stderr)
    if not tried:
        raise worker.Unsupported("it has no way that takes this model")
    way, threads = min(tried, key=tried.get)
    torch.set_num_threads(threads)
    value, norm, other = first(args.cell, way)
    step, model, _ = stepper(args.cell, way)
    for _ in range(3):
        step()
    info = {"params": sum(p.numel() for p in model.parameters()), "way": way, "own_threads": threads, "loss": [value], "norm": [norm]}
    others = {f"{w}_{t}_ms": round(1e3 * s, 3) for (w, t), s in tried.items() if math.isfinite(s)}
    return info | others | ({"untied": True} if other else {}), {"private": step}


if __name__ == "__main__":
    worker.serve(open_cell)
