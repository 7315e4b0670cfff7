# make_recurrent.py: PyTorch's RNN, LSTM and GRU in f64, for recurrent-layers.test.ts. Run: python make_recurrent.py > recurrent.json
"""Outputs, final states and gradients of a weighted sum of all of them."""
import json, math
import torch, torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

BATCH, TIME, INPUT, HIDDEN = 3, 4, 2, 3


def grid(shape, k):
    """Multiples of 1/64 in [-1, 1): exact in float32."""
    n = math.prod(shape)
    return (torch.tensor([((i * i * k + 7 * i + 3 * k) * 37 % 128 - 64) / 64 for i in range(n)], dtype=torch.float64)).reshape(shape)


def numbers(t):
    return {"shape": list(t.shape), "data": [float(f"{v:.12g}") for v in t.detach().flatten().tolist()]}


def case(kind, options, given=False, lengths=None):
    layer = getattr(nn, kind)(INPUT, HIDDEN, batch_first=True, dtype=torch.float64, **options)
    for i, p in enumerate(layer.parameters()):
        p.data = grid(p.shape, i + 1) * 0.5
    x = grid((BATCH, TIME, INPUT), 11).requires_grad_()
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    states = [grid((count, BATCH, HIDDEN), 12 + i).requires_grad_() for i in range(2 if kind == "LSTM" else 1)]
    hx = None if not given else tuple(states) if kind == "LSTM" else states[0]
    if lengths:
        packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        output, final = layer(packed, hx)
        output = pad_packed_sequence(output, batch_first=True, total_length=TIME)[0]
    else:
        output, final = layer(x, hx)
    outs = [output, *(final if kind == "LSTM" else [final])]
    sum((o * grid(o.shape, 20 + i)).sum() for i, o in enumerate(outs)).backward()
    ins = [x, *(states if given else [])]
    return {
        "kind": kind,
        "options": options,
        "lengths": lengths,
        "ins": [numbers(t) for t in ins],
        "parameters": {n: numbers(p) for n, p in layer.named_parameters()},
        "weights": [numbers(grid(o.shape, 20 + i)) for i, o in enumerate(outs)],
        "outs": [numbers(o) for o in outs],
        "gradients": {**{f"in {i}": numbers(t.grad) for i, t in enumerate(ins)}, **{n: numbers(p.grad) for n, p in layer.named_parameters()}},
    }


CASES = {
    "RNN relu, 2 layers": case("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    "RNN bidirectional, lengths": case("RNN", {"bidirectional": True}, lengths=[4, 1, 3]),
    "LSTM": case("LSTM", {}),
    "LSTM without bias, states given": case("LSTM", {"bias": False}, given=True),
    "LSTM 2 layers, bidirectional, states given, lengths": case("LSTM", {"num_layers": 2, "bidirectional": True}, given=True, lengths=[2, 4, 1]),
    "GRU": case("GRU", {}, given=True),
    "GRU without bias": case("GRU", {"bias": False}),
    "GRU 2 layers, bidirectional, states given, lengths": case("GRU", {"num_layers": 2, "bidirectional": True}, given=True, lengths=[3, 1, 4]),
}
print(json.dumps({"torch": torch.__version__, "cases": CASES}))
