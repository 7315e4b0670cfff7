"""samples.py: norms of the gradients of single samples by PyTorch in float64, a backward pass for each sample alone.

python samples.py FOLDER FILE CASE...: reads FOLDER/CASE.safetensors (weights and inputs, as parity.py), writes FILE, a JSON of norms by case and parameter.
A case whose samples are not the rows of all that goes in and comes out, that has no weights or is of evaluation is left out. run.ts --samples calls it.
"""
import json, math, os, sys
import torch
from parity import CASES, read, uniform

# In training these mix the rows of a batch.
MIXED = ("batchNorm", "residualBlock", "resnet20")


def norms(name, path):
    make, call = CASES[name]
    weights, inputs, mode = read(path)
    rows = {len(t) for t in inputs.values()}
    module = make()
    if mode == "eval" or len(rows) != 1 or name.startswith(MIXED) or not list(module.parameters()):
        return None
    module.load_state_dict(weights, strict=True)
    module.to(torch.float64).train(mode == "train")
    inputs = {k: t.double() if t.is_floating_point() else t for k, t in inputs.items()}
    whole = outputs(module, call, inputs)
    if any(len(out) != min(rows) for out in whole.values()):
        return None
    directions = {
        key: torch.from_numpy(uniform(500 + k, math.prod(out.shape))).reshape(out.shape).double() for k, (key, out) in enumerate(whole.items())
    }
    found = {key: [] for key, _ in module.named_parameters()}
    for i in range(min(rows)):
        module.zero_grad()
        outs = outputs(module, call, {k: t[i : i + 1] for k, t in inputs.items()})
        sum((out * directions[key][i : i + 1]).mean() for key, out in outs.items()).backward()
        for key, p in module.named_parameters():
            found[key].append(0.0 if p.grad is None else p.grad.norm().item())
    return found


def outputs(module, call, inputs):
    outs = call(module, **inputs)
    return outs if isinstance(outs, dict) else {"y": outs}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, file, *names = sys.argv[1:]
    found = {name: norms(name, os.path.join(folder, f"{name}.safetensors")) for name in names}
    with open(file, "w") as f:
        json.dump({name: each for name, each in found.items() if each is not None}, f, indent=1)
        f.write("\n")
