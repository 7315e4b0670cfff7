"""torch_peer.py: PyTorch as a peer: whole training steps (mode compile: torch.compile; mode f64: for the losses that the
workloads record), and the optimizer phase alone."""
import worker
from torch_gpt import GPT
import torch, torch.nn as nn, torch.nn.functional as F
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm


class MLP(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        layers = [nn.Linear(i, o) for i, o in zip(sizes, sizes[1:])]
        self.net = nn.Sequential(*[m for layer in layers for m in (layer, nn.ReLU())][:-1])

    def forward(self, x):
        return self.net(x)


class LeNet(nn.Sequential):
    def __init__(self):
        conv = lambda i, o: [nn.Conv2d(i, o, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
        super().__init__(*conv(1, 32), *conv(32, 64), nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10))


class LastRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.RNN(2, 128, batch_first=True), nn.Linear(128, 1)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


class CharRNN(nn.Module):
    def __init__(self, kind=nn.RNN, embedding=32, hidden=128):
        super().__init__()
        self.embedding, self.rnn, self.out = nn.Embedding(65, embedding), kind(embedding, hidden, batch_first=True), nn.Linear(hidden, 65)

    def forward(self, x):
        return self.out(self.rnn(self.embedding(x))[0])


class ResidualBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        changes = stride != 1 or i != o
        self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if changes else nn.Identity()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        blocks = [ResidualBlock(i, o, 1 if i == o else 2) for i, o in zip(widths, widths[1:])]
        self.net = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        return self.net(x)


class NCF(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items, self.mlp = nn.Embedding(50000, 64), nn.Embedding(20000, 64), MLP([128, 128, 64, 1])

    def forward(self, x):
        return self.mlp(torch.cat([self.users(x[:, 0]), self.items(x[:, 1])], 1)).squeeze(1)


def build(kind, ws):
    if kind == "mlp":
        return MLP([ws[0].shape[1], *(w.shape[0] for w in ws[::2])])
    if kind.startswith("gpt"):
        (vocabulary, width), context = ws[0].shape, ws[1].shape[0]
        return GPT(vocabulary, context, (len(ws) - 4) // 12, int(kind[4:]), width)
    if kind in ("char-lstm", "char-gru"):
        return CharRNN(nn.LSTM if kind == "char-lstm" else nn.GRU, 64, 256)
