"""wgan.py: a Wasserstein GAN (Arjovsky et al. 2017) of MLPs of 64 units, its data and an iteration of its training: three
steps of the critic and one of the generator. wgan.ts is the same one."""
import numpy as np, torch, torch.nn as nn
from recipe import noise, uniform, weights

ITERATIONS, CRITIC_STEPS, BATCH, LATENT = 20, 3, 64, 8
# Those of the paper, 5e-5 and 0.01, hardly move in 20 iterations.
SETTINGS = dict(lr=5e-4, alpha=0.99, eps=1e-8, weightClip=0.1)
CORNERS = np.array([[1, 0], [0.75, 0.75], [0, 1], [-0.75, 0.75], [-1, 0], [-0.75, -0.75], [0, -1], [0.75, -0.75]])


def points(draw):
    """Eight spots around 0."""
    at = noise(5000 + draw, BATCH) % 8
    spread = 0.125 * uniform(6000 + draw, 2 * BATCH).reshape(BATCH, 2).astype(np.float64)
    return torch.from_numpy((CORNERS[at] + spread).astype(np.float32))


def latent(draw):
    return torch.from_numpy(uniform(7000 + draw, LATENT * BATCH).reshape(BATCH, LATENT))


def mlp(i, o):
    return nn.Sequential(nn.Linear(i, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, o))


class Gan(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator, self.critic = mlp(LATENT, 2), mlp(2, 1)


class Training:
    """Batches are made once: those of an iteration come again after 20."""

    def __init__(self, dtype=torch.float32, compiled=False, foreach=False):
        self.model = model = Gan()
        with torch.no_grad():
            initial = weights([(tuple(p.shape), 1 / 8) for p in model.parameters()])
            for p, w in zip(model.parameters(), initial, strict=True):
                p.copy_(torch.from_numpy(w))
        model.to(dtype)
        options = {k: SETTINGS[k] for k in ("lr", "alpha", "eps")}
        self.critic, self.generator = (
            torch.optim.RMSprop(m.parameters(), foreach=foreach, **options) for m in (model.critic, model.generator)
        )
        self.weights = list(model.critic.parameters())
        cast = lambda made, count, first=0: [made(first + draw).to(dtype) for draw in range(count)]
        self.x, self.z = cast(points, ITERATIONS * CRITIC_STEPS), cast(latent, ITERATIONS * CRITIC_STEPS)
        self.own = cast(latent, ITERATIONS, 1000)
        self.losses = (self.critic_loss, self.generator_loss)
        if compiled:
            self.losses = tuple(torch.compile(loss) for loss in self.losses)
        self.at = 0

    def critic_loss(self, x, z):
        with torch.no_grad():
            made = self.model.generator(z)
        return self.model.critic(made).mean() - self.model.critic(x).mean()

    def generator_loss(self, z):
        return -self.model.critic(self.model.generator(z)).mean()

    def step_critic(self, draw):
        self.critic.zero_grad(set_to_none=True)
        loss = self.losses[0](self.x[draw], self.z[draw])
        loss.backward()
        self.critic.step()
        with torch.no_grad():
            torch._foreach_clamp_min_(self.weights, -SETTINGS["weightClip"])
            torch._foreach_clamp_max_(self.weights, SETTINGS["weightClip"])
        return loss

    def step_generator(self, iteration):
        # Only the generator's gradients are wanted.
        for p in self.weights:
            p.requires_grad_(False)
        self.generator.zero_grad(set_to_none=True)
        loss = self.losses[1](self.own[iteration])
        loss.backward()
        self.generator.step()
        for p in self.weights:
            p.requires_grad_(True)
        return loss

    def iteration(self):
        """The losses: of the critic in each of its steps, and of the generator."""
        i = self.at % ITERATIONS
        self.at += 1
        return [self.step_critic(i * CRITIC_STEPS + step) for step in range(CRITIC_STEPS)], self.step_generator(i)
