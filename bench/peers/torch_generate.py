"""torch_generate.py: text that a GPT writes in PyTorch, token by token, with keys and values that are kept."""
import statistics, time
import torch


def generate_cell(build, args):
    from workloads import workload

    kind, ws, x, *_ = workload(args.cell)
    model = build(kind, ws)
    with torch.no_grad():
        for p, w in zip(model.parameters(), ws, strict=True):
            p.copy_(torch.from_numpy(w))
    model.to(torch.float64 if "f64" in args.mode else torch.float32).eval()
    given = torch.from_numpy(x).reshape(-1)[: x.shape[1]].long()[None]
    context, some = given.shape[1], 15

    @torch.inference_mode()
    def write(start, length):
        """The tokens after the first `start`, and what each took."""
        kept, out, times, now = model.cache(), [], [], given[:, :start]
        for i in range(length):
            began = time.perf_counter()
            token = model.next(now, kept, start + i - now.shape[1]).argmax(-1)
            out.append(token.item())
            times.append((time.perf_counter() - began) * 1e3)
            now = token[:, None]
        return out, times

    def timed(seconds, start, length, first=0, whole=False):
        times, end = [], time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            began = time.perf_counter()
            each = write(start, length)[1][first:]
            times += [(time.perf_counter() - began) / length * 1e3] if whole else each
        return {"median_ms": statistics.median(times), "min_ms": min(times), "n": len(times)}

    @torch.inference_mode()
    def first_logits():
        """After 48 tokens, of which the last 16 are given one by one."""
        kept = model.cache()
        model.next(given[:, :32], kept, 0)
        return [model.next(given[:, i : i + 1], kept, i) for i in range(32, 48)][-1][0, :3].tolist()

    variants = {
        "first": lambda seconds: timed(seconds, 1, some + 1, first=1),
        "last": lambda seconds: timed(seconds, context - some, some + 1, first=1),
        "text": lambda seconds: timed(seconds, 1, context, whole=True),
        "prompt": lambda seconds: timed(seconds, context, 1, whole=True),
    }
    return {"params": sum(p.numel() for p in model.parameters()), "logits": first_logits()}, variants
