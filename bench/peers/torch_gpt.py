"""torch_gpt.py: lib/models/gpt.ts in PyTorch, with the same names of parameters."""
import torch.nn as nn, torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2, self.heads = nn.LayerNorm(width), heads
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x, kept=None, at=0):
        """`kept`: keys and values of a text, of which `at` tokens came before those of x."""
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, -1).transpose(1, 2) for y in self.qkv(self.norm1(x)).split(c, 2))
        if kept is not None:
            kept[0][:, :, at : at + t], kept[1][:, :, at : at + t] = k, v
            k, v = kept[0][:, :, : at + t], kept[1][:, :, : at + t]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=t > 1).transpose(1, 2).reshape(b, t, c)
        x = x + self.proj(y)
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        y = self.blocks(self.embedding(x) + self.positions.weight[: x.shape[1]])
        return F.linear(self.norm(y), self.embedding.weight)

    def next(self, x, kept, at):
        """Logits after the last of the tokens x, of which `at` came before: `kept` as `cache` makes it."""
        y = self.embedding(x) + self.positions.weight[at : at + x.shape[1]]
        for block, pair in zip(self.blocks, kept):
            y = block(y, pair, at)
        return F.linear(self.norm(y[:, -1]), self.embedding.weight)

    def cache(self):
        (context, width), heads = self.positions.weight.shape, self.blocks[0].heads
        empty = lambda: self.positions.weight.new_zeros(1, heads, context, width // heads)
        return [(empty(), empty()) for _ in self.blocks]
