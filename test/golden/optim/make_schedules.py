# make_schedules.py: learning rates of torch.optim.lr_scheduler, for schedule.test.ts. Run: python make_schedules.py > schedules.json
import json
import math
import warnings

import torch
from torch.optim import lr_scheduler as lr

warnings.simplefilter("ignore")


def optimizer(rate, momentum=False):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate, momentum=0.9 if momentum else 0)


def curve(rate, steps, make, momentum=False):
    """What each of `steps` updates sees."""
    o = optimizer(rate, momentum)
    s = make(o)
    rates, momenta = [], []
    for _ in range(steps):
        rates.append(o.param_groups[0]["lr"])
        momenta.append(o.param_groups[0]["momentum"])
        o.step()
        s.step()
    return [rates, momenta] if momentum else rates


def one_cycle(steps, **options):
    """OneCycleLR refuses a step after its last: the update after it is not reached."""
    o = optimizer(0.1, True)
    s = lr.OneCycleLR(o, max_lr=0.5, total_steps=steps, **options)
    rates, momenta = [], []
    for i in range(steps):
        rates.append(o.param_groups[0]["lr"])
        momenta.append(o.param_groups[0]["momentum"])
        o.step()
        if i < steps - 1:
            s.step()
    return [rates, momenta]


def cycled(make, steps=20):
    """What a run makes of parameters when OneCycleLR turns the learning rate and the momentum (or the first beta)."""
    p = torch.nn.Parameter(torch.arange(5, dtype=torch.float64) / 4 - 0.5)
    o = make([p])
    s = lr.OneCycleLR(o, max_lr=0.05, total_steps=steps + 1)
    for t in range(steps):
        p.grad = ((torch.arange(5) * 7 + t * 5) % 33 - 16).double() / 16
        o.step()
        s.step()
    return p.tolist()


def plateau(metrics, rate=0.1, **options):
    o = optimizer(rate)
    s = lr.ReduceLROnPlateau(o, **options)
    rates = []
    for m in metrics:
        s.step(m)
        rates.append(o.param_groups[0]["lr"])
    return {"options": options, "metrics": metrics, "rates": rates}


def inverse_sqrt(peak, warmup, steps):
    """Vaswani et al. 2017, as a transcription: no class of PyTorch has it."""
    return [peak * min(t / warmup, math.sqrt(warmup / t)) for t in range(1, steps + 1)]


def by_epochs(rate, epochs, steps, make):
    """What the updates see of a scheduler that a script steps once an epoch, of so many steps."""
    return [v for v in curve(rate, epochs, make) for _ in range(steps)]


def warmup(o, start, then):
    """LinearLR whose update 4 has the whole rate, then another."""
    line = lr.LinearLR(o, start_factor=start + (1 - start) / 5, total_iters=4)
    return lr.SequentialLR(o, schedulers=[line, then(o)], milestones=[5])


def chained(o):
    return lr.ChainedScheduler([lr.ConstantLR(o, factor=0.1, total_iters=4), lr.ExponentialLR(o, gamma=0.9)], optimizer=o)


def sequential(o):
    parts = [lr.ConstantLR(o, factor=0.1, total_iters=100), lr.LinearLR(o, total_iters=5), lr.ExponentialLR(o, gamma=0.9)]
    return lr.SequentialLR(o, schedulers=parts, milestones=[3, 9])


N = 24
noisy = [1, 0.9, 0.8, 0.8, 0.81, 0.8, 0.79995, 0.7, 0.7, 0.7, 0.7, 0.7, 0.6, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65, 0.65]
values = {
    "constant": curve(0.1, N, lambda o: lr.ConstantLR(o, total_iters=5)),
    "linear": curve(0.1, N, lambda o: lr.LinearLR(o, start_factor=0.25, end_factor=0.5, total_iters=7)),
    "exponential": curve(0.1, N, lambda o: lr.ExponentialLR(o, gamma=0.9)),
    "step": curve(0.1, N, lambda o: lr.StepLR(o, step_size=5, gamma=0.5)),
    "multiStep": curve(0.1, N, lambda o: lr.MultiStepLR(o, milestones=[3, 3, 11], gamma=0.5)),
    "polynomial": curve(0.1, N, lambda o: lr.PolynomialLR(o, total_iters=15, power=1.5)),
    "cosine": curve(0.1, N, lambda o: lr.CosineAnnealingLR(o, T_max=9, eta_min=0.01)),
    "cosineRestarts": curve(0.1, N, lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=5, eta_min=0.02)),
    "cosineRestarts, longer": curve(0.1, 64, lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=4, T_mult=2)),
    "cosineRestarts, three times": curve(0.1, 64, lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=3)),
    "oneCycle": one_cycle(30),
    "oneCycle, linear": one_cycle(25, anneal_strategy="linear", pct_start=0.41, div_factor=10, final_div_factor=100),
    "oneCycle, three phases": one_cycle(40, three_phase=True, base_momentum=0.8, max_momentum=0.9),
    "cyclic": curve(0.1, 40, lambda o: lr.CyclicLR(o, 0.1, 0.5, step_size_up=6, step_size_down=9), True),
    "cyclic, triangular2": curve(0.1, 40, lambda o: lr.CyclicLR(o, 0.1, 0.5, step_size_up=6, mode="triangular2"), True),
    "cyclic, expRange": curve(0.1, 40, lambda o: lr.CyclicLR(o, 0.1, 0.5, step_size_up=6, mode="exp_range", gamma=0.95), True),
    "lambda": curve(0.1, N, lambda o: lr.LambdaLR(o, lambda t: 1 / (1 + t))),
    "multiplicative": curve(0.1, N, lambda o: lr.MultiplicativeLR(o, lambda t: 1 - 1 / (t + 1) ** 2)),
    "sequential": curve(0.1, N, sequential),
    "product": curve(0.1, N, chained),
    "step, by epochs": by_epochs(0.1, 6, 4, lambda o: lr.StepLR(o, step_size=1, gamma=0.7)),
    "multiStep, by epochs": by_epochs(0.1, 6, 4, lambda o: lr.MultiStepLR(o, milestones=[2, 5], gamma=0.5)),
    "constant, by epochs": by_epochs(0.1, 6, 4, lambda o: lr.ConstantLR(o, total_iters=3)),
    "warmup": curve(0.1, N, lambda o: warmup(o, 0, lambda o: lr.CosineAnnealingLR(o, T_max=40))),
    "warmup, from half": curve(0.1, N, lambda o: warmup(o, 0.5, lambda o: lr.ExponentialLR(o, gamma=0.9))),
    "inverseSqrt": inverse_sqrt(0.1, 6, N),
}
plateaus = [
    plateau(noisy, patience=2),
    plateau(noisy, patience=0, factor=0.5, cooldown=2, min_lr=0.03),
    plateau([-m for m in noisy], mode="max", patience=1, threshold=0.05, threshold_mode="abs", factor=0.5),
    plateau(noisy, patience=1, factor=0.5, threshold=0.1, eps=0.02),
    plateau([math.nan, 1, math.nan, math.inf, 2, 2, 0.5], patience=1),
]
for p in plateaus:
    p["metrics"] = [m if math.isfinite(m) else str(m) for m in p["metrics"]]
cycles = {
    "sgd": cycled(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "nesterov": cycled(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
    "adam": cycled(lambda p: torch.optim.Adam(p, lr=0.1)),
    "adamw": cycled(lambda p: torch.optim.AdamW(p, lr=0.1)),
}
print(json.dumps({"values": values, "plateaus": plateaus, "cycles": cycles}))
