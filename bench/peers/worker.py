"""worker.py: what every Python peer of the bench is: a process that holds one cell at a time and answers one JSON line a command.

    python torch_peer.py --suite step --cell mlp-small --threads 2

The first line out says what the cell is (its parameters, its first losses and norms); then each `{"variant", "seconds"}` in gives
`{"median_ms", "min_ms", "n"}` out, `{"digest": true}` what it computes, and `{"cell"}` takes another cell of the suite, of which it says
what it is. Between commands the process is stopped, so rounds of several engines can alternate.
"""
import argparse, functools, gc, json, math, os, statistics, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../test/golden/runs"))

CLIP_CASES = {
    "25x1M": [(1024, 1024)] * 25,
    "2000x8k": [(8192,)] * 2000,
    "200x4k": [(64, 64)] * 200,
    "6x40k": [(784, 256), (256,), (256, 128), (128,), (128, 10), (10,)],
}


def gradient(i, shape):
    """Of tensor i of a clip case, the same in every engine."""
    from recipe import uniform

    return uniform(i, math.prod(shape)).reshape(shape)


def parameter(i, shape):
    return gradient(100_000 + i, shape)


def digest_of(arrays):
    """Norm, sum and largest absolute value of each."""
    import numpy as np

    wide = (np.asarray(x).astype("f8") for x in arrays)
    return [[float(np.sqrt((x * x).sum())), float(x.sum()), float(np.abs(x).max())] for x in wide]


def flat_last(w, channels):
    """A weight[out, channels * h * w] for images that were flattened as [h, w, channels]."""
    return w.reshape(w.shape[0], channels, -1).transpose(0, 2, 1).reshape(w.shape[0], -1)


class Unsupported(Exception):
    """The peer cannot do this cell, or takes minutes to start it."""


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--suite", required=True, choices=["step", "clip-step", "gemm", "policies", "gan", "generate", "ops", "mpi", "privacy"])
    parser.add_argument("--cell", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--mode", default=[], type=lambda text: text.split(","), help="ways to run the same peer: compile, autotune, jit, bf16, f64")
    parser.add_argument("--product", default="", help="MxNxK, of the workload: products are timed beside its steps")
    parser.add_argument("--chunk", type=int, default=1, help="steps of a call, where the peer can take several")
    parser.add_argument("--inputs", default="[]", help="ops: shapes of what it is given, and how it is filled, as JSON")
    parser.add_argument("--gradient", action="store_true", help="ops: the backward pass")
    return parser.parse_args()


def precision(args):
    """What the bench is told of the precision: what is computed in it is verified less strictly."""
    return {"precision": "bf16"} if "bf16" in args.mode else {}


def measure(seconds, call, calls=1, steps=1):
    """Times `call`, so many calls at once, each of so many steps. A first one brings back to the caches what others have driven out."""
    call()
    times, end = [], time.perf_counter() + seconds
    while not times or (time.perf_counter() < end and len(times) < 20000):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - start) / (calls * steps) * 1e3)
    return {"median_ms": statistics.median(times), "min_ms": min(times), "n": len(times) * calls * steps}


def lazy(make):
    """A variant that is made when it is first timed: most runs do not ask for it."""
    made = functools.cache(make)
    return lambda: made()()


def products(args, make):
    """Variants `square` and `product`: `make(m, n, k)` gives a call of one product."""

    def variant(m, n, k):
        call = make(m, n, k)
        call()
        return call, max(1, int(2e7 / (2 * m * n * k)))

    return {"square": variant(1024, 1024, 1024), "product": variant(*map(int, args.product.split("x")))} if args.product else {}


def watch_memory():
    """A function that gives the largest resident memory from now on, in MiB above what there is: bench/memory.ts."""
    status = lambda field: next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith(field + ":"))
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
        before = status("VmRSS")
        return lambda: round(status("VmHWM") - before, 1)
    except OSError:
        return lambda: None


def serve(open_cell):
    """`open_cell(args)` gives what to say of the cell, and its variants: name -> call, or (call, calls per sample[, steps of a call]).

    A variant of suite generate, or with `times_itself`, takes the seconds and gives the answer. `digest` in what is said of a cell is a call: who
    asks gets what it gives."""
    args = arguments()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the framework prints is no answer
    say = lambda value: print(json.dumps(value), file=answers, flush=True)
    if precision(args) and args.suite not in ("step", "gemm"):
        return say({"unsupported": "bf16 in whole steps and products alone"})
    variants, digest = {}, None

    def take(cell):
        nonlocal variants, digest
        args.cell, variants, digest = cell, {}, None
        gc.collect()  # what the cell before held
        try:
            info, variants = open_cell(args)
        except Unsupported as reason:
            return say({"unsupported": str(reason)})
        digest = info.pop("digest", None)
        say({**info, "variants": list(variants)})

    take(args.cell)
    for line in sys.stdin:
        command = json.loads(line)
        if "cell" in command:
            take(command["cell"])
            continue
        if "digest" in command:
            say(digest and digest())
            continue
        variant = variants[command["variant"]]
        if args.suite == "generate" or getattr(variant, "times_itself", False):
            say(variant(command["seconds"]))
            continue
        say(measure(command["seconds"], *(variant if isinstance(variant, tuple) else (variant,))))
