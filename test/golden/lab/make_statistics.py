# make_statistics.py: values of scipy for test/lab/statistics.test.ts: ranks, Friedman, Wilcoxon, Spearman, and the distributions behind them.
# Run: python make_statistics.py > statistics.json (scipy 1.17).
import json

import numpy as np
from scipy import stats

rng = np.random.default_rng(7)


def tables():
    for n, k, ties in [(5, 3, False), (14, 4, False), (48, 13, False), (12, 6, True), (30, 2, True)]:
        costs = rng.lognormal(size=(n, k)) * np.linspace(1, 1.3, k)
        costs = np.round(costs, 0 if ties else 6)
        row = {"costs": costs.tolist(), "ranks": np.mean([stats.rankdata(c) for c in costs], axis=0).tolist()}
        if k > 2:
            chi, p = stats.friedmanchisquare(*costs.T)
            row |= {"chi": chi, "p": p}
        yield row


def pairs():
    for n, ties in [(6, False), (20, False), (48, False), (40, True)]:
        a = rng.normal(size=n)
        b = a + rng.normal(0.3, 1, size=n)
        if ties:
            a, b = np.round(a), np.round(b)
        found = stats.wilcoxon(a, b, zero_method="wilcox", correction=False, method="approx")
        yield {
            "a": a.tolist(),
            "b": b.tolist(),
            "w": float(found.statistic),
            "p": float(found.pvalue),
            "rho": float(stats.spearmanr(a, b).statistic),
        }


print(
    json.dumps(
        {
            "tables": list(tables()),
            "pairs": list(pairs()),
            "chi": [[x, d, stats.chi2.sf(x, d)] for x in (0.1, 1, 7.3, 30, 120) for d in (1, 4, 12, 60)],
            "fisher": [[f, a, b, stats.f.sf(f, a, b)] for f in (0.2, 1, 3.7, 12) for a, b in ((3, 39), (12, 564), (1, 5))],
            "range": [[q, k, stats.studentized_range.sf(q, k, np.inf)] for q in (0.5, 2, 3.3, 5) for k in (2, 3, 7, 14)],
            "quantiles": [[p, k, stats.studentized_range.isf(p, k, np.inf)] for p in (0.01, 0.05, 0.1) for k in (2, 4, 13)],
        },
        indent=1,
    )
)
