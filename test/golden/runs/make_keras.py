"""make_keras.py: makes keras-dense.json: 1,000 losses of a network of Dense layers, 10-10-1, by Keras in f32: gradient descent and Adam, without a
clip and with each of the three that Keras has.

    python test/golden/runs/make_keras.py      # needs Keras 3 and TensorFlow

Weights and data come from whole numbers and are exact in f32; keras.test.ts and docs/COMING-FROM.md have the same.
"""
import json, os
import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
import keras
import tensorflow as tf

STEPS = 1000
HERE = os.path.dirname(os.path.abspath(__file__))


def numbers(rows, columns, seed):
    """Multiples of 1/64 from -63/64 to 63/64."""
    return np.array([[((i * 37 + j * 101 + seed) % 127 - 63) / 64 for j in range(columns)] for i in range(rows)], np.float32)


# In Keras' layout: kernels are [in, out].
kernels = [numbers(10, 10, 5) / 2, numbers(10, 1, 77) / 2]
x = numbers(80, 10, 11)
# A line, a product and a bend, and what nobody can learn.
y = x[:, :1] - x[:, 1:2] / 2 + x[:, 2:3] * x[:, 3:4] + np.maximum(x[:, 4:5], 0) + numbers(80, 1, 53) / 2

CLIPS = {"none": {}, "clipnorm": {"clipnorm": 0.125}, "global_clipnorm": {"global_clipnorm": 0.125}, "clipvalue": {"clipvalue": 0.03125}}
OPTIMIZERS = {"SGD": lambda **clip: keras.optimizers.SGD(0.03125, **clip), "Adam": lambda **clip: keras.optimizers.Adam(0.001, **clip)}


def network(make, clip):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10, activation="relu"), keras.layers.Dense(1)])
    model.set_weights([kernels[0], np.zeros(10, np.float32), kernels[1], np.zeros(1, np.float32)])
    model.compile(optimizer=make(**clip), loss="mse")
    return model


def losses(make, clip):
    model = network(make, clip)
    inputs, targets = tf.constant(x), tf.constant(y)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.losses.mean_squared_error(targets, model(inputs, training=True)))
        model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    made = [float(f"{float(step()):.8g}") for _ in range(STEPS)]
    # The same as fit, which takes twenty times as long; one batch is an epoch.
    fitted = network(make, clip).fit(x, y, epochs=5, batch_size=len(x), shuffle=False, verbose=0).history["loss"]
    assert np.allclose(made[:5], fitted, rtol=1e-6, atol=0), (made[:5], fitted)
    return made


made = {f"{name} {clip}": losses(make, CLIPS[clip]) for name, make in OPTIMIZERS.items() for clip in CLIPS}
with open(os.path.join(HERE, "keras-dense.json"), "w", encoding="utf-8") as f:
    lines = [f"{json.dumps(name)}: {json.dumps(values, separators=(',', ':'))}" for name, values in made.items()]
    f.write(f'{{"keras": "{keras.__version__}",\n' + ",\n".join(lines) + "\n}\n")
for name, values in made.items():
    print(name, values[0], values[9], values[99], values[-1])
