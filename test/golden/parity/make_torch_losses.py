# make_torch_losses.py: PyTorch's own table of its loss modules (torch.testing._internal.common_modules), computed in f64, for torch-losses.test.ts. It needs
# expecttest beside torch. Run: python make_torch_losses.py > torch-losses.json
import json
import warnings

import torch
from torch.testing._internal.common_modules import module_db

warnings.filterwarnings("ignore")
torch.manual_seed(11)
# Of a module the loss of the library, and how many of its inputs have gradients.
NAMES = {
    "BCELoss": ("bce", 1),
    "BCEWithLogitsLoss": ("bceWithLogits", 1),
    "CTCLoss": ("ctc", 1),
    "CosineEmbeddingLoss": ("cosineEmbedding", 2),
    "CrossEntropyLoss": ("crossEntropy", 1),
    "GaussianNLLLoss": ("gaussianNll", 1),
    "HingeEmbeddingLoss": ("hingeEmbedding", 1),
    "HuberLoss": ("huber", 1),
    "KLDivLoss": ("klDiv", 1),
    "L1Loss": ("l1", 1),
    "MSELoss": ("mse", 1),
    "MarginRankingLoss": ("marginRanking", 2),
    "MultiLabelMarginLoss": ("multiLabelMargin", 1),
    "MultiLabelSoftMarginLoss": ("multiLabelSoftMargin", 1),
    "MultiMarginLoss": ("multiMargin", 1),
    "NLLLoss": ("nll", 1),
    "PoissonNLLLoss": ("poissonNll", 1),
    "SmoothL1Loss": ("smoothL1", 1),
    "SoftMarginLoss": ("softMargin", 1),
}
OPTIONS = {
    "ignore_index": "ignoreIndex", "label_smoothing": "labelSmoothing", "log_input": "logInput", "log_target": "logTarget",
    "pos_weight": "posWeight",
}
# Of larger inputs the first rows will do.
MOST = 24


def flat(t, digits=9):
    return [float(f"{v:.{digits}g}") for v in t.detach().double().reshape(-1).tolist()]


def exact(t, positive):
    """What f32 holds as it is written here."""
    if not t.is_floating_point():
        return t
    rounded = (t.detach() * 1024).round() / 1024
    return rounded.clamp(1 / 1024, 1023 / 1024) if positive else rounded


def sequences(x, targets, frames, counts):
    """Time first as rows first, labels in one row as rows of them; of long ones the first frames and labels will do. The integers as tensors."""
    counts = torch.as_tensor(counts)
    rows = targets if targets.dim() == 2 else torch.nn.utils.rnn.pad_sequence(targets.split(counts.tolist()), batch_first=True)
    counts = torch.tensor([5, 3])
    return [x.transpose(0, 1)[:2, :12].detach(), rows[:2, :5].int(), torch.tensor([12, 11]), counts]


class RowsFirst(torch.nn.Module):
    """The loss of logits, rows first."""
    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, x, *rest):
        return self.loss(x.log_softmax(-1).transpose(0, 1), *rest)


def classes_last(t, moved):
    return t.movedim(1, -1) if moved and t.dim() > 2 else t


cases, modules = [], sorted({m.module_cls.__name__ for m in module_db if "Loss" in m.module_cls.__name__})
seen = set()
for info in module_db:
    module = info.module_cls.__name__
    if module not in NAMES:
        continue
    name, wanted = NAMES[module]
    for given in info.module_inputs_func(info, "cpu", torch.float64, True, training=True):
        kwargs, ins = dict(given.constructor_input.kwargs), list(given.forward_input.args)
        listed = ""
        if module == "CTCLoss":
            listed = f"{ins[1].dim()} dimensions"
            ins = sequences(*ins)
        told = module + listed + str([(k, str(v)) for k, v in kwargs.items()]) + str([(t.dtype, t.shape) for t in ins])
        if told in seen:
            continue
        seen.add(told)
        if module == "KLDivLoss":  # The table has logarithms of what may be negative.
            ins = [torch.nan_to_num(t.detach(), nan=-0.75, neginf=-6.0) for t in ins]
            ins[1] = ins[1] if kwargs.get("log_target") else ins[1].abs()
        probabilities = module == "BCELoss"
        ins = [exact(t, probabilities or (module == "GaussianNLLLoss" and i == 2)) for i, t in enumerate(ins)]
        if module != "CTCLoss" and ins[0].numel() > MOST and len({t.shape[:1] for t in ins}) == 1:
            rows = max(1, MOST * ins[0].shape[0] // ins[0].numel())
            ins = [t[:rows] for t in ins]
        kwargs = {k: exact(v, False) if isinstance(v, torch.Tensor) else v for k, v in kwargs.items()}
        ins = [t.clone().requires_grad_() if i < wanted else t for i, t in enumerate(ins)]
        made = info.module_cls(**kwargs)
        value = (RowsFirst(made) if module == "CTCLoss" else made)(*ins)
        value.sum().backward()
        moved = module in ("CrossEntropyLoss", "NLLLoss")
        soft = moved and ins[1].is_floating_point()
        options = {OPTIONS.get(k, k): flat(v, 12) if isinstance(v, torch.Tensor) else v for k, v in kwargs.items()}
        of = lambda i, t: classes_last(t, moved and (i == 0 or soft))
        arrays = [
            {"shape": list(of(i, t).shape), "data": flat(of(i, t), 12), "dtype": "f32" if t.is_floating_point() else "i32"}
            for i, t in enumerate(ins)
        ]
        grads = [flat(of(i, t.grad)) for i, t in enumerate(ins[:wanted])]
        cases.append({"module": module, "loss": name, "options": options, "ins": arrays, "value": flat(value), "grads": grads})
print("{" + f'"torch": {json.dumps(torch.__version__)}, "modules": {json.dumps(modules)}, "cases": [')
print(",\n".join(json.dumps(case) for case in cases))
print("]}")
