# make_conv.py: convolutions as PyTorch computes them in f64, for conv.test.ts. Run: python make_conv.py > conv.json
import json
import torch
import torch.nn as nn

torch.manual_seed(1)
NAMES = {"output_padding": "outputPadding"}


def case(layer, shape, *args, **options):
    """A layer on x, and the gradients of the sum of y times 1, 2, 3 .."""
    m = getattr(nn, layer)(*args, **options)
    for p in m.parameters():  # so that f32 holds them in few digits
        p.data = (p.data * 64).round() / 64
    m.double()
    x = ((torch.randn(*shape) * 8).round() / 8).double().requires_grad_()
    y = m(x)
    weights = (torch.arange(y.numel()) % 7 - 3).double().reshape(y.shape)
    (y * weights).sum().backward()
    flat = lambda t: [float(f"{v:.9g}") for v in t.detach().reshape(-1).tolist()]
    return {
        "layer": layer,
        "args": list(args),
        "options": {NAMES.get(k, k): v for k, v in options.items()},
        "shape": list(shape),
        "x": flat(x),
        "y": {"shape": list(y.shape), "data": flat(y)},
        "dx": flat(x.grad),
        "parameters": {k: {"data": flat(p), "grad": flat(p.grad)} for k, p in m.named_parameters()},
    }


cases = [
    case("Conv2d", (2, 3, 5, 6), 3, 4, 3),
    case("Conv2d", (1, 2, 6, 5), 2, 3, (4, 2), padding="same"),
    case("Conv2d", (1, 2, 7, 6), 2, 3, (2, 4), padding="same", dilation=(3, 1), bias=False),
    case("Conv2d", (2, 4, 7, 6), 4, 6, (3, 2), stride=(2, 3), padding=(1, 2), dilation=(2, 1), groups=2),
    case("Conv2d", (2, 3, 6, 6), 3, 6, 3, stride=2, padding=1, groups=3),
    case("Conv2d", (1, 3, 4, 4), 3, 2, 1, padding="valid", bias=False),
    case("Conv1d", (2, 3, 11), 3, 4, 5, stride=2, padding=3),
    case("Conv1d", (2, 3, 9), 3, 3, 4, padding="same", dilation=2, groups=3),
    case("ConvTranspose2d", (2, 3, 4, 3), 3, 2, 3),
    case("ConvTranspose2d", (1, 4, 3, 4), 4, 6, (3, 4), stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2),
    case("ConvTranspose2d", (1, 2, 3, 3), 2, 3, 2, stride=2, dilation=3, output_padding=2, bias=False),
    case("Conv3d", (2, 3, 4, 5, 6), 3, 4, 3),
    case("Conv3d", (1, 2, 6, 5, 4), 2, 3, (3, 1, 4), padding="same", dilation=(2, 1, 1), bias=False),
    case("Conv3d", (1, 4, 7, 6, 5), 4, 6, (4, 3, 2), stride=(2, 1, 3), padding=(2, 0, 1), dilation=(2, 1, 3), groups=2),
    case("Conv3d", (1, 3, 2, 5, 5), 3, 6, 3, stride=2, padding=1, groups=3),
    case("ConvTranspose3d", (1, 3, 3, 4, 3), 3, 2, 3),
    case("ConvTranspose3d", (1, 4, 3, 3, 2), 4, 6, (3, 2, 4), stride=(2, 1, 3), padding=(1, 0, 2), output_padding=(1, 0, 2), groups=2),
]
print(json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":")))
