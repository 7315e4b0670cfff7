"""check.py: models of a folder, through onnx.checker and onnxruntime, and how far what comes out is from what is wanted beside them.

python check.py FOLDER: reads FOLDER/NAME.onnx with FOLDER/NAME.safetensors (in:INPUT and out:OUTPUT), prints a line of JSON for each. Where no
output is wanted, what comes out is written to FOLDER/NAME.out.safetensors. run.ts calls it.
"""
import json, math, os, sys
import numpy as np
import onnx
import onnxruntime as ort
from safetensors.numpy import load_file, save_file

folder = sys.argv[1]
print(json.dumps({"onnx": onnx.__version__, "onnxruntime": ort.__version__}))
options = ort.SessionOptions()
options.log_severity_level = 3
options.intra_op_num_threads = 1


def normwise(got, want):
    got, want = np.asarray(got, np.float64).ravel(), np.asarray(want, np.float64).ravel()
    if got.shape != want.shape:
        return math.inf
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        difference = np.linalg.norm(np.where(same, 0, got - want))
    return 0.0 if difference == 0 else float(difference / np.linalg.norm(want[np.isfinite(want)]))


for file in sorted(os.listdir(folder)):
    if not file.endswith(".onnx"):
        continue
    path = os.path.join(folder, file)
    found = {"name": file[: -len(".onnx")]}
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as error:
        found["checker"] = str(error).strip().split("\n")[0][:300]
    try:
        values = load_file(path[: -len(".onnx")] + ".safetensors")
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        outs = session.run(None, {k[3:]: v for k, v in values.items() if k.startswith("in:")})
        errors = {}
        ports = zip(session.get_outputs(), outs)
        if not any(k.startswith("out:") for k in values):
            save_file({port.name: got for port, got in ports}, path[: -len(".onnx")] + ".out.safetensors")
            print(json.dumps(found))
            continue
        for port, got in ports:
            want = values[f"out:{port.name}"]
            errors[port.name] = normwise(got, want) if got.shape == want.shape else math.inf
        found["error"] = max(errors.values())
        found["worst"] = max(errors, key=errors.get)
    except Exception as error:
        found["failed"] = str(error).strip().split("\n")[0][:300]
    print(json.dumps(found))
