# make_batch_norm.py: a small network with batch norm, trained by PyTorch in f64, for batch-norm.test.ts. Run: python make_batch_norm.py > batch_norm.json
import json
import torch
import torch.nn as nn

torch.set_default_dtype(torch.float64)


class Net(nn.Module):
    """Two kinds of batch norm: with momentum 0.1, and with the mean of all batches."""

    def __init__(self):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(2)
        self.fc = nn.Linear(12, 3)
        self.bn2 = nn.BatchNorm1d(3, momentum=None, eps=1e-3)
        self.out = nn.Linear(3, 1)

    def forward(self, x):
        return self.out(self.bn2(self.fc(torch.relu(self.bn1(x)).flatten(1))))


def waves(*shape):
    """Values that f32 holds: eighths."""
    n = 1
    for d in shape:
        n *= d
    i = torch.arange(n).double()
    return (torch.round(8 * torch.sin(i * 1.3 + len(shape))) / 8).reshape(shape)


def run(accumulate):
    net = Net()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(waves(*p.shape) / 2 + (1 if p.dim() == 1 else 0))
    x, y = waves(24, 2, 2, 3) * 2 + 0.5, waves(24, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.125, momentum=0.5)
    net.train()
    losses = []
    rows = 24 // 4 // accumulate
    for step in range(4):
        opt.zero_grad()
        total = 0.0
        for micro in range(accumulate):
            at = (step * accumulate + micro) * rows
            loss = ((net(x[at : at + rows]) - y[at : at + rows]) ** 2).mean() / accumulate
            loss.backward()
            total += loss.item()
        opt.step()
        losses.append(total)
    net.eval()
    return {
        "accumulate": accumulate,
        "losses": losses,
        "state": {k: {"shape": list(v.shape), "data": v.double().reshape(-1).tolist()} for k, v in net.state_dict().items()},
        "evaluated": net(x).reshape(-1).tolist(),
    }


flat = lambda t: t.reshape(-1).tolist()
initial = [flat(waves(*p.shape) / 2 + (1 if p.dim() == 1 else 0)) for p in Net().parameters()]
data = {"x": flat(waves(24, 2, 2, 3) * 2 + 0.5), "y": flat(waves(24, 1))}
print(json.dumps({"torch": torch.__version__, "initial": initial, **data, "runs": [run(1), run(2)]}, separators=(",", ":")))
