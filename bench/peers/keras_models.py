"""keras_models.py: the workloads as Keras models, on whatever backend."""
import worker


def build(kind, ws):
    """A Keras model that holds the weights. Its RNN has one bias where PyTorch has two, so it gets their sum."""
    import keras
    import numpy as np
    from keras import layers

    def dense(ws):
        return [layers.Dense(b.size, activation="relu" if k < len(ws) // 2 - 1 else None) for k, b in enumerate(ws[1::2])]

    flip = lambda ws: [w.T if w.ndim == 2 else w for w in ws]
    recurrent = lambda ws: [ws[0].T, ws[1].T, ws[2] + ws[3]]

    def gru(ws):  # Keras has both biases, and its gates in the order z, r, n
        swap = lambda w: np.concatenate([np.split(w, 3)[k] for k in (1, 0, 2)])
        wi, wh, bi, bh = map(swap, ws)
        return [wi.T, wh.T, np.stack([bi, bh])]

    if kind == "mlp":
        model = keras.Sequential([keras.Input((ws[0].shape[1],)), *dense(ws)])
        model.set_weights(flip(ws))
    elif kind == "rnn-last":
        model = keras.Sequential([keras.Input((100, 2)), layers.SimpleRNN(128), layers.Dense(1)])
        model.set_weights(recurrent(ws[:4]) + flip(ws[4:]))
    elif kind.startswith("char-"):
        cell = {"char-rnn": layers.SimpleRNN, "char-lstm": layers.LSTM, "char-gru": layers.GRU}[kind]
        rnn, time = cell(ws[2].shape[1], return_sequences=True), 64 if kind == "char-rnn" else 128
        model = keras.Sequential([keras.Input((time,), dtype="int32"), layers.Embedding(*ws[0].shape), rnn, layers.Dense(65)])
        model.set_weights([ws[0]] + (gru if kind == "char-gru" else recurrent)(ws[1:5]) + flip(ws[5:]))
    elif kind == "lenet":
        conv = lambda n: [layers.Conv2D(n, 5, padding="same", activation="relu"), layers.MaxPool2D()]
        images = [keras.Input((1, 28, 28)), layers.Reshape((28, 28, 1))]
        model = keras.Sequential([*images, *conv(32), *conv(64), layers.Flatten(), *dense(ws[4:])])
        filters = [w.transpose(2, 3, 1, 0) if w.ndim == 4 else w for w in ws[:4]]
        model.set_weights(filters + flip([worker.flat_last(ws[4], 64), *ws[5:]]))
    elif kind == "ncf":
        ids = keras.Input((2,), dtype="int32")
        tables = [layers.Embedding(*w.shape) for w in ws[:2]]
        out = layers.Concatenate()([table(ids[:, k]) for k, table in enumerate(tables)])
        for layer in dense(ws[2:]):
            out = layer(out)
        model = keras.Model(ids, out[:, 0])
        model.set_weights(ws[:2] + flip(ws[2:]))
    elif kind == "resnet20":
        model = resnet20(ws)
    else:
        raise worker.Unsupported(f"no model {kind}")
    return model


def resnet20(ws):
    """x comes as PyTorch has it, [batch, channels, height, width]; inside, channels are last. Padding as PyTorch's, which with a stride
    is not Keras's 'same'."""
    import keras
    from keras import layers

    made = []  # layers, in the order of their weights

    def conv_norm(x, o, k, stride):
        if k > 1:
            x = layers.ZeroPadding2D(1)(x)
        made.append(layers.Conv2D(o, k, stride, use_bias=False))
        made.append(layers.BatchNormalization(epsilon=1e-5, momentum=0.9))
        return made[-1](made[-2](x))

    images = keras.Input((3, 32, 32))
    x, i = layers.ReLU()(conv_norm(layers.Permute((2, 3, 1))(images), 16, 3, 1)), 16
    for o in (16, 16, 16, 32, 32, 32, 64, 64, 64):
        stride = 1 if i == o else 2
        y = conv_norm(layers.ReLU()(conv_norm(x, o, 3, stride)), o, 3, 1)
        x = layers.ReLU()(layers.Add()([y, x if i == o else conv_norm(x, o, 1, stride)]))
        i = o
    made.append(layers.Dense(10))
    model = keras.Model(images, made[-1](layers.GlobalAveragePooling2D()(x)))
    ws = list(ws)
    for layer in made:
        if isinstance(layer, layers.Conv2D):
            layer.set_weights([ws.pop(0).transpose(2, 3, 1, 0)])
        elif isinstance(layer, layers.BatchNormalization):
            layer.set_weights([ws.pop(0), ws.pop(0), *layer.get_weights()[2:]])
        else:
            layer.set_weights([ws.pop(0).T, ws.pop(0)])
    return model
