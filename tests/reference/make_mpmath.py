"""High-precision reference values for the mixed model -> ``mpmath.json``.

Model: y_j = X_j beta + Z_j u_j + e_j, u_j ~ N(0, tau), e_j ~ N(0, sigma2 I), clusters j = 1..J.

Two kinds of case.

``oneway`` (balanced one-way layouts, among them the 11 NIST StRD analysis-of-variance sets that
ship with SciPy's tests): the ML and REML answers are closed forms of the mean squares. With
lambda = sigma2 + n tau2, REML has sigma2 = MSW and lambda = MSB, ML has sigma2 = MSW and
lambda = SSB / J; when lambda would fall below sigma2 the estimate of tau2 is zero and sigma2 is
the pooled sum of squares over N - 1 (REML) or N (ML).
Source: Searle, Casella & McCulloch (1992), Variance Components, chapter 4.
Sums of squares are computed in exact rational arithmetic, and for the NIST sets they are checked
against the certified values.

``general``: the deviance, with beta profiled out, is minimised by Newton's method at 60 digits;
derivatives are central differences with a step of 1e-20, so their error is about 1e-40.

Each case is solved twice: for the decimal numbers in the file ("decimal": the true answer) and for
those numbers rounded to float64 ("float64": the best any program can do that reads them
into doubles). Comparing the two says how many digits the data leave to a perfect program.

Run ``python tests/reference/make_mpmath.py``. Values are written as decimal strings, 30 digits.
"""

import csv
import datetime
import hashlib
import json
import platform
from fractions import Fraction
from pathlib import Path

import mpmath as mp
import nist

HERE = Path(__file__).parent
mp.mp.dps = 60
DIFFERENCE = mp.mpf("1e-20")

# name, file, cluster column, outcome, predictor (None: balanced one-way)
FILES = [
    ("dyestuff", "dyestuff.csv", "Batch", "Yield", None),
    ("dyestuff2", "dyestuff2.csv", "Batch", "Yield", None),
    ("icc_high", "icc_high.csv", "cluster", "y", None),
    ("sleepstudy", "sleepstudy.csv", "Subject", "Reaction", "Days"),
    ("offset", "offset.csv", "cluster", "y", "x"),
    ("scale_x_large", "scale.csv", "cluster", "y", "x_large"),
    ("scale_x_small", "scale.csv", "cluster", "y", "x_small"),
    ("scale_both", "scale.csv", "cluster", "y_large", "x_small"),
    ("scale_y_small", "scale.csv", "cluster", "y_small", "x"),
]


# ---- reading ------------------------------------------------------------------------------------
def exact(text, kind):
    """Return the number in ``text`` as a Fraction: as written, or after rounding to a double."""
    return Fraction(text) if kind == "decimal" else Fraction(float(text))


def to_mp(value):
    """Return a Fraction as an mpf."""
    return mp.mpf(value.numerator) / value.denominator


def read_csv(name):
    """Return the rows of one reference data set as dicts of strings."""
    with (HERE / "data" / name).open(newline="") as handle:
        return list(csv.DictReader(handle))


def grouped(pairs):
    """Return values by cluster, in order of appearance."""
    groups = {}
    for label, value in pairs:
        groups.setdefault(label, []).append(value)
    return groups


# ---- balanced one-way layouts -------------------------------------------------------------------
def sums_of_squares(groups):
    """Return (J, n, mean, SSB, SSW) of a balanced layout of Fractions, exactly."""
    sizes = {len(values) for values in groups}
    assert len(sizes) == 1, "closed forms need equal cluster sizes"
    n, J = sizes.pop(), len(groups)
    means = [sum(values) / n for values in groups]
    mean = sum(means) / J
    ssb = n * sum((m - mean) ** 2 for m in means)
    ssw = sum((v - m) ** 2 for values, m in zip(groups, means, strict=True) for v in values)
    return J, n, mean, ssb, ssw


def oneway(groups, reml):
    """Return the ML or REML answer of a balanced one-way layout as a dict of mpf."""
    J, n, mean, ssb, ssw = sums_of_squares(groups)
    N = J * n
    lam, sigma2 = ssb / (J - 1 if reml else J), ssw / (J * (n - 1))
    if lam < sigma2:
        lam = sigma2 = (ssb + ssw) / (N - 1 if reml else N)
    lam, sigma2, ssb, ssw = map(to_mp, (lam, sigma2, ssb, ssw))
    deviance = J * mp.log(lam) + (N - J) * mp.log(sigma2) + ssb / lam + ssw / sigma2
    deviance += N * mp.log(2 * mp.pi)
    if reml:
        deviance += mp.log(N / lam) - mp.log(2 * mp.pi)
    return {
        "Intercept": to_mp(mean),
        "se:Intercept": mp.sqrt(lam / N),
        "tau2": (lam - sigma2) / n,
        "sigma2": sigma2,
        "deviance": deviance,
    }


# ---- random slope -------------------------------------------------------------------------------
class RandomSlope:
    """Profiled deviance of y ~ x + (1 + x | cluster), ML or REML, in 60-digit arithmetic.

    ``groups`` holds, for each cluster, a list of (x, y) Fractions. x and y are centred at their
    mean and scaled exactly inside, so that Newton's method sees numbers near one; ``answer`` maps
    back to the units of the file.
    """

    def __init__(self, groups, reml):
        rows = [row for group in groups for row in group]
        self.reml, self.N, self.J = reml, len(rows), len(groups)
        self.x0 = sum(x for x, _ in rows) / self.N
        self.y0 = sum(y for _, y in rows) / self.N
        self.sx = power_of_ten(max(abs(x - self.x0) for x, _ in rows))
        self.sy = power_of_ten(max(abs(y - self.y0) for _, y in rows))
        self.moments = [self.cross_products(group) for group in groups]

    def cross_products(self, group):
        """Return the exact sums n, x, xx, y, xy, yy of one cluster, centred and scaled."""
        x = [(a - self.x0) / self.sx for a, _ in group]
        y = [(b - self.y0) / self.sy for _, b in group]
        sums = (
            Fraction(len(x)),
            sum(x),
            sum(a * a for a in x),
            sum(y),
            sum(a * b for a, b in zip(x, y, strict=True)),
            sum(b * b for b in y),
        )
        return tuple(to_mp(Fraction(s)) for s in sums)

    def pieces(self, theta):
        """Return log|V| relative to sigma2, S_XX (2 x 2), S_Xy, S_yy at theta = vech(Lambda)."""
        a, b, c = theta
        logdet, A, v, s = mp.mpf(0), mp.matrix(2, 2), mp.matrix(2, 1), mp.mpf(0)
        L = mp.matrix([[a, 0], [b, c]])
        for n, x, xx, y, xy, yy in self.moments:
            G, h = mp.matrix([[n, x], [x, xx]]), mp.matrix([y, xy])
            M = L.T * G * L + mp.eye(2)
            logdet += mp.log(M[0, 0] * M[1, 1] - M[0, 1] * M[1, 0])
            P = L * M**-1 * L.T
            A += G - G * P * G
            v += h - G * (P * h)
            s += yy - (h.T * P * h)[0]
        return logdet, A, v, s

    def fit(self, theta):
        """Return (deviance, beta, cov beta, sigma2) in scaled units."""
        logdet, A, v, s = self.pieces(theta)
        inverse = A**-1
        beta = inverse * v
        rss = s - (v.T * beta)[0]
        nu = self.N - 2 if self.reml else self.N
        deviance = logdet + nu * (1 + mp.log(2 * mp.pi * rss / nu))
        if self.reml:
            deviance += mp.log(A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0])
        return deviance, beta, inverse * (rss / nu), rss / nu

    def answer(self, theta):
        """Return the estimates in the units of the file."""
        deviance, beta, cov, sigma2 = self.fit(theta)
        L = mp.matrix([[theta[0], 0], [theta[1], theta[2]]])
        tau = L * L.T * sigma2
        x0, y0, sx, sy = map(to_mp, (self.x0, self.y0, self.sx, self.sy))
        # (1, x_scaled) A = (1, x), with x = x0 + sx * x_scaled
        B = sy * mp.matrix([[1, x0], [0, sx]]) ** -1
        beta, cov, tau = B * beta, B * cov * B.T, B * tau * B.T
        nu = self.N - 2 if self.reml else self.N
        deviance += 2 * nu * mp.log(sy) + (2 * mp.log(sx) if self.reml else 0)
        return {
            "Intercept": beta[0] + y0,
            "x": beta[1],
            "se:Intercept": mp.sqrt(cov[0, 0]),
            "se:x": mp.sqrt(cov[1, 1]),
            "tau2": tau[0, 0],
            "tau:Intercept:x": tau[0, 1],
            "tau2:x": tau[1, 1],
            "sigma2": sigma2 * sy**2,
            "deviance": deviance,
        }


def power_of_ten(value):
    """Return the power of ten just above a positive Fraction, as a Fraction."""
    power = Fraction(1)
    while power < value:
        power *= 10
    while power / 10 >= value:
        power /= 10
    return power


def derivatives(function, theta):
    """Return gradient and Hessian by central differences with a step of 1e-20."""
    h, k = DIFFERENCE, len(theta)

    def at(*moves):
        point = list(theta)
        for index, sign in moves:
            point[index] += sign * h
        return function(point)

    centre = function(theta)
    gradient, hessian = mp.matrix(k, 1), mp.matrix(k, k)
    for i in range(k):
        up, down = at((i, 1)), at((i, -1))
        gradient[i] = (up - down) / (2 * h)
        hessian[i, i] = (up - 2 * centre + down) / h**2
        for j in range(i):
            mixed = at((i, 1), (j, 1)) - at((i, 1), (j, -1))
            mixed += at((i, -1), (j, -1)) - at((i, -1), (j, 1))
            hessian[i, j] = hessian[j, i] = mixed / (4 * h * h)
    return gradient, hessian


def newton(function, theta):
    """Return the minimiser: Newton steps, halved until the deviance falls, to 1e-30."""
    theta = [mp.mpf(t) for t in theta]
    for _ in range(60):
        gradient, hessian = derivatives(function, theta)
        smallest = min(mp.eigsy(hessian, eigvals_only=True))
        if smallest <= 0:  # not convex here: lean towards steepest descent
            hessian += (1 - 2 * smallest) * mp.eye(len(theta))
        step = mp.lu_solve(hessian, gradient)
        start, length = function(theta), mp.mpf(1)
        while function([t - length * d for t, d in zip(theta, step, strict=True)]) > start:
            length /= 2
            if length < mp.mpf("1e-12"):
                break
        theta = [t - length * d for t, d in zip(theta, step, strict=True)]
        if max(abs(d) for d in step) < mp.mpf("1e-30"):
            return theta
    raise ArithmeticError("Newton's method did not converge")


# ---- the file -----------------------------------------------------------------------------------
def as_strings(values):
    """Return a dict of mpf as 30-digit decimal strings."""
    return {name: mp.nstr(value, 30) for name, value in values.items()}


def solve_oneway(pairs):
    """Return the answers for both readings of the data, ML and REML."""
    readings = {}
    for kind in ("decimal", "float64"):
        groups = list(grouped((label, exact(value, kind)) for label, value in pairs).values())
        readings[kind] = {
            "reml": as_strings(oneway(groups, reml=True)),
            "ml": as_strings(oneway(groups, reml=False)),
        }
    return readings


def solve_slope(rows, cluster, outcome, predictor):
    """Return the answers of a random-slope model for both readings of the data."""
    readings = {}
    for kind in ("decimal", "float64"):
        pairs = ((r[cluster], (exact(r[predictor], kind), exact(r[outcome], kind))) for r in rows)
        groups = list(grouped(pairs).values())
        readings[kind] = {}
        for name, reml in (("reml", True), ("ml", False)):
            model = RandomSlope(groups, reml)
            theta = newton(lambda t, m=model: m.fit(t)[0], ["1", "0", "1"])
            readings[kind][name] = as_strings(model.answer(theta))
    return readings


def check_certified(name, text, readings):
    """Stop if our exact sums of squares differ from NIST's certified ones (15 digits)."""
    pairs = [(label, Fraction(value)) for label, value in nist.rows(text)]
    J, n, _, ssb, ssw = sums_of_squares(list(grouped(pairs).values()))
    for ours, theirs in zip((ssb, ssw), nist.certified(text), strict=True):
        theirs = mp.mpf(theirs)
        assert abs(to_mp(ours) - theirs) < mp.mpf("2e-14") * theirs, name
    msw = mp.nstr(to_mp(ssw / (J * (n - 1))), 30)
    assert readings["decimal"]["reml"]["sigma2"] == msw, name


def nist_case(name):
    """Return the reference record of one NIST set."""
    text = nist.text(name)
    readings = solve_oneway(nist.rows(text))
    check_certified(name, text, readings)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {
        "id": name,
        "kind": "nist",
        "data": f"scipy/stats/tests/data/nist_anova/{name}.dat",
        "sha256": digest,
        **readings,
    }


def file_case(name, file, cluster, outcome, predictor):
    """Return the reference record of one CSV file of this folder."""
    rows = read_csv(file)
    if predictor is None:
        readings, formula = solve_oneway([(r[cluster], r[outcome]) for r in rows]), "1"
    else:
        readings, formula = solve_slope(rows, cluster, outcome, predictor), predictor
    random = "1" if predictor is None else f"1 + {predictor}"
    digest = hashlib.sha256((HERE / "data" / file).read_bytes()).hexdigest()
    return {
        "id": name,
        "kind": "oneway" if predictor is None else "general",
        "data": f"data/{file}",
        "sha256": digest,
        "cluster": cluster,
        "predictor": predictor,
        "formula": f"{outcome} ~ {formula} + ({random} | {cluster})",
        **readings,
    }


def main():
    """Solve every case and write ``mpmath.json``."""
    cases = [nist_case(name) for name in nist.NAMES] + [file_case(*spec) for spec in FILES]
    about = {
        "script": "make_mpmath.py",
        "mpmath": mp.__version__,
        "python": platform.python_version(),
        "digits": mp.mp.dps,
        "date": datetime.date.today().isoformat(),
    }
    text = json.dumps({"about": about, "cases": cases}, indent=1)
    (HERE / "mpmath.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
