# make_statistics.py: Student's distribution, paired tests and points of a Halton sequence, by scipy, for test/tune. Run: python make_statistics.py > statistics.json
import json
import numpy as np
import scipy
from scipy import special, stats
from scipy.stats import qmc

rng = np.random.default_rng(7)

students = []
for df in (1, 2, 3, 4, 7, 19, 100, 1000):
    for t in (0.001, 0.3, 1.0, 2.5, 12.0, 200.0):
        students.append({"df": df, "t": t, "p": float(2 * stats.t.sf(t, df))})
quantiles = [{"df": df, "p": p, "t": float(stats.t.isf(p / 2, df))} for df in (1, 2, 4, 9, 50) for p in (0.5, 0.05, 0.01, 1e-6)]
gammas = [{"x": x, "value": float(special.gammaln(x))} for x in (0.5, 1.0, 1.5, 2.0, 3.7, 11.9, 12.0, 50.5, 500.0, 1e6)]

paired = []
for n, shift, noise in ((2, 0.1, 0.05), (3, 0.0, 1.0), (5, 0.3, 0.2), (10, -2.0, 3.0), (30, 0.01, 0.02)):
    common = rng.normal(size=n) * 10
    a = (common + rng.normal(size=n) * noise + shift).tolist()
    b = (common + rng.normal(size=n) * noise).tolist()
    test = stats.ttest_rel(a, b)
    for confidence in (0.95, 0.8):
        low, high = test.confidence_interval(confidence)
        paired.append({"a": a, "b": b, "confidence": confidence, "p": float(test.pvalue), "low": float(low), "high": float(high),
                       "mean": float(np.mean(np.subtract(a, b)))})

# Sorted means of all resamples of three numbers: what a percentile bootstrap draws from.
small = [1.0, 4.0, 10.0]
means = sorted(float(np.mean([small[i], small[j], small[k]])) for i in range(3) for j in range(3) for k in range(3))
exact = {"values": small, "low": float(np.quantile(means, 0.05)), "high": float(np.quantile(means, 0.95))}

# Holm's, as statsmodels and R have it.
holm = []
for ps in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.2, 0.2, 0.9], [0.001, 0.8]):
    order = np.argsort(ps, kind="stable")
    adjusted = np.minimum(1, np.maximum.accumulate((len(ps) - np.arange(len(ps))) * np.array(ps)[order]))
    back = np.empty(len(ps))
    back[order] = adjusted
    holm.append({"p": ps, "adjusted": back.tolist()})

halton = qmc.Halton(d=8, scramble=False).random(40).tolist()
print(json.dumps({"scipy": scipy.__version__, "students": students, "quantiles": quantiles, "gammas": gammas, "paired": paired, "bootstrap": exact,
                  "holm": holm, "halton": halton}))
