# make_npy.py: files as numpy writes them, with what is in them, for npy.test.ts. Run: python make_npy.py > npy.json
import base64
import io
import json

import numpy as np

CASES = {
    "f4": np.arange(6, dtype="<f4").reshape(2, 3) / 4,
    "f8": np.array([1e300, -0.5, np.pi], dtype="<f8"),
    "f2": np.array([0, -2, 65504, 6e-8, 6.1e-5, np.inf, -np.inf, 0.333], dtype="<f2"),
    "big f4": np.arange(4, dtype=">f4") - 1.5,
    "big f8": np.array([[1.25]], dtype=">f8"),
    "big i2": np.array([-2, 300], dtype=">i2"),
    "u1": np.arange(250, 256, dtype="u1").reshape(3, 1, 2),
    "bool": np.array([True, False, True]),
    "i1": np.array([-128, 127], dtype="i1"),
    "u2": np.array([65535], dtype="<u2"),
    "i4": np.array([-(2**31), 2**31 - 1], dtype="<i4"),
    "u4": np.array([7, 2**31 - 1], dtype="<u4"),
    "i8": np.array([-(2**31), 5], dtype="<i8"),
    "u8": np.array([5], dtype="<u8"),
    "scalar": np.float32(2.5),
    "empty": np.zeros((0, 3), dtype="<f4"),
    "fortran": np.asfortranarray(np.arange(24, dtype="<i4").reshape(2, 3, 4)),
}


def packed(write):
    out = io.BytesIO()
    write(out)
    return base64.b64encode(out.getvalue()).decode()


def values(a):
    return [str(v) if not np.isfinite(v) else v for v in np.asarray(a, dtype=np.float64).ravel().tolist()]


def version2(out):
    np.lib.format.write_array(out, CASES["f4"], version=(2, 0))


npy = {
    name: {"file": packed(lambda out: np.save(out, a)), "shape": list(np.shape(a)), "values": values(a)}
    for name, a in CASES.items()
}
npy["version 2"] = {**npy["f4"], "file": packed(version2)}
arrays = {"x": CASES["f4"], "labels": CASES["u1"], "long": np.zeros(3000, dtype="<f4")}
print(
    json.dumps(
        {
            "npy": npy,
            "npz": {
                "stored": packed(lambda out: np.savez(out, x=arrays["x"], labels=arrays["labels"])),
                "deflated": packed(lambda out: np.savez_compressed(out, **arrays)),
            },
            "refused": {
                "objects": packed(lambda out: np.save(out, np.array([None, 1]), allow_pickle=True)),
                "texts": packed(lambda out: np.save(out, np.array(["a", "bc"]))),
                "complex": packed(lambda out: np.save(out, np.array([1j]))),
                "records": packed(lambda out: np.save(out, np.zeros(2, dtype=[("a", "<f4")]))),
                "too large": packed(lambda out: np.save(out, np.array([1, 2**40]))),
            },
        }
    )
)
