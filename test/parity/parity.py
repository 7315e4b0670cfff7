"""parity.py: PyTorch's part of the comparison: for each case, outputs and gradients of three steps in float64, and float32's distance from them.

python parity.py FOLDER CASE...: reads FOLDER/CASE.safetensors (weights and inputs), writes FOLDER/CASE.truth.safetensors. run.ts calls it.
"""
import json, math, os, sys
import torch
from safetensors import safe_open
from safetensors.torch import save_file

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "runs"))
from cases import CASES
from recipe import uniform

STEPS, LR = 3, 0.1


def read(path):
    with safe_open(path, "pt") as f:
        tensors = {k: f.get_tensor(k) for k in f.keys()}
        weights = {k: t for k, t in tensors.items() if not k.startswith("input:")}
        inputs = {k: tensors[f"input:{k}"] for k in f.metadata()["inputs"].split(",")}
        inputs = {k: t.long() if t.dtype == torch.int32 else t for k, t in inputs.items()}
        return weights, inputs, f.metadata()["mode"]


def run(name, path, dtype):
    make, call = CASES[name]
    weights, inputs, mode = read(path)
    module = make()
    module.load_state_dict(weights, strict=True)
    module.to(dtype).train(mode == "train")
    inputs = {k: t.to(dtype).requires_grad_() if t.is_floating_point() else t for k, t in inputs.items()}
    found = {}
    for step in range(STEPS):
        outs = call(module, **inputs)
        outs = outs if isinstance(outs, dict) else {"y": outs}
        loss = 0
        for k, (key, out) in enumerate(outs.items()):
            found[f"{step}/out.{key}"] = out.detach().clone()
            direction = torch.from_numpy(uniform(500 + k, math.prod(out.shape))).reshape(out.shape).to(dtype)
            loss = loss + (out * direction).mean()
        loss.backward()
        for key, p in module.named_parameters():
            grad = torch.zeros_like(p) if p.grad is None else p.grad
            found[f"{step}/grad.{key}"] = grad.clone()
            p.data -= LR * grad
            p.grad = None
        for key, t in inputs.items():
            if t.is_floating_point():
                found[f"{step}/input.{key}"] = t.grad.clone()
                t.grad = None
    for key, b in module.named_buffers():
        found[f"{STEPS - 1}/buffer.{key}"] = b.detach().to(torch.float64)
    return found


def normwise(got, want):
    difference = (got.double() - want).norm().item()
    return 0.0 if difference == 0 else difference / max(want.norm().item(), 1e-300)


def main(folder, names):
    torch.set_num_threads(1)
    for name in names:
        path = os.path.join(folder, name)
        truth = run(name, f"{path}.safetensors", torch.float64)
        single = run(name, f"{path}.safetensors", torch.float32)
        errors = {k: normwise(single[k], t) for k, t in truth.items()}
        save_file({k: t.double().contiguous() for k, t in truth.items()}, f"{path}.truth.safetensors", {"errors": json.dumps(errors)})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
