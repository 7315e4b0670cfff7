"""mnist_lenet.py: what examples/mnist-lenet.ts does, in PyTorch. Run by mnist-lenet.mjs: python mnist_lenet.py FOLDER THREADS SEED"""
import gzip, sys, time
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F

folder, threads, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(seed)
read = lambda name, skip: np.frombuffer(gzip.open(f"{folder}/mnist-10k-{name}-ubyte.gz").read(), np.uint8, offset=skip)
x = torch.from_numpy(read("images-idx3", 16).reshape(-1, 1, 28, 28).astype("f4") / 255)
y = torch.from_numpy(read("labels-idx1", 8).astype("i8"))
conv = lambda i, o: [nn.Conv2d(i, o, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
model = nn.Sequential(*conv(1, 32), *conv(32, 64), nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 625)
started = time.perf_counter()
for epoch in range(5):
    for rows in torch.randperm(8000).split(64):
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        schedule.step()
with torch.no_grad():
    right = sum((model(x[i : i + 64]).argmax(1) == y[i : i + 64]).sum().item() for i in range(8000, 10000, 64))
print(f"test accuracy {right / 20:.2f} % after 5 epochs, {time.perf_counter() - started:.2f} s")
