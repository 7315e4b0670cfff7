"""jax_peer.py: JAX with optax as a peer: one jitted training step with donated state, and the optimizer phase alone."""
import os
import worker


def environment(args):
    if args.threads == 1:  # XLA has no other way to be held to one thread
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def models(kind, ws):
    """The parameters in JAX's layout ([in, out]) and the forward function."""
    import jax, jax.numpy as jnp
    from jax import lax

    flip = lambda w: jnp.asarray(w.T.copy() if w.ndim == 2 else w)
    pairs = lambda ws: [(flip(w), jnp.asarray(b)) for w, b in zip(ws[::2], ws[1::2])]

    def mlp(p, x):
        for k, (w, b) in enumerate(p):
            x = x @ w + b
            if k < len(p) - 1:
                x = jax.nn.relu(x)
        return x

    def scan(p, x):  # tanh RNN over x[batch, time, in], both biases as PyTorch has them
        wi, wh, bi, bh = p
        u = (x @ wi + (bi + bh)).swapaxes(0, 1)
        step = lambda h, u: (lambda h: (h, h))(jnp.tanh(u + h @ wh))
        return lax.scan(step, jnp.zeros((x.shape[0], wh.shape[0])), u)

    def lstm(p, x):
        wi, wh, bi, bh = p

        def step(state, u):
            h, c = state
            i, f, g, o = jnp.split(u + h @ wh, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((x.shape[0], wh.shape[0]))
        return lax.scan(step, (zeros, zeros), (x @ wi + (bi + bh)).swapaxes(0, 1))

    def gru(p, x):
        wi, wh, bi, bh = p

        def step(h, u):
            (r, z, n), (hr, hz, hn) = jnp.split(u, 3, -1), jnp.split(h @ wh + bh, 3, -1)
            z = jax.nn.sigmoid(z + hz)
            h = (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn) + z * h
            return h, h

        return lax.scan(step, jnp.zeros((x.shape[0], wh.shape[0])), (x @ wi + bi).swapaxes(0, 1))

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
        return gpt(ws, int(kind[4:]), flip)
    if kind == "resnet20":
        return resnet20(ws)
    raise worker.Unsupported(f"no model {kind}")




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
