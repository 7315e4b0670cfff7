"""numpy_peer.py: f32 products on OpenBLAS (through NumPy) and on MKL (through PyTorch); mode bf16: on oneDNN (through PyTorch), of tensors in
bf16 and, under autocast, of tensors in f32. A cell is `nt/64x256x784`: trans/MxNxK."""
import os
import worker


def open_cell(args):
    if args.suite != "gemm":
        raise worker.Unsupported("products only")
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    os.environ.pop("OPENBLAS_L2_SIZE", None)  # no handicap from the surroundings
    with open("/proc/cpuinfo") as cpu:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX" if "avx512bw" in cpu.read() else "Haswell"
    import numpy as np, torch

    torch.set_num_threads(args.threads)
    trans, size = args.cell.split("/")
    m, n, k = map(int, size.split("x"))
    rand = lambda *shape: np.random.randn(*shape).astype("f4")
    x = rand(m, k) if trans[0] == "n" else rand(k, m).T
    y = rand(k, n) if trans[1] == "n" else rand(n, k).T
    z = np.empty((m, n), "f4")
    tx, ty, tz = map(torch.from_numpy, (x, y, z))
    inner = max(1, int(2e7 / (2 * m * n * k)))
    if "bf16" in args.mode:
        bx, by, bz = (t.to(torch.bfloat16) for t in (tx, ty, tz))  # it keeps what is transposed
        multiply = torch.autocast("cpu", torch.bfloat16)(torch.mm)
        variants = {
            "onednn": (lambda: torch.mm(bx, by, out=bz), inner),
            "autocast": (lambda: multiply(tx, ty), inner),
        }
    else:
        variants = {
            "openblas": (lambda: np.matmul(x, y, out=z), inner),
            "mkl": (lambda: torch.mm(tx, ty, out=tz), inner),
        }
    for call, _ in variants.values():
        call()
    return {"trans": trans, "m": m, "n": n, "k": k} | worker.precision(args), variants


worker.serve(open_cell)
