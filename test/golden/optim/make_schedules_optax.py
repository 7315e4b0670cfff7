# make_schedules_optax.py: schedules that optax has too, for schedule.test.ts. Run: JAX_ENABLE_X64=1 python make_schedules_optax.py > schedules-optax.json
import json

import optax

N = 24
CURVES = {
    "constant": optax.constant_schedule(0.1),
    "linear": optax.linear_schedule(0.025, 0.05, 7),
    "exponential": optax.exponential_decay(0.1, 1, 0.9),
    "step": optax.exponential_decay(0.1, 5, 0.5, staircase=True),
    "multiStep": optax.piecewise_constant_schedule(0.1, {3: 0.25, 11: 0.5}),
    "polynomial": optax.polynomial_schedule(0.1, 0, 1.5, 15),
    "cosine": optax.cosine_decay_schedule(0.1, 9, alpha=0.1),
    "cosineRestarts": optax.sgdr_schedule([{"init_value": 0.1, "peak_value": 0.1, "decay_steps": 5, "warmup_steps": 0, "end_value": 0.02}] * 5),
    "sequential": optax.join_schedules([optax.constant_schedule(0.01), optax.linear_schedule(0.02, 0.1, 5)], [3]),
    # A warm-up of optax begins at 0 before it goes up, ours one step later.
    "warmup": lambda t: optax.warmup_cosine_decay_schedule(0, 0.1, 5, 25, 0.01)(t + 1 if t < 5 else t),
}
print(json.dumps({"optax": optax.__version__, "values": {name: [float(f(t)) for t in range(N)] for name, f in CURVES.items()}}))
