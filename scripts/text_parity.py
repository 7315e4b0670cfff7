"""text_parity.py: the part of text-parity.mjs that PyTorch does: the folder given holds weights, tokens, batches and learning rates."""
import json, struct, sys, time
from pathlib import Path
import numpy as np, torch, torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent.parent / "bench" / "peers"))
from torch_gpt import GPT


class Chars(torch.nn.Module):
    """As CharRNN."""

    def __init__(self, kind, characters):
        super().__init__()
        self.embedding = torch.nn.Embedding(characters, 64)
        self.rnn = kind(64, 256, batch_first=True)
        self.head = torch.nn.Linear(256, characters)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0])


MODELS = {
    "char-lstm": lambda characters: Chars(torch.nn.LSTM, characters),
    "char-gru": lambda characters: Chars(torch.nn.GRU, characters),
    "gpt-nano": lambda characters: GPT(characters, 64, 4, 4, 128),
}


def safetensors(file):
    data = file.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    header.pop("__metadata__", None)
    return {
        name: torch.from_numpy(np.frombuffer(body[slice(*t["data_offsets"])], "f4").reshape(t["shape"]).copy())
        for name, t in header.items()
    }


def main(folder):
    task = json.loads((folder / "task.json").read_text())
    torch.set_num_threads(task["threads"])
    model = MODELS[task["model"]](task["characters"])
    model.load_state_dict(safetensors(folder / "weights.safetensors"))
    length, batch, cut = task["length"], task["batch"], task["cut"]
    tokens = torch.from_numpy(np.fromfile(folder / "tokens", "i4")).long()
    starts = torch.from_numpy(np.fromfile(folder / "starts", "i4")).long().reshape(-1, batch)
    lrs = np.fromfile(folder / "lrs", "f8")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    places = torch.arange(length)

    def loss_of(at):
        index = at[:, None] + places
        out = model(tokens[index])
        return F.cross_entropy(out.reshape(-1, out.shape[-1]), tokens[index + 1].reshape(-1))

    losses, begin = [], time.perf_counter()
    for at, lr in zip(starts, lrs, strict=True):
        optimizer.param_groups[0]["lr"] = float(lr)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(at)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    seconds = time.perf_counter() - begin
    model.eval()
    windows = cut + length * torch.arange((len(tokens) - cut - 1) // length)
    with torch.no_grad():
        total = sum(loss_of(at).item() * len(at) for at in windows.split(64))
    print(json.dumps({"seconds": seconds, "first": losses[0], "validation": total / len(windows)}))


main(Path(sys.argv[1]))
