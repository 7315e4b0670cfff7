# make_promotion.py: of which dtype PyTorch's results are, and what they hold, for operands of all pairs of dtypes, with and without dimensions, and
# numbers: promotion.json, for promote.test.ts. Run with PyTorch: python make_promotion.py > promotion.json
import json
import torch

DTYPES = {"u8": torch.uint8, "i32": torch.int32, "f32": torch.float32, "f64": torch.float64}
NAMES = {**{d: n for n, d in DTYPES.items()}, torch.int64: "i64", torch.bool: "bool"}
# No result is beyond the range of u8, where it is of u8: there PyTorch begins again at the other end.
LEFT = {"u8": [7, 5, 12], "i32": [7, -5, 12], "f32": [7.5, -5.25, 12], "f64": [7.5, -5.25, 0.1]}
RIGHT = {"u8": [2, 1, 1], "i32": [2, 3, -1], "f32": [2.5, 3, -0.25], "f64": [2.5, 3, 0.7]}


def operand(name, values):
    if name in ("2", "0.5"):
        return json.loads(name)
    dtype = DTYPES[name.removesuffix("[]")]
    values = values[name.removesuffix("[]")]
    return torch.tensor(values[0] if name.endswith("[]") else values, dtype=dtype)


def told(run, *ins):
    try:
        y = run(*ins)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        return None
    return [NAMES[y.dtype], [str(v) if v != v or abs(v) == float("inf") else v for v in y.double().reshape(-1).tolist()]]


def power(a, b):
    # Integers to negative powers are fractions, which PyTorch does not give either.
    return a ** (b.abs() if isinstance(b, torch.Tensor) else b)


tensors = [*DTYPES, *(f"{d}[]" for d in DTYPES)]
numbers = ["2", "0.5"]
pairs = [(a, b) for a in [*tensors, *numbers] for b in [*tensors, *numbers] if a in tensors or b in tensors]
both = lambda run: lambda a, b: run(*(x if isinstance(x, torch.Tensor) else torch.tensor(x) for x in (a, b)))
BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": power,
    "less": lambda a, b: a < b,
    "lessEqual": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greaterEqual": lambda a, b: a >= b,
    "equal": lambda a, b: a == b,
    "notEqual": lambda a, b: a != b,
    "where": lambda a, b: torch.where(torch.tensor([True, False, True]), a, b),
    # These take tensors alone.
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "fma": lambda a, b: torch.addcmul(a, b, b),
    "clamp": lambda a, b: torch.clamp(a, min=b),
    "concat": lambda a, b: torch.cat([a, b]),
    "stack": lambda a, b: torch.stack([a, b]),
}
UNARY = {
    **{n: getattr(torch, n) for n in "neg abs sign square sqrt rsqrt reciprocal exp log log1p erf sin cos tanh sigmoid relu floor round sum".split()},
    "isFinite": torch.isfinite,
    "max": torch.amax,
    "min": torch.amin,
    "argmax": torch.argmax,
    "cumsum": lambda a: a.cumsum(-1),
    "cumprod": lambda a: a.cumprod(-1),
    "sort": lambda a: a.sort().values,
    "topK": lambda a: a.topk(2).values,
    "logSumExp": lambda a: a.logsumexp(-1),
    "hardtanh": torch.nn.functional.hardtanh,
    "relu6": torch.nn.functional.relu6,
    "softsign": torch.nn.functional.softsign,
    "tanhshrink": torch.nn.functional.tanhshrink,
}

cases = {
    "types": [[a, b, NAMES[torch.result_type(operand(a, LEFT), operand(b, RIGHT))]] for a, b in pairs],
    "binary": [[op, a, b, *got] for op, run in BINARY.items() for a, b in pairs if (got := told(run, operand(a, LEFT), operand(b, RIGHT)))],
    "unary": [[op, a, *got] for op, run in UNARY.items() for a in DTYPES if (got := told(run, operand(a, LEFT)))],
}
print('{\n"left": %s,\n"right": %s,' % (json.dumps(LEFT), json.dumps(RIGHT)))
print(",\n".join('"%s": [\n%s\n]' % (k, ",\n".join(json.dumps(row) for row in rows)) for k, rows in cases.items()))
print("}")
