# make_tables.py: tables with gaps as scikit-learn prepares them, for schema-golden.test.ts. Run: python make_tables.py > tables.json
import json

import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

rng = np.random.default_rng(7)
NAN = float("nan")


def plain(values):  # JSON has no NaN
    return [None if v != v else float(v) for v in np.asarray(values, dtype=np.float64).reshape(-1)]


def gaps(values, share):
    values = np.array(values, dtype=np.float32)
    values[rng.random(values.shape) < share] = np.nan
    return values


# ---- impute ---------------------------------------------------------------------------------------------------------
impute = []
for strategy, name in [("mean", "mean"), ("median", "median"), ("most_frequent", "mostFrequent"), ("constant", "constant")]:
    for flag in [False, True]:
        train = gaps(rng.integers(-4, 5, (12, 3)) / 2, 0.25)
        train[:, 2] = [1, 2, 2, 3, 3, 7, 8, 9, -1, -2, 4, 5]  # without a gap
        other = gaps(rng.integers(-4, 5, (6, 3)) / 2, 0.3)
        other[:, 2] = [1, 2, 3, 4, 5, 6]
        made = SimpleImputer(strategy=strategy, add_indicator=flag, fill_value=-7.5 if strategy == "constant" else None)
        made.fit(train.astype(np.float64))
        out = made.transform(other.astype(np.float64))
        impute.append(
            {"strategy": name, "flag": flag, "train": plain(train), "other": plain(other), "width": 3, "out": plain(out)}
        )

# ---- whole tables ---------------------------------------------------------------------------------------------------
N = 40
frame = pd.DataFrame(
    {
        "age": gaps(rng.integers(18, 80, N), 0.15),
        "income": gaps(np.round(rng.normal(40_000, 9_000, N), 2), 0.1),
        "town": [None if rng.random() < 0.1 else t for t in rng.choice(["Bonn", "Köln", "Aachen"], N)],
        "plan": rng.choice(["a", "b"], N),
        "score": np.float32(np.round(rng.random(N), 3)),
    }
)
frame = frame.astype({name: np.float64 for name in ["age", "income", "score"]})
train, other = frame.iloc[:28], frame.iloc[28:].copy()
other.iloc[3, 2] = "Rom"  # what the rows that train do not have
numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=False), StandardScaler())
made = ColumnTransformer(
    [
        ("numbers", numbers, ["age", "income"]),
        # A missing one is a category of its own, the last.
        ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["town", "plan"]),
        ("score", MinMaxScaler(), ["score"]),
    ]
)
made.fit(train)
whole = {
    "columns": {name: [None if v is None or v != v else v for v in pd.concat([train, other])[name].tolist()] for name in frame},
    "train": 28,
    "names": [str(name) for name in made.get_feature_names_out()],
    "out": plain(made.transform(other)),
}

print(json.dumps({"sklearn": sklearn.__version__, "impute": impute, "whole": whole}, ensure_ascii=False))
