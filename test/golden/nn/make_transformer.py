# make_transformer.py: norms, attention and transformer layers as PyTorch computes them in f64, for transformer.test.ts.
# Run: python make_transformer.py > transformer.json
import json
import torch
import torch.nn as nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(1)


def flat(t):
    return [float(f"{v:.9g}") for v in t.detach().double().reshape(-1).tolist()]


def array(t):
    return {"shape": list(t.shape), "dtype": "u8" if t.dtype == torch.bool else "f32", "data": flat(t)}


def f32(*shape):
    return torch.randn(*shape).float().double()


def case(module, *ins, masks=None):
    """`masks`: arguments by PyTorch's names."""
    module.train()
    for p in module.parameters():
        p.data = (p.data + 0.3 * torch.randn(p.shape)).float().double()
    ins = [x.requires_grad_() for x in ins]
    masks = masks or {}
    out = module(*ins, **masks)
    out = out[0] if isinstance(out, tuple) else out
    weights = torch.cos(torch.arange(out.numel()).double()).reshape(out.shape)
    (out * weights).sum().backward()
    named = dict(module.named_parameters())
    return {
        "ins": [array(x) for x in ins],
        "masks": {k: array(v) for k, v in masks.items() if isinstance(v, torch.Tensor)},
        "parameters": {n: array(p) for n, p in named.items()},
        "out": array(out),
        "grads": [flat(x.grad) for x in ins] + [flat(p.grad) for p in named.values()],
    }


def main():
    padding = torch.tensor([[False, False, True], [False, True, False]])
    triangle = nn.Transformer.generate_square_subsequent_mask(4)
    hidden = torch.tensor([[False, True, False, False], [True, False, False, True], [False] * 4, [False] * 4])
    mha = lambda **o: nn.MultiheadAttention(4, 2, batch_first=True, **o)
    options = dict(dim_feedforward=3, dropout=0.0, batch_first=True)
    encoder = lambda **o: nn.TransformerEncoderLayer(4, 2, **options, **o)
    decoder = lambda **o: nn.TransformerDecoderLayer(4, 2, **options, **o)
    x, memory = lambda: f32(2, 4, 4), lambda: f32(2, 3, 4)
    deep = nn.TransformerEncoder(encoder(norm_first=True), 2, norm=nn.LayerNorm(4), enable_nested_tensor=False)
    deeper = nn.TransformerDecoder(decoder(), 2)
    self_ = lambda m, q, **o: m(q, q, q, **o)[0]

    class Self(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, q, **o):
            return self_(self.inner, q, **o)

    return {
        "LayerNorm": case(nn.LayerNorm(5), f32(2, 3, 5)),
        "LayerNorm-2": case(nn.LayerNorm((3, 5), eps=0.1, bias=False), f32(2, 3, 5)),
        "LayerNorm-plain": case(nn.LayerNorm(5, elementwise_affine=False), f32(3, 5)),
        "RMSNorm": case(nn.RMSNorm(5, eps=1e-6), f32(2, 3, 5)),
        "RMSNorm-plain": case(nn.RMSNorm(5, elementwise_affine=False, eps=0.1), f32(3, 5)),
        "self": case(Self(mha()), x(), masks={"attn_mask": triangle}),
        "self-hidden": case(Self(mha(bias=False)), x(), masks={"attn_mask": hidden}),
        "cross": case(mha(), x(), memory(), memory(), masks={"key_padding_mask": padding}),
        "cross-wide": case(mha(kdim=3, vdim=5), x(), f32(2, 3, 3), f32(2, 3, 5), masks={"attn_mask": f32(4, 3)}),
        "encoder": case(encoder(), x(), masks={"src_mask": triangle}),
        "encoder-gelu": case(encoder(norm_first=True, activation="gelu", bias=False), x()),
        "decoder": case(decoder(), x(), memory(), masks={"tgt_mask": triangle, "memory_key_padding_mask": padding}),
        "decoder-first": case(decoder(norm_first=True, activation="gelu"), x(), memory()),
        "encoders": case(deep, x()),
        "decoders": case(deeper, x(), memory(), masks={"tgt_mask": triangle}),
    }


text = json.dumps(main()).replace("-Infinity", '"-inf"')
print(text)
