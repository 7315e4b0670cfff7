# make_onnx.py: models as the onnx package and PyTorch's exporter write them, with their weights, for onnx.test.ts. Run: python make_onnx.py > onnx.json
# (with onnx, onnxscript and torch)
import base64
import contextlib
import io
import json
import os
import sys
import tempfile

import ml_dtypes
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(0)
TYPES = {
    "float": (TensorProto.FLOAT, np.array([1.5, -0.0, np.inf, 1e-45], np.float32)),
    "double": (TensorProto.DOUBLE, np.array([1.5, -2.25, 1e300])),
    "half": (TensorProto.FLOAT16, np.array([1.5, -65504, 6e-8], np.float16)),
    "bfloat": (TensorProto.BFLOAT16, np.array([1.5, -3e38, 1e-30], ml_dtypes.bfloat16)),
    "int8": (TensorProto.INT8, np.array([127, -128], np.int8)),
    "uint8": (TensorProto.UINT8, np.array([255, 0], np.uint8)),
    "int16": (TensorProto.INT16, np.array([32767, -32768], np.int16)),
    "uint16": (TensorProto.UINT16, np.array([65535, 0], np.uint16)),
    "int32": (TensorProto.INT32, np.array([2**31 - 1, -(2**31)], np.int32)),
    "uint32": (TensorProto.UINT32, np.array([2**31 - 1, 0], np.uint32)),
    "int64": (TensorProto.INT64, np.array([2**31 - 1, -(2**31), 7])),
    "uint64": (TensorProto.UINT64, np.array([2**31 - 1, 7], np.uint64)),
    "bool": (TensorProto.BOOL, np.array([True, False])),
    "scalar": (TensorProto.FLOAT, np.array(3.5, np.float32)),
    "empty": (TensorProto.FLOAT, np.zeros((0, 4), np.float32)),
    "matrix": (TensorProto.FLOAT, rng.standard_normal((3, 2)).astype(np.float32)),
}


def model(tensors, sparse=()):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([node], "main", [x], [y], tensors, sparse_initializer=sparse)
    made = helper.make_model(graph, producer_name="somebody")
    made.metadata_props.append(onnx.StringStringEntryProto(key="author", value="me"))
    return made


def raw(name):
    return numpy_helper.from_array(TYPES[name][1], name)


def listed(name):
    kind, array = TYPES[name]
    return helper.make_tensor(name, kind, array.shape, array.flatten())


def encoded(data):
    return base64.b64encode(data).decode()


def told(tensors):
    return {
        t.name: {"shape": list(t.dims), "values": [float(v) for v in numpy_helper.to_array(t).astype(np.float64).flatten()]}
        for t in tensors
    }


def beside(**options):
    """A model whose values lie in other files: all files by name."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "weights"))
        tensors = [raw(name) for name in TYPES]
        expected = told(tensors)
        onnx.save_model(model(tensors), os.path.join(folder, "model.onnx"), save_as_external_data=True, size_threshold=0, **options)
        found = {}
        for where, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(where, name)
                found[os.path.relpath(path, folder)] = encoded(open(path, "rb").read())
    return {"files": found, "tensors": expected}


def alone(tensors):
    return {"files": {"model.onnx": encoded(model(tensors).SerializeToString())}, "tensors": told(tensors)}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(3, 4)
        self.norm = torch.nn.LayerNorm(4)
        self.fc2 = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.fc2(torch.relu(self.norm(self.fc1(x))))


def exported():
    torch.manual_seed(0)
    net = Net().eval()
    x = torch.randn(5, 3)
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "net.onnx")
        with contextlib.redirect_stdout(sys.stderr):
            torch.onnx.export(net, (x,), file, external_data=False)
        data = open(file, "rb").read()
    names = [t.name for t in onnx.load_from_string(data).graph.initializer]
    return {
        "torch": torch.__version__,
        "file": encoded(data),
        "initializers": names,
        "x": x.flatten().tolist(),
        "y": net(x).flatten().tolist(),
    }


values = helper.make_tensor("few", TensorProto.FLOAT, [2], [1.0, 2.0])
indices = helper.make_tensor("where", TensorProto.INT64, [2], [3, 5])
refused = {
    "int4": [helper.make_tensor("t", TensorProto.INT4, [2], [1, -2])],
    "float8": [helper.make_tensor("t", TensorProto.FLOAT8E4M3FN, [2], [1.0, 2.0])],
    "text": [helper.make_tensor("t", TensorProto.STRING, [1], [b"a"])],
    "complex": [helper.make_tensor("t", TensorProto.COMPLEX64, [1], [1 + 2j])],
    "large": [numpy_helper.from_array(np.array([2**40]), "t")],
}
print(
    json.dumps(
        {
            "onnx": onnx.__version__,
            "models": {
                "bytes": alone([raw(name) for name in TYPES]),
                "lists": alone([listed(name) for name in TYPES]),
                "a file beside": beside(all_tensors_to_one_file=True, location="model.data"),
                "a file in a folder": beside(all_tensors_to_one_file=True, location="weights/all.bin"),
                "a file for each": beside(all_tensors_to_one_file=False),
            },
            "refused": {name: encoded(model(tensors).SerializeToString()) for name, tensors in refused.items()},
            "sparse": encoded(model([raw("matrix")], [helper.make_sparse_tensor(values, indices, [8])]).SerializeToString()),
            "exported": exported(),
        },
        indent=1,
    )
)
