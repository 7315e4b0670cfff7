# make_summary.py: what PyTorch says of three models: each call of a module with the shape it gives and the parameters that are its own, and
# the multiply-adds of the whole forward pass by its own counter. For summary.test.ts.
# Run: python make_summary.py > summary.json
import json
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.fc1 = nn.Linear(64 * 49, 512)
        self.fc2 = nn.Linear(512, 10)
        self.pool = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        return self.fc2(F.relu(self.fc1(self.flatten(x))))


class Residual(nn.Module):
    def __init__(self, ins, outs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)
        changes = stride != 1 or ins != outs
        self.shortcut = nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs)) if changes else None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        past = self.shortcut(x) if self.shortcut else x
        return F.relu(self.bn2(self.conv2(y)) + past)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [16] * 3 + [32] * 3 + [64] * 3
        ins = [16] + widths[:-1]
        self.conv = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(*[Residual(i, w, 1 if i == w else 2) for i, w in zip(ins, widths)])
        self.head = nn.Sequential()
        self.head.add_module("pool", nn.AdaptiveAvgPool2d(1))
        self.head.add_module("flatten", nn.Flatten())
        self.head.add_module("fc", nn.Linear(64, 10))

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.bn(self.conv(x)))))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(0.0)

    def forward(self, x):
        b, t, w = x.shape
        q, k, v = (p.view(b, t, self.heads, -1).transpose(1, 2) for p in self.qkv(self.norm1(x)).split(w, 2))
        scores = q @ k.transpose(-2, -1) / (w // self.heads) ** 0.5
        scores = scores.masked_fill(torch.ones(t, t).triu(1).bool(), float("-inf"))
        seen = (scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, w)
        y = x + self.dropout(self.proj(seen))
        return y + self.dropout(self.mlp(self.norm2(y)))


class Positions(nn.Module):
    def __init__(self, context, width):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(context, width))

    def forward(self, x):
        return x + self.weight[: x.shape[1]]


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, width, heads):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = Positions(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(0.0)

    def forward(self, tokens):
        x = self.dropout(self.positions(self.embedding(tokens)))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embedding.weight)


def case(model, x):
    model.eval()
    calls = []

    def before(path, module):
        def hook(_module, _ins):
            calls.append({"path": path, "own": sum(p.numel() for p in module.parameters(recurse=False))})
            _module.open = getattr(_module, "open", []) + [len(calls) - 1]

        return hook

    def after(_module, _ins, out):
        calls[_module.open.pop()]["shape"] = list(out.shape)

    for path, module in model.named_modules():
        module.register_forward_pre_hook(before(path, module))
        module.register_forward_hook(after)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    return {
        "input": list(x.shape),
        "calls": calls,
        "parameters": sum(p.numel() for p in model.parameters()),
        "macs": counter.get_total_flops() // 2,
    }


cases = {
    "LeNet": case(LeNet(), torch.zeros(32, 1, 28, 28)),
    "ResNet20": case(ResNet20(), torch.zeros(4, 3, 32, 32)),
    "GPT": case(GPT(65, 64, 3, 48, 4), torch.zeros(8, 32, dtype=torch.int64)),
}
print(json.dumps(cases, separators=(",", ":")))
