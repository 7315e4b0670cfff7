"""cases.py: the twins of cases/*.ts: how PyTorch makes the module, and what of it is compared (a tensor, or several by name)."""
import math, os, sys

import torch
import torch.nn as nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "peers"))
from torch_gpt import GPT
import torch.nn.functional as F


def mlp(*sizes):
    layers = [m for i, o in zip(sizes, sizes[1:]) for m in (nn.Linear(i, o), nn.ReLU())][:-1]
    return Named(layers=nn.Sequential(*layers))


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 5, padding=2), nn.Conv2d(32, 64, 5, padding=2)
        self.fc1, self.fc2 = nn.Linear(3136, 512), nn.Linear(512, 10)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x).relu(), 2)
        x = F.max_pool2d(self.conv2(x).relu(), 2).flatten(1)
        return self.fc2(self.fc1(x).relu())


class Sinusoidal(nn.Module):
    """As PyTorch's tutorial on transformers has it (Vaswani et al. 2017)."""

    def forward(self, x):
        time, dim = x.shape[-2:]
        angle = torch.arange(time)[:, None] * torch.exp(torch.arange(0, dim, 2).double() * (-math.log(10000.0) / dim))
        places = torch.zeros(time, dim, dtype=x.dtype)
        places[:, 0::2], places[:, 1::2] = angle.sin(), angle.cos()
        return x + places


class NCF(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(9, 4), nn.Embedding(5, 4)
        self.mlp = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 1))

    def forward(self, x, y):
        return self.mlp(torch.cat([self.users(x), self.items(y)], 1)).reshape(-1)


class Named(nn.Module):
    """One module under a name, as models have it."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.first = next(iter(parts))

    def forward(self, *ins):
        return getattr(self, self.first)(*ins)


def plain(m, **inputs):
    return m(*inputs.values())


def output(m, x):
    return m(x)[0]


def states(m, x, h, c=None):
    y, s = m(x, h if c is None else (h, c))
    return {"y": y, "h": s} if c is None else {"y": y, "h": s[0], "c": s[1]}


class Chars(nn.Module):
    """As CharRNN."""

    def __init__(self, kind, characters, embedding, hidden, layers):
        super().__init__()
        self.embedding = nn.Embedding(characters, embedding)
        self.rnn = kind(embedding, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, characters)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0])


def causal(m, x):
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
    return m(x, x, x, attn_mask=mask, need_weights=False)[0]


def encoder_layer(**options):
    return nn.TransformerEncoderLayer(8, 2, 12, 0, batch_first=True, **options)


class ResidualBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        changes = stride != 1 or i != o
        self.shortcut = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if changes else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


class ResNet20(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        self.blocks = nn.Sequential(*[ResidualBlock(i, o, 1 if i == o else 2) for i, o in zip(widths, widths[1:])])
        self.head = nn.Sequential()
        for name, part in dict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(64, classes)).items():
            self.head.add_module(name, part)

    def forward(self, x):
        return self.head(self.blocks(torch.relu(self.bn(self.conv(x)))))


def unbiased(m):
    m.register_parameter("bias", None)
    return m


def twice(m, x, before):
    return m(x, m(x, before))


def cell_states(m, x, before=None, cell=None):
    s = m(x) if before is None else m(x, m(x, (before, cell)))
    return {"h": s[0], "c": s[1]}


DEEP = dict(num_layers=2, bidirectional=True, batch_first=True)
CASES = {
    # basic.ts
    "linear": (lambda: nn.Linear(5, 3), plain),
    "linearRank3": (lambda: nn.Linear(5, 3, bias=False), plain),
    "embedding": (lambda: nn.Embedding(7, 4), plain),
    "embeddingPadding": (lambda: nn.Embedding(5, 4, padding_idx=2), plain),
    "embeddingBagMean": (lambda: nn.EmbeddingBag(7, 4, padding_idx=1), plain),
    "embeddingBagMax": (lambda: nn.EmbeddingBag(7, 4, mode="max"), plain),
    "embeddingBagSum": (lambda: nn.EmbeddingBag(7, 4, mode="sum"), lambda m, x, offsets, w: m(x, offsets, per_sample_weights=w)),
    "activations": (lambda: nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 8), nn.SiLU(), nn.Tanh(), nn.Softplus()), plain),
    "rectifiers": (
        lambda: nn.Sequential(
            nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.ELU(0.5), nn.Linear(8, 8), nn.SELU(), nn.CELU(2), nn.PReLU(), nn.ReLU6()
        ),
        plain,
    ),
    "preluOfChannels": (lambda: nn.PReLU(4, 0.1), plain),
    "bounded": (
        lambda: nn.Sequential(
            *(nn.Linear(6, 8), nn.Hardswish(), nn.Linear(8, 8), nn.Softshrink(0.05), nn.Hardshrink(0.1), nn.Linear(8, 8)),
            *(nn.Tanhshrink(), nn.Hardtanh(-0.5), nn.Hardsigmoid()),
        ),
        plain,
    ),
    "smooth": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.Mish(), nn.GLU(), nn.Softsign(), nn.Linear(4, 5), nn.LogSigmoid()),
        plain,
    ),
    "softmax": (lambda: nn.Softmax(1), plain),
    "logSoftmax": (lambda: nn.Sequential(nn.Linear(6, 4), nn.LogSoftmax(-1)), plain),
    "shapes": (lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Identity(), nn.Flatten(), nn.Linear(6, 2)), plain),
    "sinusoidalPositions": (Sinusoidal, plain),
    "layerNorm": (lambda: nn.LayerNorm(17), plain),
    "layerNorm2d": (lambda: nn.LayerNorm([3, 5]), plain),
    "rmsNorm": (lambda: nn.RMSNorm(17), plain),
    "mlp": (lambda: mlp(6, 10, 8, 3), plain),
    "ncf": (NCF, plain),
    "mlpSmall": (lambda: mlp(784, 256, 128, 10), plain),
    # conv.ts
    "conv2d": (lambda: nn.Conv2d(4, 18, 3, padding=1), plain),
    "conv2dSame": (lambda: nn.Conv2d(4, 5, (4, 3), padding="same", dilation=(1, 2)), plain),
    "conv2dStride": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), plain),
    "conv2dGroups": (lambda: nn.Conv2d(4, 6, (3, 5), stride=(1, 3), groups=2), plain),
    "conv2dDepthwise": (lambda: nn.Conv2d(4, 8, 3, padding=1, groups=4), plain),
    "conv1d": (lambda: nn.Conv1d(4, 5, 5, stride=2, padding=2), plain),
    "convTranspose2d": (lambda: nn.ConvTranspose2d(4, 5, 3, stride=2, output_padding=1), plain),
    "convTranspose1d": (lambda: nn.ConvTranspose1d(4, 5, 3, stride=2, padding=1, output_padding=1), plain),
    "convTranspose1dGroups": (lambda: nn.ConvTranspose1d(4, 6, 3, dilation=3, groups=2, output_padding=2, bias=False), plain),
    "conv3d": (lambda: nn.Conv3d(4, 6, 3, padding=1), plain),
    "conv3dSame": (lambda: nn.Conv3d(4, 5, (2, 3, 1), padding="same", dilation=(2, 1, 1), bias=False), plain),
    "conv3dStrideGroups": (lambda: nn.Conv3d(4, 6, (3, 2, 3), stride=(2, 3, 1), padding=(2, 0, 1), groups=2), plain),
    "convTranspose3d": (
        lambda: nn.ConvTranspose3d(4, 5, (3, 2, 3), stride=(2, 1, 2), padding=(1, 0, 1), output_padding=(1, 0, 0)),
        plain,
    ),
    "convTranspose2dGroups": (lambda: nn.ConvTranspose2d(4, 6, 3, padding=1, dilation=2, groups=2), plain),
    "lenet": (lambda: LeNet(), plain),
    # pool.ts
    "maxPool2d": (lambda: nn.MaxPool2d(2), plain),
    "maxPool2dPadded": (lambda: nn.MaxPool2d(3, 2, 1), plain),
    "maxPool1d": (lambda: nn.MaxPool1d(3, 2), plain),
    "avgPool2d": (lambda: nn.AvgPool2d(3, 2, 1), plain),
    "avgPool1d": (lambda: nn.AvgPool1d(2), plain),
    "maxPool3d": (lambda: nn.MaxPool3d((3, 2, 2), 2, (1, 0, 1)), plain),
    "avgPool3d": (lambda: nn.AvgPool3d((3, 2, 2), 2, (1, 0, 1), count_include_pad=False), plain),
    "adaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d((2, 4, 3)), plain),
    "adaptiveMaxPool3d": (lambda: nn.AdaptiveMaxPool3d((3, None, 2)), plain),
    "adaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(4), plain),
    "adaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((3, 2)), plain),
    "adaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(4), plain),
    "adaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((3, 2)), plain),
    "adaptiveMaxPool2dColumns": (lambda: nn.AdaptiveMaxPool2d((7, 4)), plain),
    "adaptiveMaxPool2dEqual": (lambda: nn.AdaptiveMaxPool2d((None, 3)), plain),
    "adaptiveMaxPool2dMore": (lambda: nn.AdaptiveMaxPool2d((9, 1)), plain),
    # norm.ts
    "batchNorm1d": (lambda: nn.BatchNorm1d(9), plain),
    "batchNorm3d": (lambda: nn.BatchNorm3d(4, momentum=0.3), plain),
    "instanceNorm3d": (lambda: nn.InstanceNorm3d(4, affine=True, track_running_stats=True), plain),
    "groupNormVolumes": (lambda: nn.GroupNorm(2, 4), plain),
    "layerNormVolumes": (lambda: nn.LayerNorm([4, 3, 2, 5]), plain),
    "batchNorm1dLength": (lambda: nn.BatchNorm1d(5, momentum=None, eps=1e-3), plain),
    "batchNorm2d": (lambda: nn.BatchNorm2d(6), plain),
    "batchNorm2dPlain": (lambda: nn.BatchNorm2d(6, affine=False, momentum=0.3), plain),
    "batchNorm2dUntracked": (lambda: nn.BatchNorm2d(6, track_running_stats=False), plain),
    "batchNorm2dEval": (lambda: nn.BatchNorm2d(6), plain),
    "batchNorm2dNoBias": (lambda: unbiased(nn.BatchNorm2d(6)), plain),
    "batchNorm2dNoBiasEval": (lambda: unbiased(nn.BatchNorm2d(6)), plain),
    "groupNormNoBias": (lambda: unbiased(nn.GroupNorm(2, 6)), plain),
    "instanceNorm1dTracked": (lambda: nn.InstanceNorm1d(5, momentum=0.3, track_running_stats=True), plain),
    "instanceNorm2dTracked": (lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True), plain),
    "instanceNorm2dEval": (lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True), plain),
    "groupNorm": (lambda: nn.GroupNorm(3, 6), plain),
    "instanceNorm1d": (lambda: nn.InstanceNorm1d(5), plain),
    "instanceNorm2d": (lambda: nn.InstanceNorm2d(6, affine=True), plain),
    # image.ts
    "pixelShuffle": (lambda: nn.PixelShuffle(2), plain),
    "pixelUnshuffle": (lambda: nn.PixelUnshuffle(3), plain),
    "dropout1dEval": (lambda: nn.Dropout1d(0.4), plain),
    "dropout2dEval": (lambda: nn.Dropout2d(), plain),
    "dropout3dEval": (lambda: nn.Dropout3d(), plain),
    "zeroPad3d": (lambda: nn.ZeroPad3d((1, 2, 0, 3, 2, 1)), plain),
    "constantPad3d": (lambda: nn.ConstantPad3d((1, 0, 0, 2, 1, 3), 0.5), plain),
    "reflectionPad3d": (lambda: nn.ReflectionPad3d((3, 1, 2, 4, 2, 0)), plain),
    "replicationPad3d": (lambda: nn.ReplicationPad3d((1, 0, 2, 1, 3, 4)), plain),
    "circularPad3d": (lambda: nn.CircularPad3d((4, 1, 2, 0, 1, 3)), plain),
    "upsampleNearest3d": (lambda: nn.Upsample(size=(4, 7, 6)), plain),
    "upsampleTrilinear": (lambda: nn.Upsample(scale_factor=(2, 1.5, 2), mode="trilinear"), plain),
    "upsampleTrilinearAligned": (lambda: nn.Upsample(size=(5, 4, 7), mode="trilinear", align_corners=True), plain),
    "zeroPad1d": (lambda: nn.ZeroPad1d((2, 1)), plain),
    "zeroPad2d": (lambda: nn.ZeroPad2d((1, 2, 0, 3)), plain),
    "constantPad2d": (lambda: nn.ConstantPad2d(1, 0.5), plain),
    "reflectionPad2d": (lambda: nn.ReflectionPad2d((3, 1, 2, 4)), plain),
    "replicationPad1d": (lambda: nn.ReplicationPad1d(3), plain),
    "circularPad2d": (lambda: nn.CircularPad2d((4, 1, 2, 0)), plain),
    "upsampleNearest": (lambda: nn.Upsample(scale_factor=2), plain),
    "upsampleBilinear": (lambda: nn.Upsample(size=(7, 9), mode="bilinear"), plain),
    "upsampleAligned": (lambda: nn.Upsample(scale_factor=3, mode="bilinear", align_corners=True), plain),
    "residualBlock": (lambda: ResidualBlock(3, 4, 2), plain),
    "resnet20": (lambda: ResNet20(), plain),
    # recurrent.ts
    "rnn": (lambda: nn.RNN(5, 7, batch_first=True), output),
    "rnnDeep": (lambda: nn.RNN(5, 7, nonlinearity="relu", **DEEP), states),
    "lstm": (lambda: nn.LSTM(5, 7, batch_first=True), output),
    "lstmDeep": (lambda: nn.LSTM(5, 7, **DEEP), states),
    "gru": (lambda: nn.GRU(5, 7, batch_first=True), output),
    "gruDeep": (lambda: nn.GRU(5, 7, **DEEP), states),
    "rnnCell": (lambda: nn.RNNCell(5, 7, nonlinearity="relu"), twice),
    "lstmCell": (lambda: nn.LSTMCell(5, 7), cell_states),
    "lstmCellZeros": (lambda: nn.LSTMCell(5, 7, bias=False), cell_states),
    "gruCell": (lambda: nn.GRUCell(5, 7), twice),
    "gruCellPlain": (lambda: nn.GRUCell(5, 7, bias=False), plain),
    "charRnn": (lambda: Chars(nn.RNN, 11, 5, 7, 2), plain),
    "charLstm": (lambda: Chars(nn.LSTM, 11, 5, 7, 2), plain),
    "charGru": (lambda: Chars(nn.GRU, 11, 5, 7, 2), plain),
    "charLstmWhole": (lambda: Chars(nn.LSTM, 65, 64, 256, 1), plain),
    "charGruWhole": (lambda: Chars(nn.GRU, 65, 64, 256, 1), plain),
    # attention.ts
    "attentionCausal": (lambda: nn.MultiheadAttention(8, 2, batch_first=True), causal),
    "attentionCross": (lambda: nn.MultiheadAttention(8, 2, bias=False, batch_first=True), lambda m, x, memory: m(x, memory, memory, need_weights=False)[0]),
    "encoderLayer": (lambda: encoder_layer(), plain),
    "encoder": (lambda: nn.TransformerEncoder(encoder_layer(norm_first=True, activation="gelu"), 2, enable_nested_tensor=False), plain),
    "gpt": (lambda: GPT(11, 6, 2, 2, 8), plain),
    "gptNano": (lambda: GPT(65, 64, 4, 4, 128), plain),
    "decoder": (lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 12, 0, batch_first=True), 2), plain),
    "transformer": (lambda: nn.Transformer(8, 2, 2, 1, 12, 0, batch_first=True), plain),
    "transformerCausal": (
        lambda: nn.Transformer(8, 2, 1, 2, 12, 0, batch_first=True, norm_first=True, bias=False),
        lambda m, src, tgt: m(src, tgt, tgt_mask=torch.ones(5, 5, dtype=torch.bool).triu(1)),
    ),
    "decoderLayer": (lambda: nn.TransformerDecoderLayer(8, 2, 12, 0, batch_first=True), plain),
}
