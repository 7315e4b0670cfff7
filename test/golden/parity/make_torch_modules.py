# make_torch_modules.py: PyTorch's own table of its modules but the losses (torch.testing._internal.common_modules), computed in f64, for
# torch-modules.test.ts. Weights and inputs are made from whole numbers on both sides (golden/runs/recipe.py); of what comes out the first elements are
# kept, the norm, and a sum with weights. It needs expecttest beside torch. Run: python make_torch_modules.py > torch-modules.json
import inspect
import json
import os
import sys
import warnings

import torch
from torch.testing._internal.common_modules import module_db

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "runs"))
from recipe import noise, uniform

warnings.filterwarnings("ignore")
KEPT = 6
# Dimensions of what is a batch, of modules that take a row alone, too; here a row is a batch of one.
RANK = {f"{kind}{n}d": n + 2 for n in (1, 2, 3) for kind in (
    "AdaptiveAvgPool", "AdaptiveMaxPool", "AvgPool", "MaxPool", "Conv", "ConvTranspose", "InstanceNorm", "CircularPad", "ConstantPad", "ReflectionPad",
    "ReplicationPad", "ZeroPad",
)}
RANK |= {"RNNCell": 2, "LSTMCell": 2, "GRUCell": 2, "RNN": 3, "LSTM": 3, "GRU": 3, "MultiheadAttention": 3, "Softmax2d": 4}
RANK |= {"Transformer": 3, "TransformerEncoder": 3, "TransformerEncoderLayer": 3, "TransformerDecoderLayer": 3}
SEQUENCES = {"RNN", "LSTM", "GRU", "MultiheadAttention", "Transformer", "TransformerEncoder", "TransformerEncoderLayer", "TransformerDecoderLayer"}
NORMS = {"BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"}
# Without a counterpart.
NONE = {"Bilinear", "FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "LocalResponseNorm", "Softmin", "Threshold"}
# What a case asks for that has no counterpart: torch-modules.test.ts has the reasons.
ASKS = ["divisor_override", "return_indices", "proj_size", "add_bias_kv", "add_zero_attn", "beta", "threshold"]


def number(v):
    return float(f"{v:.10g}") if v == v and abs(v) != float("inf") else str(v)


def digest(t):
    flat = t.detach().double().reshape(-1)
    weights = torch.arange(1, flat.numel() + 1, dtype=torch.float64).cos()
    return [list(t.shape), number((flat * weights).sum().item()), number(flat.norm().item()), [number(v) for v in flat[:KEPT].tolist()]]


def bound(call, given, first):
    """Arguments by name, without those that are the defaults."""
    signature = inspect.signature(call)
    named = dict(list(signature.bind(*[None] * first, *given.args, **given.kwargs).arguments.items())[first:])
    named |= named.pop("kwargs", {})
    defaults = {k: p.default for k, p in signature.parameters.items()}
    return {k: v for k, v in named.items() if v is not None or defaults.get(k, 0) is not None}


def layer_of(layer):
    """What a layer of a stack was made with."""
    act = layer.activation if isinstance(layer.activation, str) else layer.activation.__name__
    return {
        "d_model": layer.linear1.in_features, "nhead": layer.self_attn.num_heads, "dim_feedforward": layer.linear1.out_features, "dropout": 0.0,
        "activation": act, "norm_first": layer.norm_first, "bias": layer.linear1.bias is not None,
    }


def plain(v):
    if isinstance(v, torch.nn.Module):
        return layer_of(v)
    if isinstance(v, (tuple, list)):
        return [plain(x) for x in v]
    return v.__name__ if callable(v) else v


def whole(name, ins, rank, batch_first):
    """Inputs with the batch in front."""
    xs = [t for t in ins.values() if isinstance(t, torch.Tensor) and t.is_floating_point()]
    row = xs[0].dim() == rank - 1
    out = {}
    for k, t in ins.items():
        states = name in ("RNN", "LSTM", "GRU") and k in ("hx", "h", "c")
        if not isinstance(t, torch.Tensor):
            out[k] = t
        elif row and not (k.endswith("mask") and not k.endswith("padding_mask")):
            out[k] = t.unsqueeze(1 if states else 0)
        elif name in SEQUENCES and not row and not batch_first and t.is_floating_point() and not states and not k.endswith("mask"):
            out[k] = t.transpose(0, 1)
        else:
            out[k] = t
    return out


def fill(t, seed, scale):
    return torch.from_numpy(uniform(seed, t.numel())).double().reshape(t.shape) * scale


def run(info, kwargs, ins, mode, scale):
    name = info.module_cls.__name__
    made = dict(kwargs)
    if name in SEQUENCES:
        made.pop("batch_first", None)
    if name == "TransformerEncoder":
        facts = {**layer_of(made["encoder_layer"]), "batch_first": True}
        made["encoder_layer"] = torch.nn.TransformerEncoderLayer(**facts)
        made["enable_nested_tensor"] = False
    elif name in SEQUENCES:
        made["batch_first"] = True
    module = info.module_cls(**made).double().train(mode == "train")
    with torch.no_grad():
        for j, (_, p) in enumerate(sorted(module.named_parameters())):
            p.copy_(fill(p, 300 + j, 0.5))
        for k, b in module.named_buffers():
            if k == "running_mean":
                b.copy_(fill(b, 400, 0.5))
            elif k == "running_var":
                b.copy_((1.25 + fill(b, 401, 0.5)).float().double())
    given = {k: t.clone().requires_grad_() if isinstance(t, torch.Tensor) and t.is_floating_point() else t for k, t in ins.items()}
    call = dict(given)
    if name in ("LSTM", "LSTMCell") and "h" in call:
        call["hx"] = (call.pop("h"), call.pop("c"))
    if name == "MultiheadAttention":
        call["need_weights"] = False
    outs = module(**call)
    outs = outs if isinstance(outs, tuple) else (outs,)
    flat = [t for o in outs if o is not None for t in (o if isinstance(o, tuple) else (o,))]
    loss = sum((y * torch.arange(1, y.numel() + 1, dtype=torch.float64).reshape(y.shape).cos()).sum() for y in flat)
    loss.backward()
    return {
        "outs": [digest(y) for y in flat],
        "grads": {k: digest(t.grad) for k, t in given.items() if isinstance(t, torch.Tensor) and t.is_floating_point() and t.grad is not None},
        "weights": {k: digest(torch.zeros_like(p) if p.grad is None else p.grad) for k, p in sorted(module.named_parameters())},
        "buffers": {k: digest(b) for k, b in module.named_buffers() if k.startswith("running")},
    }


cases, counts = [], {}
for info in module_db:
    name = info.module_cls.__name__
    if name.endswith("Loss"):
        continue
    seen, count = set(), counts.setdefault(name, {"table": 0, "same": 0, "kept": 0, "left": {}})
    if name.startswith("Lazy") or name in NONE:
        count["table"] = len(list(info.module_inputs_func(info, "cpu", torch.float64, True, training=True)))
        continue
    for given in info.module_inputs_func(info, "cpu", torch.float64, True, training=True):
        count["table"] += 1
        kwargs = bound(info.module_cls.__init__, given.constructor_input, 1)
        ins = bound(info.module_cls.forward, given.forward_input, 1)
        asks = [k for k in ASKS if k in kwargs and (kwargs[k] or k == "divisor_override")]
        if name in ("Softmax", "LogSoftmax") and given.forward_input.args[0].dim() == 0:
            asks = ["scalar"]
        if name.startswith("BatchNorm") and given.forward_input.args[0].numel() == 0:
            asks = ["zero_batch"]
        if asks:
            count["left"][asks[0]] = count["left"].get(asks[0], 0) + 1
            continue
        for k in ("hx",):
            if isinstance(ins.get(k), tuple):
                ins["h"], ins["c"] = ins.pop(k)
        ins = {k: v for k, v in ins.items() if isinstance(v, torch.Tensor)}
        batch_first = kwargs.get("batch_first", False)
        if name == "TransformerEncoder":
            batch_first = kwargs["encoder_layer"].self_attn.batch_first
        if name in RANK:
            ins = whole(name, ins, RANK[name], batch_first)
        if name == "Embedding":
            ins = {k: t[:, :8] for k, t in ins.items()}
        if name in ("LayerNorm", "RMSNorm", "GroupNorm"):
            ins = {k: t[:8] for k, t in ins.items()}
        # Of logarithms and roots there are none here: any sign will do.
        scale = 1 if name in SEQUENCES or name.endswith("Cell") else 4
        arrays = {}
        for j, (k, t) in enumerate(list(ins.items())):
            if t.is_floating_point():
                ins[k] = fill(t, 100 + j, scale)
                arrays[k] = {"shape": list(t.shape)}
            elif t.dtype == torch.bool:
                arrays[k] = {"shape": list(t.shape), "mask": [int(v) for v in t.reshape(-1).tolist()]}
            else:
                below = kwargs["num_embeddings"]
                ins[k] = torch.from_numpy(noise(100 + j, t.numel()).astype("int64") % below).reshape(t.shape)
                arrays[k] = {"shape": list(t.shape), "below": below}
        options = {k: plain(v) for k, v in kwargs.items() if k not in ("batch_first", "dropout", "return_indices", "proj_size", "add_bias_kv", "add_zero_attn")}
        if "encoder_layer" in options:
            options["encoder_layer"] = {k: v for k, v in options["encoder_layer"].items() if k != "dropout"}
        key = json.dumps([options, arrays])
        if key in seen:
            count["same"] += 1
            continue
        seen.add(key)
        count["kept"] += 1
        for mode in ("train", "eval") if name in NORMS else ("train",):
            cases.append({"module": name, "options": options, "ins": arrays, "scale": scale, "mode": mode, **run(info, kwargs, ins, mode, scale)})
print('{"torch": %s,\n"modules": {\n%s\n},\n"cases": [\n%s\n]}' % (
    json.dumps(torch.__version__), ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in counts.items()),
    ",\n".join(json.dumps(case) for case in cases)))
