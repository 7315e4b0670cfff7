# Makes optimizers.json: run it with a Python that has PyTorch, optax, pytorch_optimizer or schedulefree: each adds its cases to the file.
# 20 steps of every optimizer in f64 on a vector and two matrices, among them a step with a gradient of 0 and one with a huge one; kept
# are the parameters after steps 1, 6, 10 and 20. `source` says where the values come from: PyTorch 2.13, optax 0.2.8, pytorch_optimizer
# 4.1.0, schedulefree 1.4.1, or a plain transcription of the paper (below) where none has it, or has it right.
import json
import math
import os

import numpy as np

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.json")
SHAPES = [(7,), (4, 6), (5, 3)]
KEPT = (1, 6, 10, 20)
STEPS = 20
cases = {}


# Both must be as in golden-optimizers.test.ts: every value is a multiple of 2^-6, exact in f32.
def start(k, shape):
    n = math.prod(shape)
    return np.array([((i * 29 + k * 53 + 11) % 127 - 63) / 64 for i in range(n)]).reshape(shape)


def gradient(t, k, shape):
    n = math.prod(shape)
    g = np.array([((i * 37 + t * 101 + k * 67 + 17) % 127 - 63) / 64 for i in range(n)]).reshape(shape)
    return g * (0 if t == 5 else 1024 if t == 8 else 1)


def case(name, source, optimizer, options, run, tolerance=None, only=None, lookahead=None, average=None, warmup=None):
    """run(params) gives a function that takes the gradients of a step and returns the parameters after it; with `average`, the slot that
    holds what is to be compared with them, and that as well."""
    kept = [k for k in range(len(SHAPES)) if only is None or k in only]
    step = run([start(k, SHAPES[k]) for k in kept])
    values, averages = {}, {}
    short = lambda xs: [[float(f"{v:.8g}") for v in np.asarray(x).ravel()] for x in xs]
    for t in range(STEPS):
        p = step([gradient(t, k, SHAPES[k]) for k in kept])
        if average:
            p, means = p
        if t + 1 in KEPT:
            values[t + 1] = short(p)
            if average:
                averages[t + 1] = short(means)
    cases[name] = {"source": source, "optimizer": optimizer, "options": options, "tensors": kept, "values": values}
    if average:
        cases[name]["average"] = {"slot": average, "values": averages}
    if warmup:
        cases[name]["warmup"] = warmup
    if lookahead:
        cases[name]["lookahead"] = lookahead
    if tolerance:
        cases[name]["tolerance"] = tolerance


def transcribed(update):
    """update(t, p, g, state) -> p, with state a dict per tensor that begins empty; t counts from 1."""

    def run(params):
        params = list(params)
        states = [{} for _ in params]
        t = 0

        def step(grads):
            nonlocal t
            t += 1
            for k, g in enumerate(grads):
                params[k] = update(t, params[k], g, states[k])
            return params

        return step

    return run


# ---- PyTorch -----------------------------------------------------------------------------------------------------------------
def torch_runner():
    import torch

    torch.set_default_dtype(torch.float64)

    def run(make, average=None):
        """average(opt, p): what is to be compared beside the parameters."""

        def started(params):
            ps = [torch.nn.Parameter(torch.tensor(p)) for p in params]
            opt = make(ps)

            def step(grads):
                for p, g in zip(ps, grads):
                    p.grad = torch.tensor(g)
                opt.step()
                now = [p.detach().numpy() for p in ps]
                return (now, [average(opt, p).detach().numpy() for p in ps]) if average else now

            return step

        return started

    return torch, run


def from_torch():
    torch, run = torch_runner()
    o = torch.optim
    one = {"foreach": False}
    for name, ours, options, make in [
        ("adagrad", "adagrad", {}, lambda ps: o.Adagrad(ps, **one)),
        ("adagrad, all options", "adagrad", {"lr": 0.1, "lrDecay": 0.1, "weightDecay": 0.1, "initialAccumulatorValue": 0.5, "eps": 1e-3},
         lambda ps: o.Adagrad(ps, lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-3, **one)),
        ("rmsprop", "rmsprop", {}, lambda ps: o.RMSprop(ps, **one)),
        ("rmsprop, momentum and decay", "rmsprop", {"momentum": 0.9, "weightDecay": 0.1},
         lambda ps: o.RMSprop(ps, momentum=0.9, weight_decay=0.1, **one)),
        ("rmsprop, centered", "rmsprop", {"centered": True, "alpha": 0.9},
         lambda ps: o.RMSprop(ps, centered=True, alpha=0.9, **one)),
        ("rmsprop, centered and momentum", "rmsprop", {"centered": True, "momentum": 0.5, "lr": 1e-3},
         lambda ps: o.RMSprop(ps, centered=True, momentum=0.5, lr=1e-3, **one)),
        ("adadelta", "adadelta", {}, lambda ps: o.Adadelta(ps, **one)),
        ("adadelta, all options", "adadelta", {"lr": 0.5, "rho": 0.95, "eps": 1e-4, "weightDecay": 0.1},
         lambda ps: o.Adadelta(ps, lr=0.5, rho=0.95, eps=1e-4, weight_decay=0.1, **one)),
        ("sgd, nesterov and decay", "sgd", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weightDecay": 0.1},
         lambda ps: o.SGD(ps, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1, **one)),
        ("adam", "adam", {}, lambda ps: o.Adam(ps, **one)),
        ("adam, amsgrad and decay", "adam", {"lr": 0.01, "amsgrad": True, "weightDecay": 0.1},
         lambda ps: o.Adam(ps, lr=0.01, amsgrad=True, weight_decay=0.1, **one)),
        ("adamw", "adamw", {}, lambda ps: o.AdamW(ps, **one)),
        ("adamw, amsgrad", "adamw", {"lr": 0.01, "amsgrad": True, "betas": [0.8, 0.9]},
         lambda ps: o.AdamW(ps, lr=0.01, amsgrad=True, betas=(0.8, 0.9), **one)),
        ("adamax", "adamax", {}, lambda ps: o.Adamax(ps, **one)),
        ("adamax, all options", "adamax", {"lr": 0.1, "betas": [0.8, 0.9], "eps": 1e-4, "weightDecay": 0.1},
         lambda ps: o.Adamax(ps, lr=0.1, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, **one)),
        ("nadam", "nadam", {}, lambda ps: o.NAdam(ps, **one)),
        ("nadam, decay", "nadam", {"lr": 0.1, "weightDecay": 0.1, "momentumDecay": 0.1},
         lambda ps: o.NAdam(ps, lr=0.1, weight_decay=0.1, momentum_decay=0.1, **one)),
        ("nadam, decoupled decay", "nadam", {"weightDecay": 0.1, "decoupledWeightDecay": True},
         lambda ps: o.NAdam(ps, weight_decay=0.1, decoupled_weight_decay=True, **one)),
        ("radam", "radam", {}, lambda ps: o.RAdam(ps, **one)),
        ("radam, decay", "radam", {"lr": 0.1, "betas": [0.8, 0.99], "weightDecay": 0.1},
         lambda ps: o.RAdam(ps, lr=0.1, betas=(0.8, 0.99), weight_decay=0.1, **one)),
        ("radam, decoupled decay", "radam", {"weightDecay": 0.1, "decoupledWeightDecay": True},
         lambda ps: o.RAdam(ps, weight_decay=0.1, decoupled_weight_decay=True, **one)),
    ]:
        case(name, f"torch.optim {torch.__version__.split('+')[0]}, f64", ours, options, run(make))
    source = f"torch.optim {torch.__version__.split('+')[0]}, f64"
    for name, options, make in [
        ("asgd", {"t0": 8}, lambda ps: o.ASGD(ps, t0=8, **one)),
        ("asgd, all options", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 0, "weightDecay": 0.1},
         lambda ps: o.ASGD(ps, lr=0.1, lambd=0.1, alpha=0.5, t0=0, weight_decay=0.1, **one)),
    ]:
        case(name, source, "asgd", options, run(make, lambda opt, p: opt.state[p]["ax"]), average="ax")
    sizes = lambda opt, p: opt.state[p]["step_size"]
    case("rprop", source, "rprop", {}, run(lambda ps: o.Rprop(ps, **one), sizes), average="step_size")
    case("rprop, all options", source, "rprop", {"lr": 0.1, "etas": [0.25, 1.5], "stepSizes": [0.03, 0.3]},
         run(lambda ps: o.Rprop(ps, lr=0.1, etas=(0.25, 1.5), step_sizes=(0.03, 0.3), **one), sizes), average="step_size")
    eps1 = 2.0**-23
    case("adafactor", source, "adafactor", {}, run(lambda ps: o.Adafactor(ps, eps=(eps1, 1e-3), **one)))
    case("adafactor, all options", source, "adafactor",
         {"lr": 0.5, "beta2Decay": -0.5, "eps": [1e-3, 0.1], "clip": 1.5, "weightDecay": 0.1},
         run(lambda ps: o.Adafactor(ps, lr=0.5, beta2_decay=-0.5, eps=(1e-3, 0.1), d=1.5, weight_decay=0.1, **one)))

    # Its iterations are in bfloat16, of which nothing exact follows: the cast is left out.
    torch.Tensor.bfloat16 = lambda self: self.clone()
    source += ", iterations in f64 too"
    case("muon", source, "muon", {}, run(lambda ps: o.Muon(ps)), only=(1, 2))
    case("muon, all options", source, "muon",
         {"lr": 0.1, "weightDecay": 0.3, "momentum": 0.8, "nesterov": False, "iterations": 3, "coefficients": [2, -1.5, 0.5],
          "adjustLr": "matchRmsAdamw"},
         run(lambda ps: o.Muon(ps, lr=0.1, weight_decay=0.3, momentum=0.8, nesterov=False, ns_steps=3,
                               ns_coefficients=(2, -1.5, 0.5), adjust_lr_fn="match_rms_adamw")), only=(1, 2))


# ---- others in PyTorch -------------------------------------------------------------------------------------------------------
def from_pytorch_optimizer():
    from importlib.metadata import version

    _, run = torch_runner()
    import pytorch_optimizer as o

    one = {"foreach": False}
    source = f"pytorch_optimizer {version('pytorch_optimizer')}, f64"
    for name, ours, options, make in [
        ("adabelief", "adabelief", {}, lambda ps: o.AdaBelief(ps, **one)),
        ("adabelief, all options", "adabelief", {"lr": 0.1, "betas": [0.8, 0.9], "eps": 1e-4, "weightDecay": 0.1},
         lambda ps: o.AdaBelief(ps, lr=0.1, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, **one)),
        ("adabelief, decay in the gradient", "adabelief", {"lr": 0.01, "eps": 1e-8, "weightDecay": 0.1, "decoupledWeightDecay": False},
         lambda ps: o.AdaBelief(ps, lr=0.01, eps=1e-8, weight_decay=0.1, weight_decouple=False, **one)),
        ("adan", "adan", {}, lambda ps: o.Adan(ps, **one)),
        ("adan, proximal decay", "adan", {"lr": 0.1, "betas": [0.8, 0.7, 0.9], "eps": 1e-4, "weightDecay": 0.1},
         lambda ps: o.Adan(ps, lr=0.1, betas=(0.8, 0.7, 0.9), eps=1e-4, weight_decay=0.1, **one)),
        ("adan, decay before the step", "adan", {"lr": 0.1, "weightDecay": 0.1, "noProx": True},
         lambda ps: o.Adan(ps, lr=0.1, weight_decay=0.1, weight_decouple=True, **one)),
        ("yogi", "yogi", {}, lambda ps: o.Yogi(ps, **one)),
        ("yogi, all options", "yogi", {"lr": 0.1, "betas": [0.8, 0.9], "eps": 1e-2, "initialAccumulatorValue": 0.1, "weightDecay": 0.1},
         lambda ps: o.Yogi(ps, lr=0.1, betas=(0.8, 0.9), eps=1e-2, initial_accumulator=0.1, weight_decay=0.1, **one)),
        ("yogi, decay in the gradient", "yogi", {"weightDecay": 0.1, "decoupledWeightDecay": False},
         lambda ps: o.Yogi(ps, weight_decay=0.1, weight_decouple=False, **one)),
        ("novograd", "novograd", {}, lambda ps: o.NovoGrad(ps, **one)),
        ("novograd, all options", "novograd", {"lr": 0.1, "betas": [0.8, 0.5], "eps": 1e-3, "weightDecay": 0.1, "gradAveraging": True},
         lambda ps: o.NovoGrad(ps, lr=0.1, betas=(0.8, 0.5), eps=1e-3, weight_decay=0.1, grad_averaging=True, **one)),
    ]:
        case(name, source, ours, options, run(make))


def from_schedulefree():
    from importlib.metadata import version

    torch, run = torch_runner()
    from schedulefree import AdamWScheduleFree

    def trained(ps, **options):
        opt = AdamWScheduleFree(ps, foreach=False, **options)
        opt.train()
        return opt

    def average(opt, p):
        """What eval() makes of it."""
        beta1 = opt.param_groups[0]["betas"][0]
        return torch.lerp(p, opt.state[p]["z"], 1 - 1 / beta1)

    source = f"schedulefree {version('schedulefree')}, f64"
    for name, options, warmup, make in [
        ("scheduleFree", {}, None, lambda ps: trained(ps)),
        ("scheduleFree, all options", {"lr": 0.1, "betas": [0.8, 0.9], "eps": 1e-3, "weightDecay": 0.1, "r": 1, "weightLrPower": 1}, 7,
         lambda ps: trained(ps, lr=0.1, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1, r=1, weight_lr_power=1, warmup_steps=7)),
    ]:
        case(name, source, "scheduleFree", options, run(make, average), average="x", warmup=warmup)


# ---- optax -------------------------------------------------------------------------------------------------------------------
def from_optax():
    import jax

    jax.config.update("jax_enable_x64", True)
    import optax

    def run(tx):
        def started(params):
            ps = [jax.numpy.asarray(p) for p in params]
            state = tx.init(ps)

            def step(grads):
                nonlocal ps, state
                updates, state = tx.update([jax.numpy.asarray(g) for g in grads], state, ps)
                ps = optax.apply_updates(ps, updates)
                return ps

            return step

        return started

    source = f"optax {optax.__version__}, f64"
    case("lion", source, "lion", {}, run(optax.lion(1e-4, weight_decay=0.0)))
    case("lion, decay", source, "lion", {"lr": 0.01, "betas": [0.95, 0.98], "weightDecay": 0.1},
         run(optax.lion(0.01, b1=0.95, b2=0.98, weight_decay=0.1)))
    case("adopt", source, "adopt", {}, run(optax.contrib.adopt(1e-3)))
    case("lamb", source, "lamb", {}, run(optax.lamb(1e-3, weight_decay=0.01)))
    case("lamb, large steps and decay", source, "lamb", {"lr": 0.1, "betas": [0.8, 0.9], "weightDecay": 0.3, "eps": 1e-3},
         run(optax.lamb(0.1, b1=0.8, b2=0.9, eps=1e-3, weight_decay=0.3)))
    case("adabelief, as optax", source, "adabelief", {}, run(optax.adabelief(1e-3)))
    case("yogi, as optax", source, "yogi", {"lr": 0.1, "betas": [0.8, 0.99]}, run(optax.yogi(0.1, b1=0.8, b2=0.99)))
    case("novograd, as optax", source, "novograd", {"lr": 0.01, "betas": [0.9, 0.25], "eps": 1e-6, "weightDecay": 0.1},
         run(optax.novograd(0.01, weight_decay=0.1)))
    # Without weight decay optax's LARS is the paper's.
    case("lars", source, "lars", {}, run(optax.lars(1.0)))
    case("lars, eps", source, "lars", {"lr": 5, "trust": 0.01, "momentum": 0.5, "eps": 0.1},
         run(optax.lars(5.0, trust_coefficient=0.01, momentum=0.5, eps=0.1)))


# ---- papers ------------------------------------------------------------------------------------------------------------------
def from_papers():
    def adopt(lr=1e-3, b1=0.9, b2=0.9999, eps=1e-6, wd=0.0, decoupled=False, limit=lambda s: s**0.25):
        def update(t, p, g, s):
            if not decoupled:
                g = g + wd * p
            if t == 1:
                s["v"], s["m"] = g * g, 0 * g
                return p
            if decoupled:
                p = p - lr * wd * p
            c = limit(t - 1)
            ratio = np.clip(g / np.maximum(np.sqrt(s["v"]), eps), -c, c)
            s["m"] = b1 * s["m"] + (1 - b1) * ratio
            s["v"] = b2 * s["v"] + (1 - b2) * g * g
            return p - lr * s["m"]

        return update

    source = "Taniguchi et al. 2024 and the authors' code, transcribed in f64"
    case("adopt, decay", source, "adopt", {"lr": 0.1, "weightDecay": 0.1, "betas": [0.9, 0.99]},
         transcribed(adopt(lr=0.1, wd=0.1, b2=0.99)))
    case("adopt, decoupled decay, clip 0.5", source, "adopt",
         {"lr": 0.1, "weightDecay": 0.1, "decoupledWeightDecay": True, "clip": 0.5},
         transcribed(adopt(lr=0.1, wd=0.1, decoupled=True, limit=lambda s: 0.5)))

    def acclip(lr=1e-3, b1=0.9, b2=0.99, eps=1e-5, alpha=2.0, wd=0.0):
        def update(t, p, g, s):
            s["m"] = b1 * s.get("m", 0 * g) + (1 - b1) * g
            s["tau"] = b2 * s.get("tau", 0 * g) + (1 - b2) * np.abs(g) ** alpha
            u = np.minimum(s["tau"] ** (1 / alpha) / (np.abs(s["m"]) + eps), 1) * s["m"]
            return p * (1 - lr * wd) - lr * u

        return update

    source = "Zhang et al. 2020, algorithm 2, transcribed in f64"
    case("acclip", source, "acclip", {}, transcribed(acclip()))
    case("acclip, alpha 1.5 and decay", source, "acclip", {"lr": 0.1, "alpha": 1.5, "weightDecay": 0.1},
         transcribed(acclip(lr=0.1, alpha=1.5, wd=0.1)))
    case("acclip, alpha 1", source, "acclip", {"lr": 0.1, "alpha": 1}, transcribed(acclip(lr=0.1, alpha=1.0)))

    def lars(lr=1.0, momentum=0.9, wd=0.0, trust=1e-3, eps=0.0):
        def update(t, p, g, s):
            norm, below = np.linalg.norm(p), np.linalg.norm(g) + wd * np.linalg.norm(p) + eps
            local = trust * norm / below if norm > 0 and below > 0 else 1.0
            s["b"] = momentum * s.get("b", 0 * g) + lr * local * (g + wd * p)
            return p - s["b"]

        return update

    def lookahead(inner, k=5, alpha=0.5):
        def update(t, p, g, s):
            s.setdefault("slow", p)
            fast = inner(t, p, g, s.setdefault("inner", {}))
            if t % k == 0:
                fast = s["slow"] = s["slow"] + alpha * (fast - s["slow"])
            return fast

        return update

    def sgd(t, p, g, s):
        s["b"] = 0.9 * s["b"] + g if "b" in s else g
        return p - 0.01 * s["b"]

    source = "Zhang et al. 2019, algorithm 1, transcribed in f64"
    momentum = {"lr": 0.01, "momentum": 0.9}
    case("lookahead of sgd", source, "sgd", momentum, transcribed(lookahead(sgd)), lookahead={"k": 5, "alpha": 0.5})
    case("lookahead of sgd, k 3, alpha 0.8", source, "sgd", momentum, transcribed(lookahead(sgd, 3, 0.8)),
         lookahead={"k": 3, "alpha": 0.8})

    source = "You, Gitman and Ginsburg 2017, algorithm 1, transcribed in f64"
    case("lars, decay", source, "lars", {"lr": 20, "weightDecay": 0.1}, transcribed(lars(lr=20.0, wd=0.1)))

    def lamb(lr=1e-3, b1=0.9, b2=0.999, eps=1e-6, wd=0.01, lower=0.0, upper=math.inf):
        def update(t, p, g, s):
            s["m"] = b1 * s.get("m", 0 * g) + (1 - b1) * g
            s["v"] = b2 * s.get("v", 0 * g) + (1 - b2) * g * g
            u = s["m"] / (1 - b1**t) / (np.sqrt(s["v"] / (1 - b2**t)) + eps) + wd * p
            norm, below = np.linalg.norm(p), np.linalg.norm(u)
            ratio = min(max(norm, lower), upper) / below if norm > 0 and below > 0 else 1.0
            return p - lr * ratio * u

        return update

    source = "You et al. 2020, algorithm 2, transcribed in f64"
    case("lamb, bounds of the norm", source, "lamb", {"lr": 0.01, "normBounds": [1.5, 2]},
         transcribed(lamb(lr=0.01, lower=1.5, upper=2.0)))

    def stable_adamw(lr=1e-3, b1=0.9, b2=0.99, eps=1e-6, wd=0.01, d=1.0):
        def update(t, p, g, s):
            c1 = b1 * (1 - b1 ** (t - 1)) / (1 - b1**t)
            c2 = b2 * (1 - b2 ** (t - 1)) / (1 - b2**t)
            s["m"] = c1 * s.get("m", 0 * g) + (1 - c1) * g
            s["v"] = c2 * s.get("v", 0 * g) + (1 - c2) * g * g
            rms = math.sqrt(np.mean(g * g / np.maximum(s["v"], eps * eps)))
            local = lr / max(1.0, rms / d)
            return p - local * wd * p - local * s["m"] / (np.sqrt(s["v"]) + eps)

        return update

    source = "Wortsman et al. 2023, algorithm 2, transcribed in f64"
    case("stableAdamw", source, "stableAdamw", {}, transcribed(stable_adamw()))
    case("stableAdamw, decay and a tight clip", source, "stableAdamw",
         {"lr": 0.1, "betas": [0.8, 0.95], "weightDecay": 0.3, "clip": 0.8},
         transcribed(stable_adamw(lr=0.1, b1=0.8, b2=0.95, wd=0.3, d=0.8)))

    def spam(lr=1e-3, b1=0.9, b2=0.999, eps=1e-6, wd=0.0, theta=5000.0, every=500, warmup=150, after=20):
        def update(t, p, g, s):
            since = (t - 1) % every
            if since == 0:
                s["m"], s["v"] = 0 * g, 0 * g
            if since >= after:
                spike = (g * g > theta * s["v"]) & (s["v"] > 0)
                g = np.where(spike, np.sign(g) * np.sqrt(theta * s["v"]), g)
            s["m"] = b1 * s["m"] + (1 - b1) * g
            s["v"] = b2 * s["v"] + (1 - b2) * g * g
            warm = t > every and since < warmup
            rate = lr * (1 - 0.99 * (1 + math.cos(math.pi * since / (warmup + 1))) / 2) if warm else lr
            k = since + 1
            return p * (1 - lr * wd) - rate * (s["m"] / (1 - b1**k)) / (np.sqrt(s["v"] / (1 - b2**k)) + eps)

        return update

    source = "Huang et al. 2025, transcribed in f64; the correction of the start counts from the last reset"
    case("spam", source, "spam", {}, transcribed(spam()))
    case("spam, spikes and resets", source, "spam",
         {"lr": 0.01, "weightDecay": 0.1, "threshold": 50, "resetEvery": 7, "warmup": 4, "clipAfter": 1},
         transcribed(spam(lr=0.01, wd=0.1, theta=50.0, every=7, warmup=4, after=1)))


def available(module):
    try:
        __import__(module)
        return True
    except ImportError:
        return False


from_papers()
if available("torch"):
    from_torch()
if available("pytorch_optimizer"):
    from_pytorch_optimizer()
if available("schedulefree"):
    from_schedulefree()
if available("optax"):
    from_optax()
if os.path.exists(PATH):
    with open(PATH) as f:
        cases = {**json.load(f)["cases"], **cases}
with open(PATH, "w") as f:
    json.dump({"cases": dict(sorted(cases.items()))}, f, separators=(",", ":"))
    f.write("\n")
