# make_gpt2.py: small GPT-2s in the layout of Hugging Face, and their logits by PyTorch in f64, for gpt2.test.ts. Run: python make_gpt2.py
#
# GPT-2 is written out here as transformers' modeling_gpt2.py computes it (Conv1D keeps its weight as [in, out]). Where transformers is installed,
# `python make_gpt2.py --check` compares with it.
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).parent
ACTIVATIONS = {
    "gelu_new": lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu": F.gelu,
    "relu": F.relu,
}


def parameters(config, seed):
    """As a state_dict has them; so that f32 holds them in few digits."""
    g = torch.Generator().manual_seed(seed)
    make = lambda *shape, scale=0.5, around=0.0: ((torch.randn(*shape, generator=g) * scale + around) * 64).round() / 64
    w, inner = config["n_embd"], config["n_inner"] or 4 * config["n_embd"]
    state = {"wte.weight": make(config["vocab_size"], w), "wpe.weight": make(config["n_positions"], w)}
    for i in range(config["n_layer"]):
        h = f"h.{i}."
        for norm in ("ln_1", "ln_2"):
            state[f"{h}{norm}.weight"] = make(w, scale=0.2, around=1.0)
            state[f"{h}{norm}.bias"] = make(w, scale=0.2)
        for name, (rows, columns) in {
            "attn.c_attn": (w, 3 * w),
            "attn.c_proj": (w, w),
            "mlp.c_fc": (w, inner),
            "mlp.c_proj": (inner, w),
        }.items():
            state[f"{h}{name}.weight"] = make(rows, columns)
            state[f"{h}{name}.bias"] = make(columns, scale=0.2)
    state["ln_f.weight"] = make(w, scale=0.2, around=1.0)
    state["ln_f.bias"] = make(w, scale=0.2)
    return state


def logits(config, state, tokens):
    p = {name: t.double() for name, t in state.items()}
    w, heads = config["n_embd"], config["n_head"]
    act = ACTIVATIONS[config["activation_function"]]
    norm = lambda x, name: F.layer_norm(x, (w,), p[f"{name}.weight"], p[f"{name}.bias"], config["layer_norm_epsilon"])
    conv1d = lambda x, name: x @ p[f"{name}.weight"] + p[f"{name}.bias"]
    batch, time = tokens.shape
    x = p["wte.weight"][tokens] + p["wpe.weight"][:time]
    for i in range(config["n_layer"]):
        h = f"h.{i}."
        q, k, v = conv1d(norm(x, f"{h}ln_1"), f"{h}attn.c_attn").split(w, dim=2)
        q, k, v = (t.view(batch, time, heads, w // heads).transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(2, 3) / math.sqrt(w // heads)
        scores = scores.masked_fill(~torch.ones(time, time, dtype=torch.bool).tril(), -math.inf)
        seen = (scores.softmax(3) @ v).transpose(1, 2).reshape(batch, time, w)
        x = x + conv1d(seen, f"{h}attn.c_proj")
        x = x + conv1d(act(conv1d(norm(x, f"{h}ln_2"), f"{h}mlp.c_fc")), f"{h}mlp.c_proj")
    return norm(x, "ln_f") @ p["wte.weight"].T


PLAIN = {
    **{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 11, "n_positions": 8, "n_ctx": 8},
    **{"n_embd": 8, "n_layer": 2, "n_head": 2, "n_inner": None, "activation_function": "gelu_new"},
    **{"layer_norm_epsilon": 1e-5, "resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1, "initializer_range": 0.02},
    **{"bos_token_id": 10, "eos_token_id": 10, "use_cache": True, "summary_type": "cls_index", "transformers_version": "4.57.0"},
    **{"task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}},
}
CASES = {
    "gpt2": (PLAIN, 1),
    "gpt2-other": ({**PLAIN, "n_embd": 4, "n_layer": 1, "n_inner": 12, "activation_function": "relu", "layer_norm_epsilon": 1e-3}, 2),
    "gpt2-erf": ({**PLAIN, "n_embd": 4, "n_layer": 1, "activation_function": "gelu", "scale_attn_weights": True}, 3),
}
TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6], [10, 0, 7, 7, 8, 3, 0, 2]])


def check(config, state, found):
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(**{k: v for k, v in config.items() if k != "architectures"})).double().eval()
    missing, extra = model.transformer.load_state_dict({k: v.double() for k, v in state.items()}, strict=False)
    assert not extra and not missing, (missing, extra)
    difference = (model(TOKENS).logits - found).abs().max().item()
    print(f"transformers: {difference:.2e}")
    assert difference < 1e-12


for name, (config, seed) in CASES.items():
    state = parameters(config, seed)
    found = logits(config, state, TOKENS)
    if "--check" in sys.argv:
        check(config, state, found)
        continue
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    if name != "gpt2":  # As a whole model has them, with the buffers of old versions and the tied head.
        state = {f"transformer.{k}": v for k, v in state.items()}
        state["lm_head.weight"] = state["transformer.wte.weight"].clone()
        n = config["n_positions"]
        for i in range(config["n_layer"]):
            state[f"transformer.h.{i}.attn.bias"] = torch.ones(n, n).tril().to(torch.uint8).view(1, 1, n, n)
            state[f"transformer.h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    flat = [float(f"{v:.9g}") for v in found.reshape(-1).tolist()]
    (folder / "logits.json").write_text(json.dumps({"tokens": TOKENS.tolist(), "shape": list(found.shape), "data": flat}) + "\n")
