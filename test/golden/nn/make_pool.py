# make_pool.py: pooling as PyTorch computes it in f64, for pool.test.ts. Run: python make_pool.py > pool.json
import json
import torch
import torch.nn.functional as F

torch.manual_seed(1)
NAMES = {"ceil_mode": "ceilMode", "count_include_pad": "countIncludePad", "divisor_override": "divisorOverride"}


def case(name, shape, size, whole=False, **options):
    """x is small whole numbers where there are to be ties."""
    x = torch.randint(-2, 3, shape).double() if whole else torch.randn(*shape).float().double()
    x.requires_grad_()
    y = getattr(F, name)(x, size, **options)
    w = torch.arange(1, y.numel() + 1).double().reshape(y.shape)
    (y * w).sum().backward()
    flat = lambda t: [float(f"{v:.10g}") for v in t.detach().reshape(-1).tolist()]
    return {
        "name": name,
        "shape": list(shape),
        "size": size,
        "options": {NAMES.get(k, k): v for k, v in options.items()},
        "x": flat(x),
        "y": {"shape": list(y.shape), "data": flat(y)},
        "grad": flat(x.grad),
    }


cases = [
    case("max_pool2d", (2, 3, 6, 4), 2),
    case("max_pool2d", (2, 2, 5, 7), 2, whole=True),
    case("max_pool2d", (2, 2, 5, 7), 2, whole=True, ceil_mode=True),
    case("max_pool2d", (1, 2, 7, 9), 3, whole=True, stride=2, padding=1),
    case("max_pool2d", (2, 7, 9), (3, 2), whole=True, stride=(1, 3), padding=(1, 0), dilation=(2, 1), ceil_mode=True),
    case("max_pool2d", (1, 1, 18, 18), 16, stride=1),
    case("max_pool1d", (2, 3, 11), 3, whole=True),
    case("max_pool1d", (3, 11), 4, stride=3, padding=2, ceil_mode=True),
    case("avg_pool2d", (2, 3, 6, 4), 2),
    case("avg_pool2d", (1, 2, 7, 9), 3, stride=2, padding=1),
    case("avg_pool2d", (1, 2, 7, 9), 3, stride=2, padding=1, count_include_pad=False),
    case("avg_pool2d", (2, 6, 8), (3, 2), stride=(2, 3), padding=(1, 1), ceil_mode=True),
    case("avg_pool2d", (2, 6, 8), (3, 2), stride=(2, 3), padding=(1, 1), ceil_mode=True, count_include_pad=False),
    case("avg_pool2d", (1, 2, 5, 5), 2, stride=3, ceil_mode=True, divisor_override=3),
    case("avg_pool1d", (2, 3, 11), 3),
    case("avg_pool1d", (3, 11), 4, stride=5, padding=2, ceil_mode=True, count_include_pad=False),
    case("adaptive_avg_pool2d", (2, 3, 5, 7), 1),
    case("adaptive_avg_pool2d", (2, 3, 5, 7), (3, 4)),
    case("adaptive_avg_pool2d", (3, 5, 2), (None, 3)),
    case("adaptive_avg_pool1d", (2, 3, 11), 4),
    case("adaptive_avg_pool1d", (3, 11), 1),
    case("max_pool3d", (2, 2, 4, 5, 6), 2, whole=True),
    case("max_pool3d", (1, 2, 7, 6, 5), (3, 2, 3), whole=True, stride=(2, 1, 3), padding=(1, 1, 0), ceil_mode=True),
    case("max_pool3d", (2, 7, 5, 6), (2, 3, 1), whole=True, stride=(1, 2, 2), dilation=(3, 1, 2), padding=(1, 0, 0)),
    case("max_pool3d", (1, 2, 3, 4, 4), (1, 2, 2)),
    case("avg_pool3d", (2, 2, 4, 5, 6), 2),
    case("avg_pool3d", (1, 2, 7, 6, 5), (3, 2, 3), stride=(2, 1, 3), padding=(1, 1, 0), ceil_mode=True),
    case("avg_pool3d", (1, 2, 7, 6, 5), (3, 2, 3), stride=(2, 3, 1), padding=(1, 1, 1), ceil_mode=True, count_include_pad=False),
    case("avg_pool3d", (2, 5, 4, 4), 2, stride=(3, 2, 1), divisor_override=3),
    case("avg_pool3d", (1, 2, 3, 4, 4), (1, 2, 2)),
    case("avg_pool3d", (1, 2, 4, 3, 3), (4, 1, 1)),
    case("adaptive_avg_pool3d", (2, 2, 4, 5, 3), 1),
    case("adaptive_avg_pool3d", (1, 2, 4, 5, 7), (3, 2, 4)),
    case("adaptive_avg_pool3d", (2, 3, 5, 4), (None, 3, 1)),
    case("adaptive_max_pool3d", (1, 2, 4, 5, 7), (3, 2, 4), whole=True),
    case("adaptive_max_pool3d", (2, 6, 4, 6), (3, 2, 3), whole=True),
    case("adaptive_max_pool3d", (1, 2, 3, 5, 4), (None, 1, 6), whole=True),
]
print(json.dumps({"torch": torch.__version__, "cases": cases}, separators=(",", ":")))
