# make_constraints.py: what Keras' constraints make of weights, for constraint.test.ts. Run: python make_constraints.py > constraints.json
import json

import keras
import numpy as np

random = np.random.default_rng(5)


def flat(x):
    return [float(v) for v in np.asarray(x, np.float32).flatten()]


def case(make, name, **options):
    """Keras has [in, out] where this library has [out, in], so its axis 0 is a row here; given and expected are ours."""
    w = random.standard_normal((6, 5)).astype(np.float32)
    w[2] = 0  # a row of norm 0
    got = make(**options)(keras.ops.convert_to_tensor(w.T))
    return {"name": name, "options": options, "w": flat(w), "expected": flat(np.asarray(got).T)}


C = keras.constraints
print(
    json.dumps(
        {
            "keras": keras.__version__,
            "shape": [6, 5],
            "cases": [
                case(C.MaxNorm, "maxNorm", max_value=2, axis=0),
                case(C.MaxNorm, "maxNorm", max_value=1.5, axis=1),
                case(C.MaxNorm, "maxNorm", max_value=3, axis=[0, 1]),
                case(C.UnitNorm, "unitNorm", axis=0),
                case(C.UnitNorm, "unitNorm", axis=1),
                case(C.NonNeg, "nonNegative"),
            ],
        }
    )
)
