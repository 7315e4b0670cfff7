"""jax_peer.py: JAX with optax as a peer: one jitted training step with donated state, many of them in one call (mode bf16: products of
bf16 operands), and the optimizer phase alone."""
import functools, os
import worker


def environment(args):
    if args.threads == 1:  # XLA has no other way to be held to one thread
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def f32_product(x, w):
    return x @ w


@functools.cache
def bf16_product():
    """x[m, k] by w[k, n], operands of all three products in bf16, sums in f32: on a CPU XLA is quick at nothing else in bf16, and does not
    know batches of them. Its own gradient would multiply f32 by bf16."""
    import jax, jax.numpy as jnp

    low = lambda t: t.astype(jnp.bfloat16)
    multiply = functools.partial(jnp.einsum, preferred_element_type=jnp.float32)

    def forward(x, w):
        x, w = low(x), low(w)
        return multiply("mk,kn->mn", x, w), (x, w)

    def backward(kept, g):
        (x, w), g = kept, low(g)
        return multiply("mn,kn->mk", g, w), multiply("mk,mn->kn", x, g)

    product = jax.custom_vjp(lambda x, w: forward(x, w)[0])
    product.defvjp(forward, backward)
    return product


def product_of(mode):
    return bf16_product() if "bf16" in mode else f32_product


def models(kind, ws, multiply):
    """The parameters in JAX's layout ([in, out]) and the forward function."""
    import jax, jax.numpy as jnp
    from jax import lax

    def dot(x, w):
        return multiply(x.reshape(-1, x.shape[-1]), w).reshape(*x.shape[:-1], -1)

    flip = lambda w: jnp.asarray(w.T.copy() if w.ndim == 2 else w)
    pairs = lambda ws: [(flip(w), jnp.asarray(b)) for w, b in zip(ws[::2], ws[1::2])]

    def mlp(p, x):
        for k, (w, b) in enumerate(p):
            x = dot(x, w) + b
            if k < len(p) - 1:
                x = jax.nn.relu(x)
        return x

    def scan(p, x):  # tanh RNN over x[batch, time, in], both biases as PyTorch has them
        wi, wh, bi, bh = p
        u = (dot(x, wi) + (bi + bh)).swapaxes(0, 1)
        step = lambda h, u: (lambda h: (h, h))(jnp.tanh(u + dot(h, wh)))
        return lax.scan(step, jnp.zeros((x.shape[0], wh.shape[0])), u)

    def lstm(p, x):
        wi, wh, bi, bh = p

        def step(state, u):
            h, c = state
            i, f, g, o = jnp.split(u + dot(h, wh), 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((x.shape[0], wh.shape[0]))
        return lax.scan(step, (zeros, zeros), (dot(x, wi) + (bi + bh)).swapaxes(0, 1))

    def gru(p, x):
        wi, wh, bi, bh = p

        def step(h, u):
            (r, z, n), (hr, hz, hn) = jnp.split(u, 3, -1), jnp.split(dot(h, wh) + bh, 3, -1)
            z = jax.nn.sigmoid(z + hz)
            h = (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn) + z * h
            return h, h

        return lax.scan(step, jnp.zeros((x.shape[0], wh.shape[0])), (dot(x, wi) + bi).swapaxes(0, 1))

    if kind == "mlp":
        return pairs(ws), mlp
    if kind == "rnn-last":
        p = ([flip(w) for w in ws[:4]], pairs(ws[4:]))
        return p, lambda p, x: mlp(p[1], scan(p[0], x)[0])
    if kind.startswith("char-"):
        p = (jnp.asarray(ws[0]), [flip(w) for w in ws[1:5]], pairs(ws[5:]))
        over = {"char-rnn": scan, "char-lstm": lstm, "char-gru": gru}[kind]
        return p, lambda p, x: mlp(p[2], over(p[1], p[0][x])[1].swapaxes(0, 1))
    if kind == "ncf":
        p = (jnp.asarray(ws[0]), jnp.asarray(ws[1]), pairs(ws[2:]))
        return p, lambda p, x: mlp(p[2], jnp.concatenate([p[0][x[:, 0]], p[1][x[:, 1]]], 1))[:, 0]
    if kind == "lenet":
        return lenet(ws, pairs, mlp)
    if kind.startswith("gpt"):
        return gpt(ws, int(kind[4:]), flip, dot)
    if kind == "resnet20":
        return resnet20(ws)
    raise worker.Unsupported(f"no model {kind}")


def lenet(ws, pairs, mlp):
    """Channels last, as XLA is quickest on a CPU; what is flattened comes in another order, so the first linear weight's columns do."""
    import jax, jax.numpy as jnp
    from jax import lax

    def layer(x, w, b):
        y = lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return lax.reduce_window(jax.nn.relu(y + b), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def forward(p, x):
        x = layer(layer(x.reshape(-1, 28, 28, 1), *p[0]), *p[1])
        return mlp(p[2], x.reshape(x.shape[0], -1))

    filters = [(jnp.asarray(w.transpose(2, 3, 1, 0).copy()), jnp.asarray(b)) for w, b in zip(ws[:4:2], ws[1:4:2])]
    return (*filters, pairs([worker.flat_last(ws[4], 64), *ws[5:]])), forward


def resnet20(ws):
    """x comes as PyTorch has it, [batch, channels, height, width]; inside, channels are last."""
    import jax, jax.numpy as jnp
    from jax import lax

    ws = [jnp.asarray(w.transpose(2, 3, 1, 0).copy() if w.ndim == 4 else w) for w in ws]
    same = ((1, 1), (1, 1))

    def conv_norm(p, x, stride):
        w, scale, bias = p
        pad = same if w.shape[0] == 3 else ((0, 0), (0, 0))
        x = lax.conv_general_dilated(x, w, (stride, stride), pad, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        return (x - mean) * lax.rsqrt(var + 1e-5) * scale + bias

    def take(n):
        return [ws.pop(0) for _ in range(n)]

    stem, blocks, i = take(3), [], 16
    for o in (16, 16, 16, 32, 32, 32, 64, 64, 64):
        blocks.append((take(3), take(3), take(3) if i != o else None))
        i = o

    def forward(p, x):
        stem, blocks, w, b = p
        x = jax.nn.relu(conv_norm(stem, x.transpose(0, 2, 3, 1), 1))
        for first, second, past in blocks:
            stride = 2 if past else 1
            y = conv_norm(second, jax.nn.relu(conv_norm(first, x, stride)), 1)
            x = jax.nn.relu(y + (conv_norm(past, x, stride) if past else x))
        return x.mean((1, 2)) @ w.T + b

    return (stem, blocks, *take(2)), forward


def gpt(ws, heads, flip, dot):
    import jax, jax.numpy as jnp

    def norm(x, w, b):
        d = x - x.mean(-1, keepdims=True)
        return d * jax.lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-5) * w + b

    def attend(qkv):
        b, t, c = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        q, k, v = (x.reshape(b, t, heads, -1) for x in jnp.split(qkv, 3, -1))
        s = jnp.einsum("bthd,bshd->bhts", q, k) / jnp.sqrt(q.shape[-1])
        p = jax.nn.softmax(jnp.where(jnp.tril(jnp.ones((t, t), bool)), s, -jnp.inf), -1)
        return jnp.einsum("bhts,bshd->bthd", p, v).reshape(b, t, c)

    def forward(p, x):
        table, positions, blocks, last = p
        y = table[x] + positions[: x.shape[1]]
        for n1, b1, wq, bq, wp, bp, n2, b2, w1, c1, w2, c2 in blocks:
            y = y + dot(attend(dot(norm(y, n1, b1), wq) + bq), wp) + bp
            y = y + dot(jax.nn.gelu(dot(norm(y, n2, b2), w1) + c1, approximate=False), w2) + c2
        return dot(norm(y, *last), table.T)

    blocks = [[flip(w) for w in ws[k : k + 12]] for k in range(2, len(ws) - 2, 12)]
    return (jnp.asarray(ws[0]), jnp.asarray(ws[1]), blocks, [jnp.asarray(w) for w in ws[-2:]]), forward


def step_parts(name, mode):
    """The parameters, the loss of (parameters, x), x, and which optimizer."""
    import jax.numpy as jnp, optax
    from workloads import workload

    kind, ws, x, y, loss, optimizer = workload(name)
    if "bf16" in mode and kind in ("lenet", "resnet20"):
        raise worker.Unsupported("its convolutions are slower in bf16")
    params, forward = models(kind, ws, product_of(mode))
    x, y = (jnp.asarray(t.astype("i4") if t.dtype == "int64" else t) for t in (x, y))
    if loss == "ce":
        criterion = lambda o: optax.softmax_cross_entropy_with_integer_labels(o.reshape(-1, o.shape[-1]), y.reshape(-1)).mean()
    else:
        criterion = lambda o: jnp.mean((o - y) ** 2)
    return params, lambda p, x: criterion(forward(p, x)), x, optimizer


def usual(optimizer, lr):
    import optax

    return optax.adamw(lr, weight_decay=0.01) if optimizer == "adamw" else optax.sgd(lr, momentum=0.9)


def train_step(parts, opt, measured):
    """A step from (parameters, state of the optimizer) to the next; it tells its loss, and the norm of its gradient."""
    import jax, optax

    loss = parts[1]

    def step(p, s, x):
        value, g = jax.value_and_grad(loss)(p, x)
        u, s = opt.update(g, s, p)
        return (optax.apply_updates(p, u), s), (value, optax.global_norm(g) if measured else value)

    return step


def caller(parts, opt, f):
    """Calls f again and again on a state of its own, which it may write over."""
    import jax, jax.numpy as jnp

    params, x = parts[0], parts[2]
    p = jax.tree_util.tree_map(jnp.copy, params)
    state = (p, opt.init(p))
    jitted = jax.jit(f, donate_argnums=(0, 1))

    def call():
        nonlocal state
        state, reports = jitted(*state, x)
        jax.block_until_ready(state)
        return reports

    return call


def step_variant(parts, opt, measured=True):
    return caller(parts, opt, train_step(parts, opt, measured))


def chunk_variant(parts, opt, steps):
    """So many steps in one call, which gives back the loss and the norm of each."""
    import numpy as np
    from jax import lax

    step = train_step(parts, opt, True)
    run = caller(parts, opt, lambda p, s, x: lax.scan(lambda state, _: step(*state, x), (p, s), None, length=steps))
    return lambda: [np.asarray(t) for t in run()]


def product(mode, m, n, k):
    import jax, jax.numpy as jnp, numpy as np

    x, w = (jnp.asarray(np.random.randn(*s).astype("f4")) for s in ((m, k), (k, n)))
    multiply = jax.jit(product_of(mode))
    return lambda: multiply(x, w).block_until_ready()


def step_cell(args):
    import jax, optax

    parts = step_parts(args.cell, args.mode)
    params, optimizer = parts[0], parts[3]
    rule = lambda clip: optax.chain(clip, usual(optimizer, 1e-4))
    clipped = step_variant(parts, rule(optax.clip_by_global_norm(1.0)))
    # It tells the norm of the gradient too, as it always did: a step without a clip is not the poorer for it.
    variants = {"step": clipped, "noclip": worker.lazy(lambda: step_variant(parts, rule(optax.identity())))}
    first = [[float(t) for t in clipped()] for _ in range(3)]
    info = {"params": sum(t.size for t in jax.tree_util.tree_leaves(params)), "loss": [v for v, _ in first], "norm": [n for _, n in first]}
    info |= worker.precision(args)
    if args.chunk > 1:
        chunk = chunk_variant(parts, rule(optax.clip_by_global_norm(1.0)), args.chunk)
        loss, norm = chunk()
        info |= {"chunk": args.chunk, "chunk_loss": loss[:3].tolist(), "chunk_norm": norm[:3].tolist()}
        variants["chunk"] = (chunk, 1, args.chunk)
    return info, variants | worker.products(args, functools.partial(product, args.mode))


@functools.lru_cache(1)
def tensors(case):
    """Parameters, gradients, and a maker of variants: a jitted update of as many tensors. Matrices are [in, out], as JAX has them."""
    import jax, jax.numpy as jnp, optax

    if case == "2000x8k":
        raise worker.Unsupported("XLA compiles each program of 2,000 tensors for about a minute")
    p0, g = ([jnp.asarray(make(i, s).T) for i, s in enumerate(worker.CLIP_CASES[case])] for make in (worker.parameter, worker.gradient))

    def variant(opt):
        p = [jnp.copy(t) for t in p0]
        state = [p, opt.init(p)]

        def step(p, s, g):
            u, s = opt.update(g, s, p)
            return optax.apply_updates(p, u), s

        jitted = jax.jit(step, donate_argnums=(0, 1))

        def call():
            state[0], state[1] = jitted(*state, g)
            jax.block_until_ready(state)

        call()
        return call

    return p0, g, variant


def clip_cell(args):
    import optax

    case, optimizer = args.cell.split("/")
    _, g, variant = tensors(case)
    policies = {"update": optax.identity(), "global_norm_step": optax.clip_by_global_norm(1.0), "value_step": optax.clip(0.5)}
    info = {"params": int(sum(x.size for x in g)), "tensors": len(g)}
    return info, {name: variant(optax.chain(clip, usual(optimizer, 1e-6))) for name, clip in policies.items()}


def measured_norm():
    """Lets gradients through, and keeps their norm, as one has it in a state where it is to be told."""
    import jax.numpy as jnp, optax

    return optax.GradientTransformation(lambda p: jnp.zeros(()), lambda g, s, p=None: (g, optax.global_norm(g)))


@functools.lru_cache(1)
def without_clip(place, mode, kind, name):
    """The step that others are compared with: one for all policies of a place, at a rate with which it can take any number of steps."""
    alone = place in worker.CLIP_CASES
    variant, optimizer = (tensors(place)[2], "adamw") if alone else model_variant(place, mode)
    return variant(usual(optimizer, 1e-6) if kind == "policy" else known(kind)[name](1e-6 if alone else 1e-4))


def model_variant(place, mode):
    parts = step_parts(place, mode)
    return lambda opt: step_variant(parts, opt, measured=False), parts[3]


def known(kind):
    """What optax has of the library's policies and optimizers, by the library's names."""
    import optax
    from optax import contrib

    policies = {
        "value": lambda: optax.clip(0.01),
        "value unchecked": lambda: optax.clip(0.01),
        "globalNorm": lambda: optax.clip_by_global_norm(1.0),
        "blockRms": lambda: optax.clip_by_block_rms(0.01),
        "agc": lambda: optax.adaptive_grad_clip(0.01),
        "normalize": lambda: optax.normalize_by_update_norm(),
        "none": measured_norm,
        "sign": lambda: optax.scale_by_sign(),
    }
    names = "adadelta adafactor adagrad adam adamax adamw lamb lars lion nadam radam rmsprop sgd".split()
    optimizers = {name: getattr(optax, name) for name in names} | {"muon": contrib.muon}
    return policies if kind == "policy" else optimizers


def policies_cell(args):
    import jax, optax

    kind, place, name = args.cell.split("/")
    made = known(kind)
    if name not in made:  # its centralize takes means over other axes than ours, of the same matrix
        raise worker.Unsupported(f"optax has no {kind} {name}")
    alone = place in worker.CLIP_CASES
    lr = 1e-6 if alone else 1e-4
    clip = made[name]() if kind == "policy" else optax.clip_by_global_norm(1.0)
    clipped_gradients = lambda p, g: jax.jit(clip.update)(g, clip.init(p), p)[0]
    if alone:
        params, grads, variant = tensors(place)
        optimizer = "adamw"
    else:
        parts = step_parts(place, args.mode)
        params, optimizer = parts[0], parts[3]
        variant = lambda opt: step_variant(parts, opt, measured=kind == "policy" and name == "globalNorm")
    rule = usual(optimizer, lr) if kind == "policy" else made[name](lr)
    leaves = jax.tree_util.tree_leaves(params)
    info = {"params": int(sum(t.size for t in leaves)), "tensors": len(leaves)}
    if alone:
        info["digest"] = lambda: worker.digest_of(clipped_gradients(params, grads))
    else:
        info["norm_after"] = [float(optax.global_norm(clipped_gradients(params, jax.grad(parts[1])(params, parts[2]))))]
    without = without_clip(place, ",".join(args.mode), kind, name if kind == "optimizer" else "")
    clipped = variant(optax.chain(clip, rule))
    if not alone:
        first = [[float(t) for t in clipped()] for _ in range(3)]
        if kind == "policy" and name == "globalNorm":
            info |= {"loss": [v for v, _ in first], "norm": [n for _, n in first]}
    return info, {"without": without, "with": clipped}


def open_cell(args):
    if args.suite == "gemm":
        raise worker.Unsupported("products are the part of numpy_peer.py")
    environment(args)
    if args.suite == "policies":
        return policies_cell(args)
    return step_cell(args) if args.suite == "step" else clip_cell(args)


if __name__ == "__main__":
    worker.serve(open_cell)
