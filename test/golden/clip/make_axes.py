# Makes axes.json, with PyTorch, TensorFlow, Keras and optax: what each of them makes of a gradient or a weight where its call names axes, in its own
# layout of weights. docs/CLIPPING.md has the calls in a table, and axes.test.ts compares what is said of them there.
import json
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
import numpy as np
import tensorflow as tf
import torch

FOLDER = os.path.dirname(os.path.abspath(__file__))
# Of others: a Dense kernel [in, out], a kernel [height, width, in, out], an Embedding [rows, width], a bias. Of PyTorch as here.
SHAPES = {
    "Dense": (3, 4),
    "Conv2D": (2, 3, 2, 3),
    "Embedding": (5, 3),
    "bias": (4,),
    "Linear": (4, 3),
    "Conv2d": (3, 2, 2, 3),
}


# These must be as in axes.test.ts.
def given(of):
    n = int(np.prod(SHAPES[of]))
    return np.array([((i * 37 + 11) % 127 - 63) / 32 for i in range(n)], np.float32).reshape(SHAPES[of])


def tf_norm(axes):
    return lambda x: tf.clip_by_norm(tf.constant(x), 1.5, axes=axes).numpy()


def optimized(**options):
    def step(x):
        p = keras.Variable(np.zeros(x.shape, np.float32))
        keras.optimizers.SGD(learning_rate=1.0, **options).apply([tf.constant(x)], [p])
        return -np.asarray(p.value)

    return step


def constrained(made):
    return lambda x: np.asarray(made(keras.ops.convert_to_tensor(x)))


def renorm(dim):
    return lambda x: torch.renorm(torch.tensor(x), 2, dim, 1.5).numpy()


def torch_clip(clip):
    def step(x):
        p = torch.nn.Parameter(torch.zeros(x.shape))
        p.grad = torch.tensor(x)
        clip([p])
        return p.grad.numpy()

    return step


def embedding(x):
    layer = torch.nn.Embedding.from_pretrained(torch.tensor(x), freeze=False, max_norm=1.5)
    layer(torch.arange(len(x)))
    return layer.weight.detach().numpy()


def row_maxima(axis):
    def step(x):
        s = np.abs(x).max(axis=axis).sum()
        return x * np.float32(min(1, 1.5 / s))

    return step


C = keras.constraints
CASES = [
    ("clip_grad_norm_(ps, 1.5)", "Linear", torch_clip(lambda ps: torch.nn.utils.clip_grad_norm_(ps, 1.5))),
    ("clip_grad_value_(ps, 0.5)", "Linear", torch_clip(lambda ps: torch.nn.utils.clip_grad_value_(ps, 0.5))),
    ("torch.renorm(w, 2, 0, 1.5)", "Linear", renorm(0)),
    ("torch.renorm(w, 2, 1, 1.5)", "Linear", renorm(1)),
    ("torch.renorm(w, 2, 0, 1.5)", "Conv2d", renorm(0)),
    ("nn.Embedding(..., max_norm=1.5)", "Embedding", embedding),
    ("clipnorm=1.5", "Dense", optimized(clipnorm=1.5)),
    ("global_clipnorm=1.5", "Dense", optimized(global_clipnorm=1.5)),
    ("clipvalue=0.5", "Dense", optimized(clipvalue=0.5)),
    ("tf.clip_by_norm(g, 1.5)", "Dense", tf_norm(None)),
    ("tf.clip_by_norm(g, 1.5, axes=[0])", "Dense", tf_norm([0])),
    ("tf.clip_by_norm(g, 1.5, axes=[1])", "Dense", tf_norm([1])),
    ("tf.clip_by_norm(g, 1.5, axes=[0, 1, 2])", "Conv2D", tf_norm([0, 1, 2])),
    ("tf.clip_by_norm(g, 1.5, axes=[3])", "Conv2D", tf_norm([3])),
    ("tf.clip_by_norm(g, 1.5, axes=[1])", "Embedding", tf_norm([1])),
    ("tf.clip_by_norm(g, 1.5, axes=[0])", "bias", tf_norm([0])),
    ("MaxNorm(1.5, axis=0)", "Dense", constrained(C.MaxNorm(1.5, axis=0))),
    ("MaxNorm(1.5, axis=1)", "Dense", constrained(C.MaxNorm(1.5, axis=1))),
    ("MaxNorm(1.5, axis=[0, 1])", "Dense", constrained(C.MaxNorm(1.5, axis=[0, 1]))),
    ("MaxNorm(1.5, axis=[0, 1, 2])", "Conv2D", constrained(C.MaxNorm(1.5, axis=[0, 1, 2]))),
    ("MaxNorm(1.5, axis=1)", "Embedding", constrained(C.MaxNorm(1.5, axis=1))),
    ("MaxNorm(1.5, axis=0)", "bias", constrained(C.MaxNorm(1.5, axis=0))),
    ("UnitNorm(axis=0)", "Dense", constrained(C.UnitNorm(axis=0))),
    ("UnitNorm(axis=[0, 1, 2])", "Conv2D", constrained(C.UnitNorm(axis=[0, 1, 2]))),
    ("abs(g).max(axis=0).sum()", "Dense", row_maxima(0)),
    ("abs(g).max(axis=1).sum()", "Dense", row_maxima(1)),
]
versions = {"torch": torch.__version__.split("+")[0], "tensorflow": tf.__version__, "keras": keras.__version__}
lines = []
for call, of, f in CASES:
    values = [float(f"{v:.9g}") for v in np.asarray(f(given(of)), np.float32).ravel()]
    lines.append(json.dumps({"call": call, "of": of, "values": values}, separators=(",", ":")))
with open(os.path.join(FOLDER, "axes.json"), "w", encoding="utf-8") as out:
    out.write(f'{{"versions": {json.dumps(versions)}, "cases": [\n' + ",\n".join(lines) + "\n]}\n")
print(versions, len(lines))
