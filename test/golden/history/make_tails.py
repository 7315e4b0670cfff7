# make_tails.py: samples of known tail index, with the index and its interval by scipy, for tail.test.ts. Run: python make_tails.py > tails.json
#
# Given where the tail begins, Hill's estimate is the likeliest shape of a Pareto distribution, which scipy fits; shape times the sum of logarithms has a
# gamma distribution, whose quantiles are the interval.
import json
import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(5)
CASES = []


def hill(x):
    x = np.sort(np.abs(x))
    count = int(np.floor(np.sqrt(len(x))))
    return stats.pareto.fit(x[-count:], floc=0, fscale=x[-1 - count])[0]


def case(name, index, sample, draw):
    # `mean`: of 1,000 other samples, which tells the bias of the estimate.
    x = np.sort(np.abs(np.asarray(sample, dtype=np.float64)))
    x = np.array([float(f"{v:.9g}") for v in x])  # as it is kept
    count = int(np.floor(np.sqrt(len(x))))
    above, tail = x[-1 - count], x[-count:]
    shape, _, _ = stats.pareto.fit(tail, floc=0, fscale=above)
    low, high = (stats.gamma.ppf(p, count) / count * shape for p in (0.025, 0.975))
    CASES.append({"name": name, "index": index, "count": count, "above": above, "hill": shape, "low": low, "high": high,
                  "mean": float(np.mean([hill(draw(len(x))) for _ in range(1000)])),
                  "sample": rng.permutation(x).tolist()})


def sampled(name, index, size, distribution):
    draw = lambda n: distribution.rvs(size=n, random_state=rng)
    case(name, index, draw(size), draw)


for index in (0.5, 1.5, 3):
    sampled(f"Pareto {index}", index, 900, stats.pareto(index))
for df in (1, 2, 4):
    sampled(f"Student t {df}", df, 1600, stats.t(df))
sampled("100 of Pareto 2", 2, 100, stats.pareto(2))
print(json.dumps({"scipy": scipy.__version__, "numpy": np.__version__, "cases": CASES}))
