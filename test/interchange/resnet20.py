"""resnet20.py: PyTorch's part of the exchange of checkpoints. python resnet20.py FOLDER STEPS BATCH: evaluates FOLDER/here.safetensors on the
test images of FOLDER/data.safetensors; trains a network of its own, writes it to FOLDER/torch.safetensors and evaluates it. resnet20.ts calls it."""
import os, sys
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "runs"))
from cases import ResNet20

folder, steps, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = load_file(os.path.join(folder, "data.safetensors"))
torch.manual_seed(1)
torch.set_num_threads(2)


def answers(net):
    with torch.no_grad():
        return net.eval()(data["test"]).contiguous()


here = ResNet20()
here.load_state_dict(load_file(os.path.join(folder, "here.safetensors")), strict=True)
net = ResNet20().train()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for k in range(steps):
    rows = slice(k * batch, (k + 1) * batch)
    opt.zero_grad()
    F.cross_entropy(net(data["x"][rows]), data["y"][rows].long()).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
save_file(net.state_dict(), os.path.join(folder, "torch.safetensors"))
save_file({"here": answers(here), "torch": answers(net)}, os.path.join(folder, "answers.safetensors"))
