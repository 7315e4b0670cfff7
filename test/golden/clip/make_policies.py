# Makes policies-*.json: run it with a Python that has PyTorch, then with one that has optax, then with one that has TensorFlow; each adds its cases.
# 20 steps of every clip policy in float64: spikes, a step of 0, a tiny and a huge one, one where a norm is exactly a threshold, and one
# with a NaN, which the library skips and no rule gets to see. Kept are what the optimizer sees in some steps, and its norm in all. `source`
# says where the values come from: a published implementation where it follows the rule, else a plain transcription of the paper (below).
import json
import math
import os

import numpy as np

FOLDER = os.path.dirname(os.path.abspath(__file__))
SHAPES = [(2, 3), (4,), (1,), (2, 1, 3), (0,)]
FACTORS = [1, 0.75, None, 1.5, 2, 0, 1, 1024, 1, 0.5, math.nan, 1.25, 3, 0.875, 1, 2.0**-100, 1, 4, 2.0**100, 1]
KEPT = (1, 3, 4, 8, 9, 13, 16, 19, 20)
files = {"norms": {}, "adaptive": {}, "elements": {}}


# These must be as in policies.test.ts: every value is a multiple of 2^-9 times a power of two, exact in f32.
def start(k):
    n = math.prod(SHAPES[k])
    return np.array([((i * 29 + k * 53 + 11) % 127 - 63) / 64 for i in range(n)], np.float64).reshape(SHAPES[k])


def gradient(t, k):
    n = math.prod(SHAPES[k])
    if FACTORS[t - 1] is None:
        # Norms of 1.5 and 2, and of 2.5 together.
        return np.array([{0: 1.5, 1: 2.0}.get(k, 0) if i == k else 0 for i in range(n)], np.float64).reshape(SHAPES[k])
    g = np.array([((i * 37 + t * 101 + k * 67 + 17) % 127 - 63) / 64 for i in range(n)], np.float64)
    return g.reshape(SHAPES[k]) * FACTORS[t - 1]


def case(file, name, source, policy, args, step, only=None, **more):
    """step(grads) gives what the optimizer sees of them, or None for a step left out. Tensors: `only`, or all."""
    tensors = list(only) if only is not None else list(range(len(SHAPES)))
    values, norms, skipped = {}, [], []
    for t in range(1, len(FACTORS) + 1):
        grads = [gradient(t, k) for k in tensors]
        seen = None if math.isnan(FACTORS[t - 1] or 0) else step(grads)
        if seen is None:
            skipped.append(t)
            norms.append(0)
            continue
        seen = [np.asarray(x, np.float64) for x in seen]
        assert all(np.isfinite(x).all() for x in seen), (name, t)
        norms.append(short(math.sqrt(sum(float((x * x).sum()) for x in seen))))
        if t in KEPT:
            values[t] = [[short(v) for v in x.ravel()] for x in seen]
    files[file][name] = {"source": source, "policy": policy, "args": args, "tensors": tensors, **more}
    files[file][name].update({"skipped": skipped, "norms": norms, "values": values})


def short(v):
    v = float(f"{v:.10g}")
    return int(v) if v == int(v) and abs(v) < 1e6 else v


def norm(g, p=2):
    a = np.abs(g).ravel()
    if a.size == 0 or a.max() == 0:
        return 0.0
    m = a.max()
    return float(m if p == math.inf else m * ((a / m) ** p).sum() ** (1 / p))


def norm_of(grads, p=2):
    return norm(np.concatenate([g.ravel() for g in grads]), p)


def clipped(g, n, c):
    """The one rule that most have in common: g c / n where n exceeds c."""
    return g if n <= c else g * (c / n)


# ---- transcriptions ----------------------------------------------------------------------------------------------------------
def transcriptions():
    norms("value, two bounds", "min(upper, max(lower, g))", "value", [{"lower": -0.25, "upper": 1}], lambda g: [np.clip(x, -0.25, 1) for x in g], "elements")
    for p, c in ((1, 2.5), (3, 2.5), (0.5, 20), (math.inf, 0.5)):
        given = "Infinity" if p == math.inf else p
        norms(f"globalNorm, p {given}", "Pascanu et al. 2013 with a p-norm", "globalNorm", [c, {"p": given}], lambda g: [clipped(x, norm_of(g, p), c) for x in g])
        norms(f"perTensorNorm, p {given}", "tf.clip_by_norm with a p-norm", "perTensorNorm", [c, {"p": given}], lambda g: [clipped(x, norm(x, p), c) for x in g])
    for axis in (0, 1, 2):
        options = {"axis": ("rows", "columns", "tensor")[axis]}
        norms(f"rowMaxNorm, {options['axis']}", "scale c / s, s the sum of max |g| of each unit", "rowMaxNorm", [1.5, options], lambda g: [clipped(x, sum(norm(u, math.inf) for u in units(x, axis)), 1.5) for x in g])
        norms(f"rowMaxNorm, {options['axis']}, global", "scale c / s, s the sum of max |g| of each unit of all tensors", "rowMaxNorm", [4, {**options, "scope": "global"}], row_max_all(axis, 4))
        for p in (1, math.inf):
            given = {**options, "p": "Infinity" if p == math.inf else p}
            norms(f"axisNorm, {axis}, p {given['p']}", "tf.clip_by_norm with axes and a p-norm", "axisNorm", [0.75, given], lambda g: [by_unit(x, axis, lambda u: clipped(u, norm(u, p), 0.75)) for x in g])
    # TensorFlow's own is float32, and overflows.
    norms("averageNorm", "tf.compat.v1.clip_by_average_norm", "averageNorm", [0.25], lambda g: [clipped(x, norm(x) / max(1, x.size), 0.25) for x in g])
    norms("greedyBudget", "r = c^2; s = min(1, sqrt(r) / n), r -= (s n)^2, from the last", "greedyBudget", [2], greedy(2))
    norms("softNorm", "g c / (c + n)", "softNorm", [2], lambda g: [x * (2 / (2 + norm_of(g))) for x in g])
    norms("normalize, each", "s g / (n + eps) per tensor", "normalize", [{"to": 2, "eps": 0.01, "scope": "tensor"}], lambda g: [2 * x / (norm(x) + 0.01) for x in g])
    for lam, eps, exclude in ((0.01, 1e-3, None), (0.5, 0.5, None), (0.25, 1e-3, 1)):
        options = {"eps": eps} if exclude is None else {"eps": eps, "exclude": str(exclude)}
        agc_case(f"agc, {lam}, {options}", "timm's agc.py", lam, options, lambda g: [x if k == exclude else timm_agc(start(k), x, lam, eps) for k, x in enumerate(g)])
    for axis in (1, 2):
        options = {"axis": ("rows", "columns", "tensor")[axis], "eps": 0.01}
        agc_case(f"agc, {options['axis']}", "timm's agc.py with other units", 0.1, options, lambda g: [agc_by(start(k), x, axis, 0.1, 0.01) for k, x in enumerate(g)])
    norms("chain", "value, then globalNorm", "chain", [], lambda g: clip_all([np.clip(x, -0.5, 0.5) for x in g], 1))
    norms("groups", "globalNorm over tensors 0, 2, 3, 4; value for the vector", "groups", [], grouped)

    element("soft", "g / (1 + |g| / c)", "soft", [0.5], lambda x: x / (1 + np.abs(x) / 0.5), 2e-7)
    element("tanh", "c tanh(g / c)", "tanh", [0.5], lambda x: 0.5 * np.tanh(x / 0.5), 5e-7)
    element("sign", "signSGD", "sign", [], np.sign)
    element("suppress", "0 where |g| > v", "suppress", [0.5], lambda x: np.where(np.abs(x) > 0.5, 0, x))
    for feedback in (True, False):
        compressed("oneBit", feedback, [], lambda xs: [np.sign(x) * (np.abs(x).mean() if x.size else 0) for x in xs])
        compressed("topK", feedback, [0.4], lambda xs: [top(x, max(1, round(0.4 * x.size)), x) for x in xs])
    compressed("topK", True, [0.3], together, {"scope": "global"})

    plain = {"warmup": 0}
    adaptive("autoClip", "Seetharaman et al. 2020: numpy.percentile of all norms so far", [10, plain], auto_clip(10, None))
    adaptive("autoClip", "the same of the last 6", [60, {"window": 6, **plain}], auto_clip(60, 6))
    adaptive("percentile", "numpy.percentile of each tensor's last norms", [5, plain], percentile(5, 100))
    adaptive("percentile", "numpy.percentile of each tensor's last norms", [40, {"window": 4, **plain}], percentile(40, 4))
    for options in ({"warmup": 4, "absolute": 2}, {"warmup": 9, "max": 2}):
        bound = young(**options)
        adaptive("autoClip", "the same, below the bound of its warm-up", [50, options], auto_clip(50, None, bound))
        adaptive("percentile", "the same, below the bound of its warm-up", [50, options], percentile(50, 100, bound))
    for options in ({}, {"max": "Infinity"}, {"max": 100, "to": "mean"}, {"max": 6, "factor": 1.25, "zThreshold": 1.5, "decay": 0.9, "eps": 0.01}):
        adaptive("zclip", "Kumar et al. 2025 and its published code", [{"warmup": 4, **options}], zclip(**{k: math.inf if v == "Infinity" else v for k, v in options.items()}))
    for options in ({"warmup": 2}, {"warmup": 7, "absolute": 2}, {"warmup": 4, "relative": 1.5, "decay": 0.5, "eps": 0.01, "absolute": "Infinity"}):
        adaptive("adaGc", "arXiv 2502.11034, algorithm 1", [options], ada_gc(**{k: math.inf if v == "Infinity" else v for k, v in options.items()}))
    for theta in (0.999, 0.6):
        adaptive("adaClip", "Stable-SPAM 2025 with a counter of its own", [{"decay": theta, **plain, "cap": "Infinity"}], ada_clip(theta), "elements")
        options = {"warmup": 4, "absolute": 0.25}
        adaptive("adaClip", "the same, below the bound of its warm-up, and spikes count as two means", [{"decay": theta, **options, "cap": 2}], ada_clip(theta, young(**options), 2), "elements")
    for options in ({}, {"decays": [0.5, 0.99], "eps": 0.1, "scope": "global"}):
        adaptive("adaGn", "Stable-SPAM 2025", [options], ada_gn(**options))
    for options in ({}, {"eta": 0.5, "gamma": 0.9, "initial": 2}, {"scope": "tensor", "gamma": 0.7}):
        adaptive("quantile", "Andrew et al. 2019", [options], quantile(**options))
    for k in (1, 0.5):
        options = {"cap": "Infinity", "window": "Infinity"}
        adaptive("runningMean", "Bengio et al. 2012", [k, {**plain, **options}], running_mean(k))
        options = {"warmup": 4, "absolute": 2}
        adaptive("runningMean", "the same of about 3 steps, below the bound of its warm-up, and spikes count as two means", [k, {**options, "cap": 2, "window": 3}], running_mean(k, 3, young(**options), 2))
    published = {"maxSkips": "Infinity", "patience": "Infinity", "absolute": "Infinity"}
    for k in (6, 1):
        adaptive("spikeSkip", "OLMo-core: mean + k sd (of a sample) of the window before", [{"threshold": k, "window": 8, "warmup": 3, **published}], skip_window(k, 8, 3))
    adaptive("spikeSkip", "axlearn: at least k times the EMA", [{"mode": "ema", "threshold": 3, "warmup": 2, "decay": 0.75, **published}], skip_ema(3, 2, 0.75))
    ours = {"maxSkips": "Infinity", "patience": 1, "absolute": 2}
    adaptive("spikeSkip", "the same, clipped in the warm-up, and after one skip to the limit", [{"threshold": 1, "window": 8, "warmup": 3, **ours}], patient(skip_window(1, 8, 3), 1, young(3, 2)))
    adaptive("spikeSkip", "the same, clipped in the warm-up, and after one skip to the limit", [{"mode": "ema", "threshold": 1.25, "warmup": 2, "decay": 0.75, **ours}], patient(skip_ema(1.25, 2, 0.75), 1, young(2, 2)))


def norms(name, source, policy, args, step, file="norms", only=None):
    case(file, name, source, policy, args, step, only)


def agc_case(name, source, lam, options, step, only=None):
    case("norms", name, source, "agc", [lam, options], step, only, parameters=True)


def element(name, source, policy, args, f, tolerance=None):
    case("elements", name, source, policy, args, lambda g: [f(x) for x in g], **({"tolerance": tolerance} if tolerance else {}))


def adaptive(policy, source, args, step, file="adaptive"):
    case(file, f"{policy} {json.dumps(args)[1:-1]}".strip(), source, policy, args, step)


def units(x, axis):
    """Rows (axis 0), columns (1), or the tensor (2). With fewer than two dimensions it is one unit."""
    if x.ndim < 2 or axis == 2:
        return [x.ravel()]
    flat = x.reshape(x.shape[0], -1)
    return list(flat if axis == 0 else flat.T)


def by_unit(x, axis, f):
    if x.size == 0:
        return x
    made = np.stack([f(u) for u in units(x, axis)])
    return (made.T if axis == 1 else made).reshape(x.shape)


def row_max_all(axis, c):
    def step(grads):
        total = sum(norm(u, math.inf) for g in grads for u in units(g, axis))
        return [clipped(g, total, c) for g in grads]

    return step


def agc_by(p, g, axis, clip_factor, eps):
    most = iter([max(norm(u), eps) * clip_factor for u in units(p, axis)])
    return by_unit(g, axis, lambda u: clipped(u, norm(u), next(most)))


def greedy(c):
    def step(grads):
        r, out = c * c, []
        for g in reversed(grads):
            n = norm(g)
            s = 1 if n == 0 else min(1, math.sqrt(r) / n)
            # In exact numbers nothing is left once a gradient was cut.
            r = max(0, r - (s * n) ** 2) if s == 1 else 0
            out.append(g * s)
        return out[::-1]

    return step


def timm_agc(p, g, clip_factor, eps):
    def unitwise_norm(x):
        return np.linalg.norm(x.ravel()) if x.ndim <= 1 else np.sqrt((x * x).sum(axis=tuple(range(1, x.ndim)), keepdims=True))

    max_norm = np.maximum(unitwise_norm(p), eps) * clip_factor
    grad_norm = unitwise_norm(g)
    return np.where(grad_norm < max_norm, g, g * (max_norm / np.maximum(grad_norm, 1e-6)))


def clip_all(grads, c):
    n = norm_of(grads)
    return [clipped(g, n, c) for g in grads]


def grouped(grads):
    rest = clip_all([g for k, g in enumerate(grads) if k != 1], 1)
    return [rest[0], np.clip(grads[1], -0.25, 0.25), *rest[1:]]


def compressed(policy, feedback, args, decode, options={}):
    errors = [np.zeros(s) for s in SHAPES]

    def step(grads):
        nonlocal errors
        xs = [e + g for e, g in zip(errors, grads)]
        sent = decode(xs)
        if feedback:
            errors = [x - s for x, s in zip(xs, sent)]
        return sent

    given = {**options, "errorFeedback": feedback}
    # Gradients with what was lost are f32: after a spike of 1024 elements of 1 have its rounding in them.
    case("elements", f"{policy} {json.dumps(given)}", "x = e + g; e = x - decode(x)" if feedback else "decode(g)", policy, [*args, given], step, ofLargest=5e-6 if feedback else 2e-7)


def top(x, k, among):
    """Elements of at least the k-th largest |among|."""
    return x if x.size == 0 else np.where(np.abs(x) >= np.sort(np.abs(among).ravel())[-k], x, 0)


def together(xs):
    among = np.concatenate([x.ravel() for x in xs])
    return [top(x, max(1, round(0.3 * among.size)), among) for x in xs]


def young(warmup, absolute=1.0, max=math.inf):
    """The bound of a threshold after t steps."""
    return lambda t: min(max, absolute * 1.02 ** (t - warmup) if t >= warmup else absolute)


def free(t):
    return math.inf


def auto_clip(q, window, bound=free):
    history = []

    def step(grads):
        history.append(norm_of(grads))
        found = np.percentile(history[-window:] if window else history, q)
        return clip_all(grads, min(found, bound(len(history) - 1)))

    return step


def percentile(q, window, bound=free):
    history = [[] for _ in SHAPES]

    def step(grads):
        for h, g in zip(history, grads):
            h.append(norm(g))
        most = bound(len(history[0]) - 1)
        return [clipped(g, norm(g), min(most, np.percentile(h[-window:], q))) for h, g in zip(history, grads)]

    return step


def zclip(max=1.0, to="adaptive", factor=1.0, zThreshold=2.5, decay=0.97, eps=1e-6, warmup=4):
    buffer, mean, var = [], 0.0, 0.0

    def step(grads):
        nonlocal mean, var
        n = norm_of(grads)
        if len(buffer) < warmup:
            buffer.append(n)
            if len(buffer) == warmup:
                mean = sum(buffer) / warmup
                var = sum((x - mean) ** 2 for x in buffer) / warmup
            return clip_all(grads, max)
        std = var**0.5
        z = (n - mean) / (std + eps)
        c = None
        if z > zThreshold:
            c = factor * (mean if to == "mean" else mean + zThreshold * std / (z / zThreshold))
        x = n if c is None else c
        mean = decay * mean + (1 - decay) * x
        var = decay * var + (1 - decay) * (x - mean) ** 2
        return clip_all(grads, max if c is None else min(c, max))

    return step


def ada_gc(warmup, relative=1.04, absolute=1.0, decay=0.99, eps=1e-8):
    gamma, t = None, 0

    def step(grads):
        nonlocal gamma, t
        t += 1
        if t <= warmup:
            made = clip_all(grads, absolute)
            after = [norm(g) for g in made]
            gamma = after if gamma is None else [min(a, b) for a, b in zip(gamma, after)]
            return made
        made = [g * (relative * y / (norm(g) + eps)) if norm(g) > relative * y else g for g, y in zip(grads, gamma)]
        gamma = [decay * y + (1 - decay) * norm(g) for g, y in zip(made, gamma)]
        return made

    return step


def ada_clip(theta, bound=free, cap=math.inf):
    m, t = [0.0] * len(SHAPES), 0

    def step(grads):
        nonlocal t
        t += 1
        out = []
        for k, g in enumerate(grads):
            largest = norm(g, math.inf)
            before = m[k] / (1 - theta ** (t - 1)) if t > 1 else 0
            taken = min(largest, cap * before if before > 0 else math.inf, bound(t - 1))
            m[k] = theta * m[k] + (1 - theta) * taken
            m_hat = min(m[k] / (1 - theta**t), bound(t - 1))
            out.append(np.where(np.abs(g) > m_hat, g / (largest or 1) * m_hat, g))
        return out

    return step


def ada_gn(decays=(0.7, 0.9), eps=1e-8, scope="tensor"):
    m, v, t = [0.0] * len(SHAPES), [0.0] * len(SHAPES), 0

    def step(grads):
        nonlocal t
        t += 1
        out = []
        for k, g in enumerate(grads):
            n = norm(g) if scope == "tensor" else norm_of(grads)
            m[k] = decays[0] * m[k] + (1 - decays[0]) * n
            v[k] = decays[1] * v[k] + (1 - decays[1]) * n * n
            by = m[k] / (1 - decays[0] ** t) / (math.sqrt(v[k] / (1 - decays[1] ** t)) + eps)
            out.append(g / n * by if n > 0 else g)
        return out

    return step


def quantile(eta=0.2, gamma=0.5, initial=1.0, scope="global"):
    c = initial

    def step(grads):
        nonlocal c
        at = c
        ns = [norm_of(grads)] if scope == "global" else [norm(g) for g in grads]
        c = c * math.exp(-eta * (sum(n <= c for n in ns) / len(ns) - gamma))
        return clip_all(grads, at) if scope == "global" else [clipped(g, n, at) for g, n in zip(grads, ns)]

    return step


def running_mean(k, window=math.inf, bound=free, cap=math.inf):
    mean, t = 0.0, 0

    def step(grads):
        nonlocal mean, t
        most = bound(t)
        t += 1
        taken = min(norm_of(grads), cap * mean if mean > 0 else math.inf, most)
        mean += (taken - mean) / min(t, window)
        return clip_all(grads, min(k * mean, most))

    return step


def skip_window(k, window, active):
    history = []

    def limit():
        last = history[-window:]
        return (np.mean(last) + k * np.std(last, ddof=1) if len(last) >= active else math.inf), len(history)

    return skipping(limit, lambda n, c: n > c, history.append)


def skip_ema(k, active, decay):
    mean, t = None, 0

    def limit():
        return (k * mean if t >= active else math.inf), t

    def take(n):
        nonlocal mean, t
        mean, t = n if mean is None else decay * mean + (1 - decay) * n, t + 1

    return skipping(limit, lambda n, c: n >= c and n > mean if t >= active else False, take)


def skipping(limit, is_spike, take):
    def step(grads):
        n = norm_of(grads)
        if is_spike(n, limit()[0]):
            return None
        take(n)
        return grads

    step.parts = limit, is_spike, take
    return step


def patient(rule, patience, bound):
    limit, is_spike, take = rule.parts
    spikes = 0

    def step(grads):
        nonlocal spikes
        n, (most, t) = norm_of(grads), limit()
        spike = is_spike(n, most)
        left = spike and spikes < patience
        spikes = spikes + 1 if spike else 0
        if left:
            return None
        take(n)
        return clip_all(grads, min(most, bound(t)))

    return step


# ---- PyTorch -----------------------------------------------------------------------------------------------------------------
def from_torch():
    import torch

    source = f"PyTorch {torch.__version__.split('+')[0]}"
    torch.set_default_dtype(torch.float64)

    def through(clip):
        def step(grads):
            params = [torch.nn.Parameter(torch.zeros(g.shape)) for g in grads]
            for p, g in zip(params, grads):
                p.grad = torch.tensor(g)
            clip(params)
            return [p.grad.numpy() for p in params]

        return step

    from torch.nn.utils import clip_grad_norm_, clip_grad_value_

    # Its norm of infinity refuses a tensor without elements.
    soft = torch.nn.functional.softshrink
    element("map, torch", f"{source} softshrink", "map", [], lambda x: soft(torch.tensor(x), 0.25).numpy())
    norms("value, torch", f"{source} clip_grad_value_", "value", [0.5], through(lambda ps: clip_grad_value_(ps, 0.5)), "elements")
    for p in (1, 2, 3, math.inf):
        given = "Infinity" if p == math.inf else p
        norms(f"globalNorm, torch, p {given}", f"{source} clip_grad_norm_", "globalNorm", [2.5, {"p": given, "compat": "torch"}], through(lambda ps: clip_grad_norm_(ps, 2.5, norm_type=p)), only=(0, 1, 2, 3))


# ---- optax -------------------------------------------------------------------------------------------------------------------
def from_optax():
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    source = f"optax {optax.__version__}"

    def through(transform, params=None, turn=lambda x: x):
        given = None if params is None else [jnp.asarray(turn(p)) for p in params]
        state = transform.init(given)

        def step(grads):
            nonlocal state
            updates, state = transform.update([jnp.asarray(turn(g)) for g in grads], state, given)
            return [turn(np.asarray(u)) for u in updates]

        return step

    norms("value, optax", f"{source} clip", "value", [0.25], through(optax.clip(0.25)), "elements")
    norms("globalNorm, optax", f"{source} clip_by_global_norm", "globalNorm", [2.5], through(optax.clip_by_global_norm(2.5)))
    norms("blockRms, optax", f"{source} clip_by_block_rms", "blockRms", [0.5], through(optax.clip_by_block_rms(0.5)))
    # Its units are columns, as its matrices are [in, out].
    agc_case("agc, optax", f"{source} adaptive_grad_clip", 0.1, {"eps": 0.01}, through(optax.adaptive_grad_clip(0.1, 0.01), [start(k) for k in (0, 1, 2)], np.transpose), (0, 1, 2))
    norms("normalize, optax", f"{source} normalize_by_update_norm", "normalize", [{"to": 3}], through(optax.normalize_by_update_norm(3.0)))
    case("elements", "centralize, optax", f"{source} centralize", "centralize", [], through(optax.centralize()), ofLargest=2e-7)


# ---- TensorFlow and Keras ----------------------------------------------------------------------------------------------------
def from_tf():
    import tensorflow as tf

    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras

    keras.backend.set_floatx("float64")
    source = f"TensorFlow {tf.__version__}"

    def each(clip):
        return lambda grads: [clip(tf.constant(g)).numpy() for g in grads]

    def axes(x, axis):
        return [0] if x.ndim < 2 or axis == 1 else list(range(1, x.ndim))

    def along(axis):
        return lambda grads: [tf.clip_by_norm(tf.constant(g), 0.75, axes=axes(g, axis)).numpy() for g in grads]

    def optimized(**options):
        def step(grads):
            params = [keras.Variable(np.zeros(g.shape), dtype="float64") for g in grads]
            optimizer = keras.optimizers.SGD(learning_rate=1.0, **options)
            optimizer.apply(([tf.constant(g) for g in grads]), params)
            return [-np.asarray(p.value) for p in params]

        return step

    norms("globalNorm, tf", f"{source} clip_by_global_norm", "globalNorm", [2.5], lambda g: [x.numpy() for x in tf.clip_by_global_norm([tf.constant(x) for x in g], 2.5)[0]])
    norms("perTensorNorm, tf", f"{source} clip_by_norm", "perTensorNorm", [1.5], each(lambda x: tf.clip_by_norm(x, 1.5)))
    for axis in (0, 1):
        norms(f"axisNorm, tf, {axis}", f"{source} clip_by_norm with axes", "axisNorm", [0.75, {"axis": ("rows", "columns")[axis]}], along(axis))
    norms("perTensorNorm, Keras", f"Keras {keras.__version__} clipnorm", "perTensorNorm", [1.5], optimized(clipnorm=1.5))
    norms("globalNorm, Keras", f"Keras {keras.__version__} global_clipnorm", "globalNorm", [2.5], optimized(global_clipnorm=2.5))
    norms("value, Keras", f"Keras {keras.__version__} clipvalue", "value", [0.5], optimized(clipvalue=0.5), "elements")


def main():
    transcriptions()
    for module, make in (("torch", from_torch), ("optax", from_optax), ("tensorflow", from_tf)):
        try:
            __import__(module)
        except ImportError:
            continue
        make()
    for file, cases in files.items():
        path = os.path.join(FOLDER, f"policies-{file}.json")
        known = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as f:
                known = json.load(f)["cases"]
        known.update(cases)
        lines = [f"{json.dumps(name)}: {json.dumps(known[name], separators=(',', ':'))}" for name in sorted(known)]
        with open(path, "w", encoding="utf-8") as f:
            f.write('{"cases": {\n' + ",\n".join(lines) + "\n}}\n")


main()
