"""make_accountants.py: what dp-accounting 0.6.0 and Opacus 1.6.0 say that steps spend, for test/privacy/accountant.test.ts.

Run: pip install dp-accounting==0.6.0 opacus==1.6.0 mpmath; python make_accountants.py > accountants.json
"""
import json
import math
import warnings

import mpmath
from dp_accounting.pld import privacy_loss_distribution as pld
from dp_accounting.rdp import rdp_privacy_accountant as rdp
from opacus.accountants.analysis import rdp as opacus_rdp

warnings.filterwarnings("ignore")
mpmath.mp.dps = 40

ORDERS = [1 + x / 10 for x in range(1, 100)] + list(range(12, 64))
# q, sigma, steps, delta, width of losses
ROWS = [
    (256 / 60000, 1.1, 14040, 1e-5, 1e-4),
    (0.01, 1.0, 1000, 1e-5, 1e-4),
    (0.01, 1.0, 10000, 1e-5, 1e-4),
    (64 / 1797, 2.0, 1000, 1e-4, 1e-4),
    (1.0, 10.0, 100, 1e-6, 1e-4),
    (0.001, 0.7, 5000, 1e-6, 1e-4),
    (0.004, 0.6, 3000, 1e-5, 1e-4),
    (1.0, 0.5, 1, 1e-5, 1e-3),
    (1.0, 1.0, 1, 1e-12, 1e-4),
    (0.5, 1.0, 1, 0.1, 1e-4),
    (0.2, 0.3, 4, 1e-5, 1e-3),
    (0.9, 3.0, 50, 1e-6, 1e-4),
    (0.1, 100.0, 100000, 1e-5, 1e-5),
    (0.02, 4.0, 20000, 1e-8, 1e-5),
    (0.0001, 0.8, 200000, 1e-7, 1e-5),
    (0.05, 1.5, 500, 1e-10, 1e-4),
]
# Phases that follow each other, delta.
PHASES = [
    ([(0.01, 1.0, 1000), (0.02, 1.2, 500)], 1e-5),
    ([(0.5, 8.0, 40), (0.01, 0.9, 300), (1.0, 30.0, 5)], 1e-6),
]
# q, sigma, order: by quadrature.
MOMENTS = [
    (0.01, 1.0, 7.8), (0.01, 1.0, 4.1), (0.01, 1.0, 32), (256 / 60000, 1.1, 8.1), (0.5, 0.3, 1.1), (0.5, 0.3, 10.9), (1e-6, 1.0, 2.5),
    (1e-6, 1.0, 3), (0.999, 2.0, 1.1), (0.2, 100.0, 6.3), (0.2, 100.0, 50), (0.03, 0.5, 1024), (1e-4, 20.0, 1.1), (0.9, 0.1, 1.5),
]


def events(phases):
    from dp_accounting import dp_event
    return dp_event.ComposedDpEvent([dp_event.SelfComposedDpEvent(
        dp_event.PoissonSampledDpEvent(q, dp_event.GaussianDpEvent(sigma)), steps) for q, sigma, steps in phases])


def by_rdp(phases, delta):
    accountant = rdp.RdpAccountant(ORDERS)
    accountant.compose(events(phases))
    return accountant.get_epsilon(delta)


def by_opacus(phases, delta):
    sums = sum(opacus_rdp.compute_rdp(q=q, noise_multiplier=sigma, steps=steps, orders=ORDERS) for q, sigma, steps in phases)
    return opacus_rdp.get_privacy_spent(orders=ORDERS, rdp=sums, delta=delta)


def loss(q, sigma, width, up):
    return pld.from_gaussian_mechanism(sigma, sampling_prob=q, value_discretization_interval=width,
                                       pessimistic_estimate=up, use_connect_dots=up)


def by_loss(phases, delta, width, up):
    whole = None
    for q, sigma, steps in phases:
        part = loss(q, sigma, width, up).self_compose(steps)
        whole = part if whole is None else whole.compose(part)
    return whole.get_epsilon_for_delta(delta)


def moment(q, sigma, order):
    """log A / (order - 1), where A - 1 is integrated, since A may be next to 1."""
    q, s, a = mpmath.mpf(q), mpmath.mpf(sigma), mpmath.mpf(order)

    def rise(x):
        u = q * mpmath.expm1((2 * x - 1) / (2 * s * s))
        return mpmath.npdf(x, 0, s) * ((1 + u) ** a - 1 - a * u)

    middle = [mpmath.mpf(k) * s * 3 for k in range(-5, 6)] + [a + k * s * 3 for k in range(-5, 6)] + [mpmath.mpf(k) for k in range(0, int(a) + 1, max(1, int(a) // 12))]
    places = sorted(set(middle))
    return float(mpmath.log1p(mpmath.quad(rise, places)) / (a - 1))


rows = []
for q, sigma, steps, delta, width in ROWS:
    epsilon, order = by_opacus([(q, sigma, steps)], delta)
    rows.append(dict(q=q, sigma=sigma, steps=steps, delta=delta, opacus=float(epsilon), order=float(order), rdp=float(by_rdp([(q, sigma, steps)], delta)),
                     width=width, lower=by_loss([(q, sigma, steps)], delta, width, False), upper=by_loss([(q, sigma, steps)], delta, width, True)))
phases = []
for parts, delta in PHASES:
    epsilon, order = by_opacus(parts, delta)
    phases.append(dict(phases=[dict(q=q, sigma=s, steps=n) for q, s, n in parts], delta=delta, opacus=float(epsilon), order=float(order),
                       lower=by_loss(parts, delta, 1e-4, False), upper=by_loss(parts, delta, 1e-4, True)))
moments = [dict(q=q, sigma=s, order=a, rdp=moment(q, s, a)) for q, s, a in MOMENTS]
assert all(math.isfinite(m["rdp"]) for m in moments)
line = lambda items: "[\n  " + ",\n  ".join(json.dumps(item) for item in items) + "\n ]"
print('{"dp-accounting": "0.6.0", "opacus": "1.6.0",\n "rows": ' + line(rows) + ',\n "phases": ' + line(phases) + ',\n "moments": ' + line(moments) + "}")
