"""networks.py: the networks of examples/networks in PyTorch, from the same weights and batches: their losses, in float32 and in float64.

python networks.py FOLDER NAME...: reads FOLDER/NAME.safetensors (weights), FOLDER/NAME.N.safetensors (the batch of step N, with its part as metadata),
writes FOLDER/NAME.json. run.ts calls it.
"""
import json, math, os, sys
import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F


def read(path, dtype):
    with safe_open(path, "pt") as f:
        tensors = {k: f.get_tensor(k) for k in f.keys()}
        integers = (torch.int32, torch.int64, torch.uint8)
        return {k: t.long() if t.dtype in integers else t.to(dtype) for k, t in tensors.items()}, f.metadata() or {}


def linear(weights, name):
    """x -> x W' + b, of the weights of that name."""
    return lambda x: F.linear(x, weights[name + ".weight"], weights.get(name + ".bias"))


def trained(weights):
    return [t.requires_grad_() for t in weights.values()]


def clipped(parameters, most=1.0):
    nn.utils.clip_grad_norm_(parameters, most)


def dqn(weights, batches):
    parameters = trained({k: t for k, t in weights.items() if k.startswith("q.")})
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6000)
    value = lambda of, x: linear(weights, of + ".2")(torch.relu(F.embedding(x, weights[of + ".0.weight"])))
    for batch, _ in batches:
        taken = value("q", batch["x"]).gather(1, batch["move"][:, None])[:, 0]
        with torch.no_grad():
            best = value("target", batch["next"]).max(1).values
        loss = F.huber_loss(taken, batch["reward"] + 0.95 * best * batch["goes"])
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        clipped(parameters, 10)
        optimizer.step()
        schedule.step()


def gcn(weights, batches):
    optimizer = torch.optim.Adam(trained(weights), lr=0.01, weight_decay=5e-4)
    for batch, _ in batches:
        batch = {k: t[0] for k, t in batch.items()}
        size = len(batch["members"])
        adjacency = torch.zeros(size, size, dtype=batch["weight"].dtype)
        adjacency[batch["to"], batch["from"]] = batch["weight"]
        hidden = torch.relu(adjacency @ weights["first.weight"][batch["members"]])
        logits = adjacency @ linear(weights, "second")(hidden)
        loss = F.cross_entropy(logits[batch["labeled"]], batch["y"])
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def moe(weights, batches):
    parameters = trained(weights)
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    for batch, _ in batches:
        x, y = batch["x"], batch["y"]
        layers = lambda name: linear(weights, name + ".2")(F.gelu(linear(weights, name + ".0")(x)))
        share = torch.softmax(layers("gate"), 1)
        experts = share.shape[1]
        values, places = share.topk(2, dim=1)
        gates = torch.zeros_like(share).scatter(1, places, values / values.sum(1, keepdim=True))
        answers = torch.cat([layers(f"experts.{e}") for e in range(experts)], 1)
        best = F.one_hot(places[:, 0], experts).to(share.dtype)
        imbalance = experts * (best.mean(0) * share.mean(0)).sum()
        loss = F.mse_loss((answers * gates).sum(1), y) + 0.01 * imbalance
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        clipped(parameters)
        optimizer.step()


def reinforce(weights, batches):
    parameters = trained(weights)
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for batch, _ in batches:
        logits = linear(weights, "head")(torch.tanh(linear(weights, "inner")(batch["x"])))
        loss = (F.cross_entropy(logits, batch["move"], reduction="none") * batch["advantage"]).mean()
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        clipped(parameters)
        optimizer.step()


class Listener(nn.Module):
    def __init__(self):
        super().__init__()
        self.near = nn.Conv1d(30, 32, 5, padding=2)
        self.all = nn.GRU(32, 32, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, 9)

    def forward(self, x, frames):
        seen = torch.relu(self.near(x.transpose(1, 2))).transpose(1, 2)
        packed = nn.utils.rnn.pack_padded_sequence(seen, frames, batch_first=True, enforce_sorted=False)
        heard, _ = nn.utils.rnn.pad_packed_sequence(self.all(packed)[0], batch_first=True)
        return self.head(heard)


def ctc(weights, batches):
    module = loaded(Listener(), weights)
    optimizer = torch.optim.Adam(module.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 600)
    for batch, _ in batches:
        said, frames = batch["y"], batch["frames"]
        logs = torch.log_softmax(module(batch["x"], frames), 2).transpose(0, 1)
        loss = F.ctc_loss(logs, said.clamp(min=0), frames, (said >= 0).sum(1))
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        clipped(module.parameters())
        optimizer.step()
        schedule.step()


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        block = lambda a, b: nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()
        )
        self.down1, self.down2, self.deepest = block(1, 8), block(8, 16), block(16, 32)
        self.rise2, self.up2 = nn.ConvTranspose2d(32, 16, 2, stride=2), block(32, 16)
        self.rise1, self.up1 = nn.ConvTranspose2d(16, 8, 2, stride=2), block(16, 8)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        level1 = self.down1(x)
        level2 = self.down2(F.max_pool2d(level1, 2))
        deepest = self.deepest(F.max_pool2d(level2, 2))
        up2 = self.up2(torch.cat([level2, self.rise2(deepest)], 1))
        return self.head(self.up1(torch.cat([level1, self.rise1(up2)], 1)))


def loaded(module, weights):
    some = next(t for t in weights.values() if t.is_floating_point())
    module.to(some.dtype)
    left = module.load_state_dict(weights, strict=False)
    missing = [name for name in left.missing_keys if not name.endswith("num_batches_tracked")]
    assert not missing and not left.unexpected_keys, left
    return module.train()


def unet(weights, batches):
    module = loaded(UNet(), weights)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for batch, _ in batches:
        loss = F.binary_cross_entropy_with_logits(module(batch["x"]), batch["mask"])
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def vae(weights, batches):
    parameters = trained(weights)
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12_000)

    def mlp(name, x):
        for at in (0, 2):
            x = torch.relu(linear(weights, f"{name}.{at}")(x))
        return linear(weights, name + ".4")(x)

    for batch, _ in batches:
        x = batch["x"]
        mean, log_variance = mlp("encoder", x).chunk(2, dim=1)
        code = mean + (log_variance / 2).exp() * batch["noise"]
        pixels = F.binary_cross_entropy_with_logits(mlp("decoder", code), x, reduction="sum")
        spread = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum()
        loss = (pixels + spread) / len(x)
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        clipped(parameters, 100)
        optimizer.step()
        schedule.step()


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, 32, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 32))
        self.positions = nn.Embedding(17, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        tokens = torch.cat([self.token.expand(len(x), 1, 32), self.patches(x).flatten(2).transpose(1, 2)], 1)
        return self.head(self.norm(self.encoder(tokens + self.positions.weight))[:, 0])


def vit(weights, batches):
    module = loaded(ViT(), weights)
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2000)
    for batch, _ in batches:
        loss = F.cross_entropy(module(batch["x"]), batch["y"])
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        clipped(module.parameters())
        optimizer.step()
        schedule.step()


def pinn(weights, batches):
    optimizer = torch.optim.Adam(trained(weights), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 2000)

    def solution(x):
        hidden = F.gelu(linear(weights, "layers.0")(x))
        return linear(weights, "layers.4")(F.gelu(linear(weights, "layers.2")(hidden)))

    for batch, _ in batches:
        x = batch["x"].requires_grad_()
        derivative = lambda u: torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        force = -(math.pi**2) * torch.sin(math.pi * x)
        within = (derivative(derivative(solution(x))) - force).square().mean()
        loss = within + 100 * solution(batch["edges"]).square().mean()
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def maml(weights, batches):
    parameters = trained(weights)
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    names = ["w1", "b1", "w2", "b2", "w3", "b3"]

    def logits(x, w):
        hidden = torch.relu(x @ w["w1"] + w["b1"])
        return torch.relu(hidden @ w["w2"] + w["b2"]) @ w["w3"] + w["b3"]

    for batch, _ in batches:
        # Task by task, as the article has it: here they are one product.
        losses = []
        for shown, labels, x, y in zip(batch["shown"], batch["labels"], batch["x"], batch["y"]):
            error = F.cross_entropy(logits(shown, weights), labels)
            slopes = torch.autograd.grad(error, [weights[n] for n in names], create_graph=True)
            adapted = {n: weights[n] - 0.4 * g for n, g in zip(names, slopes)}
            losses.append(F.cross_entropy(logits(x, adapted), y))
        loss = torch.stack(losses).mean()
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        clipped(parameters, 10)
        optimizer.step()


def wgan_gp(weights, batches):
    parts = {p: trained({k: t for k, t in weights.items() if k.startswith(p)}) for p in ("critic", "generator")}
    optimizers = {p: torch.optim.Adam(some, lr=5e-4, betas=(0.5, 0.9)) for p, some in parts.items()}

    def generator(z):
        hidden = torch.relu(linear(weights, "generator.0")(z))
        return linear(weights, "generator.4")(torch.relu(linear(weights, "generator.2")(hidden)))

    def critic(x):
        for at in (0, 3):
            x = linear(weights, f"critic.{at}")(x)
            norm = f"critic.{at + 1}"
            x = torch.relu(F.layer_norm(x, (64,), weights[norm + ".weight"], weights[norm + ".bias"]))
        return linear(weights, "critic.6")(x)

    for batch, part in batches:
        made = generator(batch["z"])
        if part == "critic":
            made = made.detach()
            between = (batch["x"] * batch["t"] + made * (1 - batch["t"])).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            loss = critic(made).mean() - critic(batch["x"]).mean() + (slope.norm(dim=1) - 1).square().mean()
        else:
            loss = -critic(made).mean()
        yield loss.item()
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        optimizers[part].step()


def byol(weights, batches):
    learned = [k for k, t in weights.items() if not k.startswith("target.") and "running" not in k and "num_batches" not in k]
    parameters = [weights[k].requires_grad_() for k in learned]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def encode(name, x):
        x = F.conv2d(x, weights[name + ".0.weight"], weights[name + ".0.bias"], stride=2, padding=1)
        x = F.conv2d(torch.relu(x), weights[name + ".2.weight"], weights[name + ".2.bias"], stride=2, padding=1)
        return linear(weights, name + ".5")(torch.relu(x).flatten(1))

    def project(name, x):
        x = F.batch_norm(x, None, None, weights[name + ".0.weight"], weights[name + ".0.bias"], training=True)
        return linear(weights, name + ".2")(torch.relu(x))

    def predict(x):
        return linear(weights, "predictor.2")(torch.relu(linear(weights, "predictor.0")(x)))

    for batch, _ in batches:

        def apart(x, y):
            foretold = predict(project("projection", encode("online", x)))
            with torch.no_grad():
                made = project("target.1", encode("target.0", y))
            return (1 - F.cosine_similarity(foretold, made, dim=1)).mean()

        loss = apart(batch["a"], batch["b"]) + apart(batch["b"], batch["a"])
        yield loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for k in weights:
                for part, of in (("target.0.", "online."), ("target.1.", "projection.")):
                    if k.startswith(part) and of + k[len(part) :] in learned:
                        weights[k].mul_(0.98).add_(weights[of + k[len(part) :]], alpha=0.02)


def batches(folder, name, dtype):
    step = 0
    while os.path.exists(path := os.path.join(folder, f"{name}.{step}.safetensors")):
        tensors, metadata = read(path, dtype)
        yield tensors, metadata.get("part")
        step += 1


def main(folder, names):
    torch.set_num_threads(1)
    for name in names:
        found = {}
        for key, dtype in (("f32", torch.float32), ("f64", torch.float64)):
            weights, _ = read(os.path.join(folder, f"{name}.safetensors"), dtype)
            found[key] = list(globals()[name.replace("-", "_")](weights, batches(folder, name, dtype)))
        with open(os.path.join(folder, f"{name}.json"), "w") as f:
            json.dump(found, f)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
