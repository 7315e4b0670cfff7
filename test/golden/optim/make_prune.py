# make_prune.py: which weights torch.nn.utils.prune selects, for pruning.test.ts. Run: python make_prune.py > prune.json
import json

import torch
import torch.nn as nn
from torch.nn.utils import prune

torch.manual_seed(3)


def layers(*shapes):
    """Linear layers whose weights have no two equal magnitudes: the choice among those is not torch's to say."""
    made = [nn.Linear(i, o, bias=False) for o, i in shapes]
    while len(torch.cat([m.weight.abs().flatten() for m in made]).unique()) < sum(o * i for o, i in shapes):
        for m in made:
            m.reset_parameters()
    return made


def bits(mask):
    return "".join(str(int(v)) for v in mask.flatten().tolist())


def case(shapes, amounts, select):
    """`amounts` one after the other, each a share of all weights; those pruned before are 0 by then."""
    made = layers(*shapes)
    weights = [{"shape": list(s), "data": [float(v) for v in m.weight.flatten().tolist()]} for s, m in zip(shapes, made)]
    steps = [{"amount": a, "masks": select(made, a)} for a in amounts]
    return {"weights": weights, "steps": steps}


def fresh(made):
    for m in made:
        if prune.is_pruned(m):
            mask = m.weight_mask.clone()
            prune.remove(m, "weight")
            with torch.no_grad():
                m.weight *= mask


def l1(made, amount):
    fresh(made)
    for m in made:
        prune.l1_unstructured(m, "weight", amount=amount)
    return [bits(m.weight_mask) for m in made]


def together(made, amount):
    fresh(made)
    prune.global_unstructured([(m, "weight") for m in made], pruning_method=prune.L1Unstructured, amount=amount)
    return [bits(m.weight_mask) for m in made]


def rows(n):
    def select(made, amount):
        fresh(made)
        for m in made:
            prune.ln_structured(m, "weight", amount=amount, n=n, dim=0)
        return [bits(m.weight_mask[:, 0]) for m in made]

    return select


SHAPES = [(9, 7), (12, 9), (3, 12)]
print(
    json.dumps(
        {
            "torch": torch.__version__,
            "tensor": case(SHAPES, [0.0, 0.25, 0.5, 0.77, 1.0], l1),
            "global": case(SHAPES, [0.1, 0.5, 0.9], together),
            "rows": [{"n": str(n), **case([(10, 6), (15, 4)], [a], rows(n))} for n in (1, 2, float("inf")) for a in (0.3, 0.5)],
        }
    )
)
