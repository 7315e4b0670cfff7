"""torch_ranks.py: processes that train together under PyTorch's DistributedDataParallel, over gloo; torch_peer.py starts them.

    python torch_ranks.py CELL RANK SIZE FILE

Each takes its part of the batch's rows. The first line out is what the first steps gave; then each line in, a number of steps, gives the
milliseconds of each of them.
"""
import json, os, shutil, subprocess, sys, tempfile, time


def stepper(ps, forward, opt):
    from torch.nn.utils import clip_grad_norm_

    def step():
        opt.zero_grad(set_to_none=True)
        value = forward()
        value.backward()
        norm = clip_grad_norm_(ps, 1.0, foreach=True)
        opt.step()
        return value, norm

    return step


class Ranks:
    """As torch_peer.py sees them."""

    def __init__(self, cell, size):
        folder = tempfile.mkdtemp(prefix="gradclip-gloo-")
        env = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        command = [sys.executable, os.path.abspath(__file__), cell]
        self.all = [subprocess.Popen([*command, str(rank), str(size), os.path.join(folder, "ranks")], **pipes) for rank in range(size)]
        self.first = [json.loads(p.stdout.readline()) for p in self.all][0]
        shutil.rmtree(folder)
        self.ms = 0.0

    def sample(self, seconds):
        steps = max(3, round(1000 * seconds / self.ms)) if self.ms else 3
        for p in self.all:
            p.stdin.write(f"{steps}\n")
            p.stdin.flush()
        times = sorted([json.loads(p.stdout.readline()) for p in self.all][0])
        self.ms = sum(times) / steps
        return {"median_ms": self.ms, "min_ms": times[0], "n": steps}

    sample.times_itself = True


def main(cell, rank, size, file):
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel
    from torch_peer import step_parts

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=size)
    wrap = lambda model: DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True)
    step = stepper(*step_parts(cell, [], wrap, (rank, size)))

    def first():
        value, norm = step()
        value = value.detach().double()
        dist.all_reduce(value)
        return value.item() / size, norm.item()

    seen = [first() for _ in range(3)]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the framework prints is no answer
    say = lambda value: print(json.dumps(value), file=answers, flush=True)
    say({"loss": [v for v, _ in seen], "norm": [n for _, n in seen]})
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1e3)
        say(times)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
