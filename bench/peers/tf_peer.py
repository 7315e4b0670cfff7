"""tf_peer.py: TensorFlow with Keras as a peer: one tf.function training step with a clip by global norm, and one of many steps (mode
jit: through XLA; bf16: Keras's mixed precision)."""
import os
import worker

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def open_cell(args):
    if args.suite != "step":
        raise worker.Unsupported("whole steps only")
    import keras, tensorflow as tf
    from keras_models import build
    from workloads import workload

    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    kind, ws, x, y, loss, optimizer = workload(args.cell)
    x, y = (tf.constant(t.astype("int32") if t.dtype == "int64" else t) for t in (x, y))
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if loss == "ce" else keras.losses.MeanSquaredError()

    if "bf16" in args.mode:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    function = tf.function(jit_compile="jit" in args.mode)

    def variant(clip, steps=1):
        """Steps on a model of its own; they tell losses and norms."""
        model = build(kind, ws)
        if optimizer == "adamw":
            opt = keras.optimizers.AdamW(1e-4, weight_decay=0.01)
        else:
            opt = keras.optimizers.SGD(1e-4, momentum=0.9)
        opt.build(model.trainable_variables)

        def step(x, y):
            with tf.GradientTape() as tape:
                value = criterion(y, tf.cast(model(x, training=True), tf.float32))
            # An embedding's gradient comes as rows, some of them twice; summed into a table, AdamW and the norm are those of PyTorch.
            g = [tf.convert_to_tensor(t) for t in tape.gradient(value, model.trainable_variables)]
            norm = value
            if clip:
                g, norm = tf.clip_by_global_norm(g, 1.0)
            if optimizer == "adamw":  # Keras adds epsilon before it corrects the second moment, PyTorch adds 1e-8 after
                opt.epsilon = 1e-8 * tf.sqrt(1 - tf.pow(opt.beta_2, tf.cast(opt.iterations + 1, tf.float32)))
            opt.apply_gradients(zip(g, model.trainable_variables))
            return value, norm

        def many(x, y):
            losses, norms = tf.TensorArray(tf.float32, steps), tf.TensorArray(tf.float32, steps)
            for i in tf.range(steps):
                value, norm = step(x, y)
                losses, norms = losses.write(i, value), norms.write(i, norm)
            return losses.stack(), norms.stack()

        run = function(step if steps == 1 else many)
        return model, lambda: [t.numpy() for t in run(x, y)]

    def product(m, n, k):
        dtype = keras.mixed_precision.global_policy().compute_dtype
        a, b = tf.random.normal((m, k)), tf.random.normal((k, n))
        multiply = function(lambda a, b: tf.matmul(tf.cast(a, dtype), tf.cast(b, dtype)))
        return lambda: multiply(a, b)

    model, clipped = variant(True)
    first = [[float(t) for t in clipped()] for _ in range(3)]
    info = {"params": sum(w.numpy().size for w in model.trainable_variables), "loss": [v for v, _ in first], "norm": [n for _, n in first]}
    info |= worker.precision(args)
    variants = {"step": clipped, "noclip": worker.lazy(lambda: variant(False)[1])}
    if args.chunk > 1:
        _, chunk = variant(True, args.chunk)
        loss, norm = chunk()
        info |= {"chunk": args.chunk, "chunk_loss": loss[:3].tolist(), "chunk_norm": norm[:3].tolist()}
        variants["chunk"] = (chunk, 1, args.chunk)
    return info, variants | worker.products(args, product)


worker.serve(open_cell)
