# make_math.py: elementary functions as mpmath computes them, for math-functions.test.ts. Run: python make_math.py > math.json
# With --tables it prints the constants of lib/math/tables.ts. A value is the nearest f64 and the rest in units of its last place, so that
# an error is known to a hundredth of a unit.
import json
import math
import random
import sys

import mpmath
from mpmath import mp, mpf

mp.prec = 1400
random.seed(11)


def parts(x, *bits):
    """x as f64 numbers, the first ones rounded to multiples of 2^-bits."""
    out = []
    for b in bits:
        step = mpf(2) ** -b
        out.append(float(mpmath.nint(x / step) * step))
        x -= mpf(out[-1])
    return out + [float(x)]


def pair(x):
    hi = float(x)
    return [hi, float(x - mpf(hi))]


def tables():
    show = lambda name, rows: print(f"export const {name}: Float64Array = new Float64Array([{', '.join(repr(v) for row in rows for v in row)}]);")
    # For the numbers from i / 64 to below (i + 1) / 64: 1 / c in 9 bits, 1 next to 1 on both sides, and log c.
    rows = []
    for i in range(45, 91):
        inverse = 1.0 if i in (63, 64) else round(256 * 64 / (i + 0.5)) / 256
        rows.append([inverse, *parts(-mpmath.log(mpf(inverse)), 42)])
    show("LOGS", rows)
    show("POWERS_OF_2", [pair(mpf(2) ** (mpf(j) / 32)) for j in range(32)])
    show("SINES", [pair(mpmath.sin(j * mp.pi / 32)) for j in range(17)])
    show("LN2", [parts(mpmath.log(2), 42)])
    show("LN2_32", [parts(mpmath.log(2) / 32, 42)])
    show("PI_32", [parts(mp.pi / 32, 36, 69)])
    show("LOG10_E", [pair(1 / mpmath.log(10))])
    print(f"export const INVERSE_PI_32 = 0x{int(mpmath.floor(32 / mp.pi * mpf(2) ** 1280)):x}n;")


def ulp(x):
    return max(math.ulp(x), 2.0 ** -1074)


def value(exact):
    """[nearest f64, the rest in its units]; too large is infinite."""
    if abs(exact) >= mpf(2) ** 1024 - mpf(2) ** 970:
        return [math.copysign(math.inf, exact), 0]
    near = float(exact)
    return [near, round(float((exact - mpf(near)) / mpf(ulp(near))), 3)]


def spread(lo, hi):
    """Log-uniform between two positive powers of 2."""
    return math.ldexp(1 + random.random(), random.randint(lo, hi))


def signed(x):
    return random.choice([-1, 1]) * x


def case(name, f, args):
    rows = []
    for a in args:
        a = a if isinstance(a, tuple) else (a,)
        rows.append([*a, *value(f(*map(mpf, a)))])
    text = lambda v: repr(v) if math.isfinite(v) else f'"{"-" if v < 0 else ""}Infinity"'
    return f'"{name}": [\n' + ",\n".join(f"[{', '.join(text(v) for v in row)}]" for row in rows) + "\n]"


N = 80
half = math.pi / 2
SMALL = [signed(spread(-60, -1)) for _ in range(N)]
# Doubles close to a multiple of pi / 2 (Kahan and McDonald; the second and third: fdlibm's notes), where most is lost to the reduction.
NEAR = [6381956970095103 * 2.0 ** 797, 5.319372648326541e255, 45.33e10, 2.0 ** 1023, 1.7976931348623157e308, 1e22, 1e5, 102943.7, 5e5]
ANGLES = [random.uniform(-7, 7) for _ in range(2 * N)] + SMALL + NEAR + [k * half for k in range(-9, 60)] + \
    [signed(spread(0, 40)) for _ in range(N)] + [signed(spread(17, 1023)) for _ in range(N)] + [k * math.pi / 32 for k in range(65)]
BASES = [spread(-1074, 1023) for _ in range(N)] + [random.uniform(0.5, 2) for _ in range(N)] + [1 + signed(spread(-52, -4)) for _ in range(N)]
POSITIVE = BASES + [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 10.0, 1e22]
POWERS = [(0.999, float(t)) for t in range(1, 2000, 17)] + [(0.9, 1.0), (0.9, 1000.0), (10000.0, -2 / 3), (10.0, 22.0), (10.0, -5.0),
          (2.0, -1074.0), (2.0, 1023.5), (-3.0, 3.0), (-2.0, -1073.0), (5e-324, 0.25), (1.7976931348623157e308, 0.5), (1 + 2.0 ** -52, 1e18)]
for x in BASES:
    most = 745 / max(abs(math.log(x)), 1e-300)
    POWERS.append((x, signed(most * random.random())))
    POWERS.append((x, math.copysign(most * random.uniform(0.95, 1.001), 1 - x if random.random() < 0.7 else x - 1)))  # around subnormal results
EXPONENTS = [random.uniform(-1, 1) for _ in range(N)] + [random.uniform(-746, 710) for _ in range(N)] + \
    [random.uniform(-745.2, -708) for _ in range(N)] + SMALL + [709.782712893384, 709.7827128933841, -745.1332191019411, -745.1332191019412]

if "--tables" in sys.argv:
    tables()
else:
    log1p = [*SMALL, *(x - 1 for x in BASES if x > 5e-324), *(-1 + spread(-53, -1) for _ in range(N))]
    print('{"mpmath": "' + mpmath.__version__ + '",\n' + ",\n".join([
        case("exp", mpmath.exp, EXPONENTS),
        case("log", mpmath.log, POSITIVE),
        case("log1p", lambda x: mpmath.log(1 + x), [x for x in log1p if x > -1]),
        case("log10", lambda x: mpmath.log(x) / mpmath.log(10), POSITIVE + [10.0 ** k for k in range(-5, 23)]),
        case("sin", mpmath.sin, ANGLES),
        case("cos", mpmath.cos, ANGLES),
        case("tanh", mpmath.tanh, SMALL + [random.uniform(-2, 2) for _ in range(N)] + [random.uniform(-20, 20) for _ in range(N)]),
        case("pow", lambda x, y: mpmath.power(x, y), POWERS),
        case("expm1", lambda x: mpmath.expm1(x), SMALL + EXPONENTS + [random.uniform(-0.4, 0.4) for _ in range(2 * N)] + [random.uniform(-40, 44) for _ in range(N)]),
    ]) + "\n}")
