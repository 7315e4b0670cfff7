"""make_wgan.py: makes wgan.json with PyTorch: the losses of the first 20 iterations of a Wasserstein GAN (wgan.py), in f32
and in f64.

    python test/golden/runs/make_wgan.py            # needs torch 2.13 and numpy

Prints how far PyTorch's f32 strays from its f64, which is what a tolerance has to allow.
"""
import json, os
import torch
from wgan import ITERATIONS, SETTINGS, Training

HERE = os.path.dirname(os.path.abspath(__file__))


def run(dtype):
    training = Training(dtype)
    losses = {"critic": [], "generator": []}
    for _ in range(ITERATIONS):
        critic, generator = training.iteration()
        losses["critic"] += [loss.item() for loss in critic]
        losses["generator"].append(generator.item())
    final = {n: [p.double().sum().item(), p.double().square().sum().item()] for n, p in training.model.named_parameters()}
    return losses, final


def main():
    torch.set_num_threads(1)
    (f32, _), (f64, final) = run(torch.float32), run(torch.float64)
    golden = {
        "torch": torch.__version__,
        "settings": SETTINGS,
        "f32": {k: [float(f"{v:.9g}") for v in values] for k, values in f32.items()},
        "f64": {k: [float(f"{v:.11g}") for v in values] for k, values in f64.items()},
        # Sum and sum of squares of each parameter after the last step, in f64.
        "final": {n: [float(f"{v:.11g}") for v in pair] for n, pair in final.items()},
    }
    with open(os.path.join(HERE, "wgan.json"), "w") as f:
        json.dump(golden, f, separators=(",", ":"))
        f.write("\n")
    for k in f32:
        far = max(abs(a - b) for a, b in zip(f32[k], f64[k]))
        print(f"{k}: {f64[k][0]:.5f} -> {f64[k][-1]:.5f}, f32 at most {far:.1e} from f64")


main()
