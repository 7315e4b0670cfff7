# make_loss_scale.py: scales of torch.amp.GradScaler where some gradients are not finite, for loss-scale.test.ts.
# Run: python make_loss_scale.py > loss-scale.json
import json

import torch

BAD = [3, 4, 5, 6, 11, 12, 20, 24, 28, 29, 30, 31]


def run(**options):
    p = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([p], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", **options)
    scales = []
    for t in range(40):
        scales.append(scaler.get_scale())
        optimizer.zero_grad()
        loss = (p * (float("nan") if t in BAD else 1.0)).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return scales


print(json.dumps({
    "bad": BAD,
    "default": run(growth_interval=3),
    "other": run(init_scale=1024.0, growth_factor=4.0, backoff_factor=0.25, growth_interval=2),
}))
