"""keras_peer.py: Keras as a peer, on JAX, the fastest of its backends where there is little but clip and update: the clips that its optimizers
have, in jitted steps with donated state."""
import functools, os
import worker
from jax_peer import environment

os.environ["KERAS_BACKEND"] = "jax"

# What Keras has of the library's policies, by the library's names: options of any of its optimizers.
POLICIES = {
    "value": {"clipvalue": 0.01},
    "value unchecked": {"clipvalue": 0.01},
    "globalNorm": {"global_clipnorm": 1.0},
    "perTensorNorm": {"clipnorm": 0.5},
}


def optimizer_of(name, lr, clip):
    import keras

    return keras.optimizers.AdamW(lr, weight_decay=0.01, **clip) if name == "adamw" else keras.optimizers.SGD(lr, momentum=0.9, **clip)


def caller(step, state):
    """Calls a step again and again on a state of its own, which it may write over."""
    import jax, jax.numpy as jnp

    jitted = jax.jit(step, donate_argnums=0)
    state = jax.tree_util.tree_map(jnp.copy, state)

    def call():
        nonlocal state
        state, value = jitted(state)
        jax.block_until_ready((state, value))
        return value

    call()
    return call


@functools.lru_cache(1)
def tensors(place):
    """Variables and gradients; matrices are [in, out], as Keras has them."""
    import jax.numpy as jnp, keras

    if place == "2000x8k":
        raise worker.Unsupported("XLA compiles each program of 2,000 tensors for about a minute")
    shapes = list(enumerate(worker.CLIP_CASES[place]))
    return [keras.Variable(worker.parameter(i, s).T) for i, s in shapes], [jnp.asarray(worker.gradient(i, s).T) for i, s in shapes]


def tensor_variant(place, clip):
    vs, grads = tensors(place)
    opt = optimizer_of("adamw", 1e-6, clip)
    opt.build(vs)

    # Gradients that a program closes over would be constants of it, folded when it is compiled: they come with the state.
    def step(state):
        params, slots, g = state
        params, slots = opt.stateless_apply(slots, g, params)
        return (params, slots, g), params[-1].ravel()[0]

    return caller(step, ([v.value for v in vs], [v.value for v in opt.variables], grads)), opt


@functools.lru_cache(1)
def model_parts(place):
    import jax.numpy as jnp, keras
    from keras_models import build
    from workloads import workload

    kind, ws, x, y, loss, optimizer = workload(place)
    x, y = (jnp.asarray(t.astype("i4") if t.dtype == "int64" else t) for t in (x, y))
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if loss == "ce" else keras.losses.MeanSquaredError()
    return build(kind, ws), x, y, criterion, optimizer


def gradients(place, params, x):
    import jax

    model, _, y, criterion, _ = model_parts(place)
    fixed = [v.value for v in model.non_trainable_variables]
    loss = lambda params: criterion(y, model.stateless_call(params, fixed, x, training=True)[0])
    return jax.value_and_grad(loss)(params)


def model_variant(place, clip, lr):
    model, x, _, _, optimizer = model_parts(place)
    opt = optimizer_of(optimizer, lr, clip)
    opt.build(model.trainable_variables)

    def step(state):
        params, slots, x = state
        value, g = gradients(place, params, x)
        params, slots = opt.stateless_apply(slots, g, params)
        return (params, slots, x), value

    return caller(step, ([v.value for v in model.trainable_variables], [v.value for v in opt.variables], x)), opt


@functools.lru_cache(1)
def without_clip(place):
    """The step that others are compared with, at a rate with which it can take any number of steps."""
    return (tensor_variant(place, {}) if place in worker.CLIP_CASES else model_variant(place, {}, 1e-6))[0]


def open_cell(args):
    if args.suite != "policies":
        raise worker.Unsupported("clips of its optimizers only; tf_peer.py has its steps")
    environment(args)
    import jax.numpy as jnp

    kind, place, name = args.cell.split("/")
    if kind != "policy" or name not in POLICIES:
        raise worker.Unsupported(f"Keras has no {kind} {name} that is compared")
    clip = POLICIES[name]
    if place in worker.CLIP_CASES:
        vs, grads = tensors(place)
        clipped, opt = tensor_variant(place, clip)
        info = {"digest": lambda: worker.digest_of(opt._clip_gradients(grads))}
    else:
        model, x, *_ = model_parts(place)
        vs = model.trainable_variables
        clipped, opt = model_variant(place, clip, 1e-4)
        after = opt._clip_gradients(gradients(place, [v.value for v in vs], x)[1])
        info = {"norm_after": [float(jnp.sqrt(sum(jnp.sum(g * g) for g in after)))]}
    info |= {"params": int(sum(v.value.size for v in vs)), "tensors": len(vs)}
    return info, {"without": without_clip(place), "with": clipped}


if __name__ == "__main__":
    worker.serve(open_cell)
