# make_ema.py: averages of weights by torch.optim.swa_utils, for ema.test.ts. Run: python make_ema.py > ema.json
import json

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

N = 37


def run(steps, start, every, **options):
    """SGD of rate 0.5 with gradients that are multiples of 1/16; each step's average, or None before the first."""
    model = torch.nn.ParameterList([torch.arange(N, dtype=torch.float32) / 8 - 2])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    average = AveragedModel(model, **options)
    found = []
    for t in range(steps):
        model[0].grad = ((torch.arange(N) * 7 + t * 5) % 33 - 16).float() / 16
        optimizer.step()
        if t >= start and (t - start) % every == 0:
            average.update_parameters(model)
        found.append(average.module[0].tolist() if t >= start else None)
    return found


print(json.dumps({
    "ema": run(8, 0, 1, multi_avg_fn=get_ema_multi_avg_fn(0.9)),
    "low": run(8, 0, 1, multi_avg_fn=get_ema_multi_avg_fn(0.25)),
    "late": run(10, 3, 2, multi_avg_fn=get_ema_multi_avg_fn(0.75)),
    "mean": run(10, 2, 3),
}))
