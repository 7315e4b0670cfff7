# pipeline.py: what scikit-learn's pipeline learns of a table that make.mjs has made. Run: python pipeline.py FOLDER > pipeline.json
import json
import sys

import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

def read(name):
    frame = pd.read_csv(f"{sys.argv[1]}/{name}.csv")
    joined = pd.to_datetime(frame["joined"])
    for part in ["year", "month", "day", "day_of_week"]:
        frame[f"joined.{part}"] = getattr(joined.dt, part)
    return frame


NUMBERS = ["age", "income", "visits", "noise", "joined.year", "joined.month", "joined.day", "joined.day_of_week"]
WORDS = ["town", "job", "plan"]


def prepare():
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), NUMBERS),
            ("words", OneHotEncoder(handle_unknown="ignore"), WORDS),
        ]
    )


NET = dict(hidden_layer_sizes=(64, 32), early_stopping=True, max_iter=60, batch_size=128)
seeds = [0, 1, 2]
accuracies, errors = [], []
for seed in seeds:
    train, test = read("stays"), read("stays-test")
    model = make_pipeline(prepare(), MLPClassifier(random_state=seed, **NET)).fit(train, train["stays"])
    accuracies.append(accuracy_score(test["stays"], model.predict(test)))
    train, test = read("spends"), read("spends-test")
    value = TransformedTargetRegressor(
        make_pipeline(prepare(), MLPRegressor(random_state=seed, **NET)), transformer=StandardScaler()
    ).fit(train, train["spends"])
    found = value.predict(test)
    y = test["spends"]
    errors.append([root_mean_squared_error(y, found), mean_absolute_error(y, found), r2_score(y, found)])
middle = lambda values: sorted(values)[len(values) // 2]
print(
    json.dumps(
        {
            "sklearn": sklearn.__version__,
            "rows": {"train": len(train), "test": len(test)},
            "seeds": seeds,
            "accuracy": middle(accuracies),
            "accuracies": accuracies,
            "rmse": middle([e[0] for e in errors]),
            "mae": middle([e[1] for e in errors]),
            "r2": middle([e[2] for e in errors]),
        },
        indent=2,
    )
)
