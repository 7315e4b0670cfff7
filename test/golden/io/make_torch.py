# make_torch.py: files as torch.save writes them, with what is in them, for torch.test.ts. Run: python make_torch.py > torch.json
import base64
import collections
import io
import json
import os
import pickle
import zipfile

import torch

torch.manual_seed(0)


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return base64.b64encode(out.getvalue()).decode()


def told(tensors):
    return {
        name: {"shape": list(t.shape), "values": [float(v) for v in t.detach().to(torch.float64).flatten()]}
        for name, t in tensors.items()
    }


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(3, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.fc2 = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.fc2(torch.relu(self.norm(self.fc1(x))))


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for _ in range(3):
    optimizer.zero_grad()
    net(torch.randn(5, 3)).square().sum().backward()
    optimizer.step()
state = net.state_dict()
base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
table = torch.randn(3, 2)
dtypes = {
    "f64": torch.tensor([1.5, -2.25, 1e300], dtype=torch.float64),
    "f32": torch.tensor([1.5, float("inf"), -0.0]),
    "f16": torch.tensor([1.5, -65504, 6e-8], dtype=torch.float16),
    "bf16": torch.tensor([1.5, -3e38, 1e-30], dtype=torch.bfloat16),
    "i64": torch.tensor([2**31 - 1, -(2**31), 7]),
    "i32": torch.tensor([1, -2], dtype=torch.int32),
    "i16": torch.tensor([300, -300], dtype=torch.int16),
    "i8": torch.tensor([127, -128], dtype=torch.int8),
    "u8": torch.tensor([255, 0], dtype=torch.uint8),
    "bool": torch.tensor([True, False]),
    "scalar": torch.tensor(3.5),
    "empty": torch.zeros(0, 4),
    "parameter": torch.nn.Parameter(torch.tensor([0.5, 0.25])),
}
views = {
    "whole": base,
    "transposed": base.t(),
    "part": base[1:3, 2:5],
    "every second": base[::2, ::3],
    "tied": base,
    "a row": base[2],
    "expanded": torch.tensor([[1.0], [2.0]]).expand(2, 3),
}
checkpoint = {
    "epoch": 7,
    "loss": 0.125,
    "note": "after 7 epochs",
    "big": 2**70,
    "flags": (True, None, {1, 2}),
    "model_state_dict": state,
    "optimizer_state_dict": optimizer.state_dict(),
    "list": [table, (table + 1, {"deep": table * 2})],
}
nested = {f"model_state_dict.{k}": v for k, v in state.items()}
for i, slot in optimizer.state_dict()["state"].items():
    nested.update({f"optimizer_state_dict.state.{i}.{k}": v for k, v in slot.items()})
nested.update({"list.0": table, "list.1.0": table + 1, "list.1.1.deep": table * 2})


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/gradclip-unpickled",)


def archive(content, extra=()):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        z.writestr("archive/data.pkl", content)
        z.writestr("archive/version", "3\n")
        for name, data in extra:
            z.writestr(f"archive/{name}", data)
    return base64.b64encode(out.getvalue()).decode()


def pickle_of(value):
    """Without the memory of its tensors."""
    out = io.BytesIO()
    torch.save(value, out)
    with zipfile.ZipFile(out) as z:
        return z.read(next(name for name in z.namelist() if name.endswith("data.pkl")))


files = {
    "state": {"file": saved(state), "tensors": told(state)},
    "dtypes": {"file": saved(dtypes), "tensors": told(dtypes)},
    "views": {"file": saved(views), "tensors": told(views)},
    "checkpoint": {"file": saved(checkpoint), "tensors": told(nested)},
    "protocol 4": {"file": saved(state, pickle_protocol=4), "tensors": told(state)},
    "protocol 5": {"file": saved(dtypes, pickle_protocol=5), "tensors": told(dtypes)},
    "a list": {"file": saved([table, table + 1]), "tensors": told({"0": table, "1": table + 1})},
    "an unknown class beside": {
        "file": saved({"weights": table, "arguments": collections.Counter("aab"), "evil": Evil()}),
        "tensors": told({"weights": table}),
    },
}
refused = {
    "a whole module": saved(net),
    "before 1.6": saved(state, _use_new_zipfile_serialization=False),
    "no tensors": saved({"epoch": 1}),
    "a program": archive(pickle.dumps({"a": 1}, protocol=2), [("constants.pkl", pickle.dumps((), protocol=2))]),
    "a function": archive(pickle.dumps(Evil(), protocol=2)),
    "protocol 0": archive(pickle.dumps({"a": 1}, protocol=0)),
    "no memory": archive(pickle_of({"w": table})),
    "complex": saved({"w": torch.tensor([1 + 2j])}),
    "quantized": saved({"w": torch.quantize_per_tensor(torch.tensor([1.0]), 0.1, 0, torch.qint8)}),
    "beyond i32": saved({"w": torch.tensor([2**40])}),
}
print(json.dumps({"torch": torch.__version__, "files": files, "refused": refused}, indent=1))
