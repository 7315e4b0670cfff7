"""workloads.py: the workloads of the step suite as the Python peers see them; bench/workloads/*.ts are the same ones.

`params` are shapes and bounds in PyTorch's order and layout ([out, in]); `x` and `y` are one batch, used for every step.
"""
import math
from worker import Unsupported
from recipe import noise, uniform, weights


def linear(i, o):
    return [((o, i), 1 / math.sqrt(i)), ((o,), 1 / math.sqrt(i))]


def mlp(*sizes):
    return [p for i, o in zip(sizes, sizes[1:]) for p in linear(i, o)]


def conv(i, o, k):
    return [((o, i, k, k), 1 / math.sqrt(i * k * k)), ((o,), 1 / math.sqrt(i * k * k))]


def rnn(i, h, gates=1):
    n = gates * h
    return [(shape, 1 / math.sqrt(h)) for shape in ((n, i), (n, h), (n,), (n,))]


def chars(gates):
    return [((65, 64), 1.0)] + rnn(64, 256, gates) + linear(256, 65)


def gpt(vocabulary, context, layers, width):
    norm = [((width,), 1.0), ((width,), 0.1)]
    wide = [((3 * width, width), 1 / math.sqrt(width)), ((3 * width,), 1 / math.sqrt(width))]
    block = norm + wide + linear(width, width) + norm + mlp(width, 4 * width, width)
    return [((vocabulary, width), 0.05), ((context, width), 0.05)] + layers * block + norm


def conv_norm(i, o, k):
    """A convolution without bias, and the batch norm after it."""
    return [((o, i, k, k), 1 / math.sqrt(i * k * k)), ((o,), 1.0), ((o,), 0.1)]


def resnet20():
    widths, params = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64], conv_norm(3, 16, 3)
    for i, o in zip(widths, widths[1:]):
        params += conv_norm(i, o, 3) + conv_norm(o, o, 3) + (conv_norm(i, o, 1) if i != o else [])
    return params + linear(64, 10)


def floats(seed, *shape):
    return uniform(seed, math.prod(shape)).reshape(shape)


def ids(seed, bound, *shape):
    return (noise(seed, math.prod(shape)) % bound).astype("int64").reshape(shape)


def ncf_rows():
    import numpy as np

    return np.stack([ids(1001, 50000, 1024), ids(1003, 20000, 1024)], 1)


WORKLOADS = {
    "mlp-tiny": dict(kind="mlp", params=mlp(10, 10, 1), x=lambda: floats(1001, 32, 10), y=lambda: floats(1002, 32, 1), loss="mse", optimizer="sgd"),
    "mlp-small": dict(kind="mlp", params=mlp(784, 256, 128, 10), x=lambda: floats(1001, 64, 784), y=lambda: ids(1002, 10, 64), loss="ce", optimizer="sgd"),
    "mlp-large": dict(kind="mlp", params=mlp(1024, 4096, 4096, 1024), x=lambda: floats(1001, 256, 1024), y=lambda: floats(1002, 256, 1024), loss="mse", optimizer="adamw"),
    "resnet20": dict(kind="resnet20", params=resnet20(), x=lambda: floats(1001, 64, 3, 32, 32), y=lambda: ids(1002, 10, 64), loss="ce", optimizer="sgd"),
    "rnn-adding": dict(kind="rnn-last", params=rnn(2, 128) + linear(128, 1), x=lambda: floats(1001, 50, 100, 2), y=lambda: floats(1002, 50, 1), loss="mse", optimizer="sgd"),
    "char-rnn": dict(kind="char-rnn", params=[((65, 32), 1.0)] + rnn(32, 128) + linear(128, 65), x=lambda: ids(1001, 65, 32, 64), y=lambda: ids(1002, 65, 32, 64), loss="ce", optimizer="sgd"),
    "lenet": dict(kind="lenet", params=conv(1, 32, 5) + conv(32, 64, 5) + mlp(3136, 512, 10), x=lambda: floats(1001, 64, 1, 28, 28), y=lambda: ids(1002, 10, 64), loss="ce", optimizer="adamw"),
    "gpt-nano": dict(kind="gpt-4", params=gpt(65, 64, 4, 128), x=lambda: ids(1001, 65, 12, 64), y=lambda: ids(1002, 65, 12, 64), loss="ce", optimizer="adamw"),
    "gpt-mini": dict(kind="gpt-6", params=gpt(65, 256, 6, 384), x=lambda: ids(1001, 65, 4, 256), y=lambda: ids(1002, 65, 4, 256), loss="ce", optimizer="adamw"),
    "char-lstm": dict(kind="char-lstm", params=chars(4), x=lambda: ids(1001, 65, 32, 128), y=lambda: ids(1002, 65, 32, 128), loss="ce", optimizer="adamw"),
    "char-gru": dict(kind="char-gru", params=chars(3), x=lambda: ids(1001, 65, 32, 128), y=lambda: ids(1002, 65, 32, 128), loss="ce", optimizer="adamw"),
    "ncf": dict(kind="ncf", params=[((50000, 64), 1.0), ((20000, 64), 1.0)] + mlp(128, 128, 64, 1), x=ncf_rows, y=lambda: floats(1002, 1024), loss="mse", optimizer="adamw"),
}


def workload(name):
    """(kind, weights, x, y, loss, optimizer)"""
    if name not in WORKLOADS:
        raise Unsupported(f"no workload {name} among the peers")
    w = WORKLOADS[name]
    return w["kind"], weights(w["params"]), w["x"](), w["y"](), w["loss"], w["optimizer"]
