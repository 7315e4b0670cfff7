# make_resample.py: padding and upsampling as PyTorch computes them in f64, for resample.test.ts. Run: python make_resample.py > resample.json
import json
import torch
import torch.nn as nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(2)
NAMES = {"scale_factor": "scaleFactor", "align_corners": "alignCorners"}


def case(name, shape, *arguments, **options):
    x = (torch.randint(-64, 64, shape) / 16).requires_grad_()
    y = getattr(nn, name)(*arguments, **options)(x)
    (y * (torch.arange(y.numel()) % 7 + 1).reshape(y.shape)).sum().backward()
    flat = lambda t: [float(f"{v:.10g}") for v in t.detach().reshape(-1).tolist()]
    given = {NAMES.get(k, k): v for k, v in options.items()}
    return {"name": name, "shape": list(shape), "arguments": [*arguments, *([given] if given else [])], "x": flat(x),
            "y": {"shape": list(y.shape), "data": flat(y)}, "grad": flat(x.grad)}


cases = [
    case("ZeroPad2d", (2, 1, 2, 3), [1, 2, 0, 1]),
    case("ConstantPad1d", (2, 3), [2, 1], -1.5),
    case("ConstantPad2d", (1, 2, 2, 3), 1, 0.25),
    case("ReflectionPad1d", (1, 2, 4), [3, 1]),
    case("ReflectionPad2d", (2, 3, 4), [3, 0, 2, 1]),
    case("ReplicationPad1d", (2, 3), [4, 1]),
    case("ReplicationPad2d", (1, 2, 2, 3), 2),
    case("CircularPad1d", (1, 1, 4), [4, 2]),
    case("CircularPad2d", (1, 2, 3, 4), [1, 2, 3, 0]),
    case("Upsample", (1, 2, 3, 4), scale_factor=2),
    case("Upsample", (1, 2, 5), size=13),
    case("Upsample", (1, 1, 5, 7), scale_factor=(0.6, 1.7)),
    case("Upsample", (1, 2, 3, 4), scale_factor=2, mode="bilinear"),
    case("Upsample", (1, 2, 3, 4), size=(7, 5), mode="bilinear", align_corners=True),
    case("Upsample", (1, 1, 7, 6), size=(3, 1), mode="bilinear"),
    case("Upsample", (1, 1, 4, 3), scale_factor=1.6, mode="bilinear"),
    case("Upsample", (2, 1, 4), scale_factor=3, mode="linear", align_corners=True),
]
print(json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":")))
