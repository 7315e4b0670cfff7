# make_lora.py: low-rank adapters of linear layers and of attention, trained by PyTorch in f64, for lora.test.ts. Run: python make_lora.py > lora.json
import json

import torch
import torch.nn as nn

torch.set_default_dtype(torch.float64)


def waves(n, *shape):
    """Values that f32 holds: sixty-fourths."""
    count = 1
    for d in shape:
        count *= d
    i = torch.arange(count).double()
    return (torch.round(32 * torch.sin(i * 1.3 + n)) / 64).reshape(shape)


class Adapted(nn.Module):
    """As in Hugging Face's peft: a frozen layer, and alpha / rank * B A x beside it."""

    def __init__(self, base, rank, alpha):
        super().__init__()
        self.base = base
        self.A = nn.Parameter(waves(5, rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.A.T) @ self.B.T


class Attention(nn.Module):
    """nn.MultiheadAttention's own arithmetic, with an adapter of its fused projection and of the one of its output."""

    def __init__(self, width, heads, rank, alpha):
        super().__init__()
        self.heads = heads
        self.qkv = Adapted(nn.Linear(width, 3 * width), rank, alpha)
        self.out = Adapted(nn.Linear(width, width), rank, alpha)

    def forward(self, x):
        b, t, e = x.shape
        q, k, v = (p.reshape(b, t, self.heads, -1).transpose(1, 2) for p in self.qkv(x).split(e, dim=-1))
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).reshape(b, t, e))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = Adapted(nn.Linear(3, 8), 2, 6)
        self.attention = Attention(8, 2, 2, 6)
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.attention(torch.tanh(self.fc1(x))))


net = Net()
with torch.no_grad():
    for i, (name, p) in enumerate(net.named_parameters()):
        if name.endswith(".A") or name.endswith(".B"):
            continue
        p.copy_(waves(i, *p.shape))
        p.requires_grad = False
trained = [p for p in net.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(trained, lr=0.0625, momentum=0.5)
x, y = waves(1, 6, 4, 3) * 2, waves(2, 6, 4, 1)
losses = []
for _ in range(12):
    optimizer.zero_grad()
    loss = ((net(x) - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
out = {
    "start": {n: p.reshape(-1).tolist() for n, p in net.named_parameters() if not p.requires_grad},
    "A": {n: waves(5, *p.shape).reshape(-1).tolist() for n, p in net.named_parameters() if n.endswith(".A")},
    "x": x.reshape(-1).tolist(),
    "y": y.reshape(-1).tolist(),
    "losses": losses,
    "end": {n: p.detach().reshape(-1).tolist() for n, p in net.named_parameters() if p.requires_grad},
    "predicted": net(x).detach().reshape(-1).tolist(),
}
print(json.dumps(out))
