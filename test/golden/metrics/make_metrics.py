# make_metrics.py: metrics as scikit-learn computes them, of ordinary and of degenerate data, for metrics-golden.test.ts. Run: python make_metrics.py > metrics.json
import json
import warnings
import numpy as np
import sklearn
from sklearn import metrics as sk

warnings.simplefilter("ignore")
rng = np.random.default_rng(11)
SETS, INF, NAN = [], float("inf"), float("nan")


def plain(values):  # JSON has neither NaN nor Infinity
    return [str(v) if v != v or abs(v) == INF else v for v in np.asarray(values, dtype=np.float64).reshape(-1).tolist()]


def data(name, x, y):
    x, y = np.asarray(x), np.asarray(y)
    SETS.append({"name": name, "x": plain(x), "shape": list(x.shape), "y": plain(y), "yShape": list(y.shape), "cases": []})


def case(metric, f, options={}):
    """`f` gives scikit-learn's value for the last data; where it refuses them, NaN is what there is to say."""
    try:
        value = float(f())
    except ValueError:
        value = NAN
    cases = SETS[-1]["cases"]
    if options.get("zeroDivision", 0) != 0:  # only where it makes a difference
        plainly = next(c for c in cases if c["metric"] == metric and c["options"] == {**options, "zeroDivision": 0})
        if plain([value])[0] == plainly["value"]:
            return
    cases.append({"metric": metric, "options": {k: str(v) if v != v else v for k, v in options.items()}, "value": plain([value])[0]})


def f32(*shape, scale=1.0):
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def log_softmax(x):
    x = np.asarray(x, dtype=np.float64)
    top = x.max(1, keepdims=True)
    return x - top - np.log(np.exp(x - top).sum(1, keepdims=True))


def nll(x, y):  # log_loss of the softmax; scikit-learn's clips probabilities at the epsilon of their dtype
    ours = -log_softmax(x)[np.arange(len(y)), y].mean()
    p = np.exp(log_softmax(x))
    if p.min() > 1e-12:
        assert abs(sk.log_loss(y, p, labels=np.arange(x.shape[1])) - ours) < 1e-9
    return np.exp(ours)


AVERAGES = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}


def scores(y, predicted, binary):
    """Precision, recall, F1 and accuracy of classes; None where scores are NaN."""
    if predicted is None:
        predicted = np.full(len(y), NAN)  # refused
    case("accuracy", lambda: sk.accuracy_score(y, predicted))
    for metric, f in AVERAGES.items():
        for average in ["micro", "macro", "weighted"] + (["binary"] if binary else []):
            for zero in [0, 1, NAN]:
                case(metric, lambda: f(y, predicted, average=average, zero_division=zero), {"average": average, "zeroDivision": zero})


def multiclass(name, x, y):
    x, y = np.asarray(x), np.asarray(y)
    data(name, x, y)
    known = np.isfinite(x).all()
    scores(y, x.argmax(1) if known else None, False)
    n = x.shape[1]
    for k in [1, 2]:
        # Columns from the last to the first: of equals scikit-learn takes the last, gradclip the first, as argmax does.
        if k < n and n > 2:
            case("topK", lambda: sk.top_k_accuracy_score(n - 1 - y, x[:, ::-1], k=k, labels=np.arange(n)), {"k": k})
    case("perplexity", lambda: nll(x, y) if known else NAN)


def binary(name, x, y):
    """One logit a row."""
    x, y = np.asarray(x), np.asarray(y)
    data(name, x.reshape(-1, 1), y)
    scores(y, (x > 0).astype(int) if np.isfinite(x).all() else None, True)
    case("rocAuc", lambda: sk.roc_auc_score(y, x))
    case("averagePrecision", lambda: sk.average_precision_score(y, x))


def classes(name, x, y, binary=False):
    """Classes against classes."""
    data(name, x, y)
    scores(np.asarray(y), np.asarray(x), binary)


def regression(name, x, y):
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    data(name, x, y)
    case("mae", lambda: sk.mean_absolute_error(y, x))
    case("rmse", lambda: sk.root_mean_squared_error(y.reshape(-1), x.reshape(-1)))
    case("r2", lambda: sk.r2_score(y, x))


labels = rng.integers(0, 4, 41)
logits = f32(41, 5, scale=2) + 2 * np.eye(5, dtype=np.float32)[labels]
multiclass("random", logits, labels)
multiclass("integer logits with ties", np.round(logits), labels)
multiclass("two logits", logits[:, :2], labels % 2)
multiclass("one class only", logits, np.full(41, 2))
multiclass("all logits equal", np.zeros((9, 4)), [0, 1, 2, 3, 0, 1, 2, 3, 1])
multiclass("a class that is never predicted", np.eye(3)[[0, 1, 0, 1, 0]], [0, 1, 2, 2, 0])
multiclass("a class that never is", np.eye(3)[[0, 1, 2, 1, 2]], [0, 1, 0, 1, 0])
multiclass("nothing right", np.eye(3)[[1, 2, 0]], [0, 1, 2])
multiclass("one row", [[0.5, 2.0, -1.0]], [1])
multiclass("logits of 1e30", [[1e30, -1e30, 0], [1e30, 1e30, -1e30], [-1e30, 0, 3]], [0, 0, 2])
multiclass("a NaN", [[1.0, NAN, 0.0], [0.0, 1.0, 2.0]], [1, 2])

targets = (rng.random(37) < 0.4).astype(int)
one = np.round(4 * (f32(37) + targets)) / 4
binary("one logit", f32(37) + targets, targets)
binary("one logit with ties", one, targets)
binary("integer scores", np.round(4 * one), targets)
binary("integer scores from 0", np.abs(np.round(4 * one)), targets)
binary("only positives", one, np.ones(37, int))
binary("only negatives", one, np.zeros(37, int))
binary("only negatives, none predicted", -np.abs(one) - 1, np.zeros(37, int))
binary("only positives, none predicted", -np.abs(one) - 1, np.ones(37, int))
binary("all scores equal", np.zeros(6), [0, 1, 1, 0, 1, 1])
binary("one row that is", [0.25], [1])
binary("one row that is not", [0.25], [0])
binary("four logits", [1, -1, 2, -2], [1, 0, 1, 0])
binary("scores of 1e30", np.float32([1e30, -1e30, 1e30, 3, -3e38, 3e38]), [1, 0, 0, 1, 0, 1])
binary("a NaN score", [1.0, NAN, -1.0], [1, 0, 0])

said = np.where(rng.random(41) < 0.5, labels, rng.integers(0, 5, 41))
classes("classes", said, labels)
classes("classes all right", [0, 1, 2], [0, 1, 2])
classes("classes of which there is one", [3, 3], [3, 3])
classes("classes far apart", [7, 100, 7, 3], [7, 100, 3, 3])
classes("classes that never meet", [0, 0, 1], [2, 2, 3])
classes("classes 0 and 1", said % 2, labels % 2, True)
classes("classes 0 only", [0, 0], [0, 0], True)

numbers = 1000 + 3 * f32(30)
regression("random", numbers + f32(30), numbers)
regression("three outputs", numbers.reshape(10, 3) + f32(10, 3), numbers.reshape(10, 3))
regression("targets that are all equal", [1.5, 2.0, 1.5], [1.5, 1.5, 1.5])
regression("targets that are all equal, and met", [0.25, 0.25], [0.25, 0.25])
# Of 7 times .1 scikit-learn's mean is not .1, and its R2 of a miss is -5e31; where they are met both say 1.
regression("tenths that are all equal, and met", np.full(7, 0.1), np.full(7, 0.1))
regression("one output of two is constant", [[1, 2], [2, 2], [4, 3]], [[1, 2], [2, 2], [3, 2]])
regression("one row", [2.0], [1.0])
regression("whole numbers", [1, 2, 3, 5], [1, 2, 4, 4])
regression("numbers of 1e30", np.float32([1e30, -1e30, 2e30]), np.float32([1.5e30, -1e30, 1e30]))
regression("a NaN", [1.0, NAN, 2.0], [1.0, 2.0, 3.0])
print(json.dumps({"sklearn": sklearn.__version__, "sets": SETS}))
