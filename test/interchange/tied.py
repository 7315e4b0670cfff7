"""tied.py: PyTorch's part of the exchange of a model with tied weights. python tied.py FOLDER: loads FOLDER/here.safetensors strictly and prints the
logits of FOLDER/data.safetensors; writes a model of its own by save_model, which keeps one of the two names, and prints its logits."""
import json, os, sys
import torch
from safetensors.torch import load_file, save_model


class Tied(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = torch.nn.Embedding(5, 3)
        self.norm = torch.nn.LayerNorm(3)
        self.head = torch.nn.Linear(3, 5, bias=False)
        self.head.weight = self.wte.weight

    def forward(self, x):
        return self.head(self.norm(self.wte(x)))


folder = sys.argv[1]
x = load_file(os.path.join(folder, "data.safetensors"))["x"].long()
here = Tied()
here.load_state_dict(load_file(os.path.join(folder, "here.safetensors")), strict=True)
torch.manual_seed(1)
own = Tied()
save_model(own, os.path.join(folder, "torch.safetensors"))
print(json.dumps({name: net(x).flatten().tolist() for name, net in [("here", here), ("torch", own)]}))
