"""95% profile-likelihood intervals (ML) by their definition -> ``profile.json``.

lme4's ``confint`` interpolates the profile by a spline and breaks down next to the boundary (no
upper limit for sigma on Dyestuff2 and Orthodont). Here a limit is a root: the deviance with one
parameter held fixed, minimised over all others from several starts, exceeds the minimum by the .95
quantile of chi-square with one degree of freedom. The deviance is the textbook one, -2 log
likelihood with V_j = Z_j tau Z_j' + sigma2 I through q x q matrices; nothing of mlteach is used.

Parameters: SDs and correlation of the random effects, residual SD, coefficients. Where the deviance
stays below the bound, the limit lies on the edge: SD 0, correlation -1 or 1.

Run ``python tests/reference/make_profile.py``.
"""

import datetime
import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from scipy.optimize import brentq, minimize
from scipy.stats import chi2

HERE = Path(__file__).parent
BOUND = chi2.ppf(0.95, 1)

# case of cases.json: (outcome, fixed columns, random columns, correlated)
MODELS = {
    "hsb_empty": ("math", ["Intercept"], ["Intercept"], False),
    "hsb_slope": ("math", ["Intercept", "ses_within"], ["Intercept", "ses_within"], True),
    "london_slope": ("score16", ["Intercept", "score11"], ["Intercept", "score11"], True),
    "language_intercept": ("gpa", ["Intercept", "ses_z", "clubs"], ["Intercept"], False),
    "language_cross_level": (
        "gpa",
        ["Intercept", "ses_z", "clubs", "ses_z:clubs"],
        ["Intercept", "ses_z"],
        True,
    ),
    "sleepstudy": ("Reaction", ["Intercept", "Days"], ["Intercept", "Days"], True),
    "sleepstudy_uncorrelated": ("Reaction", ["Intercept", "Days"], ["Intercept", "Days"], False),
    "dyestuff": ("Yield", ["Intercept"], ["Intercept"], False),
    "dyestuff2": ("Yield", ["Intercept"], ["Intercept"], False),
    "orthodont": (
        "distance",
        ["Intercept", "age", "Sex[T.Male]", "age:Sex[T.Male]"],
        ["Intercept", "age"],
        True,
    ),
    "five_clusters": ("y", ["Intercept", "x", "w"], ["Intercept"], False),
}


class Profile:
    """-2 log likelihood of a two-level model, and its profiles.

    Parameters are (SD of each random effect, correlation if there is one, residual SD) in units in
    which every column of Z and X has mean square one and y has SD one.
    """

    def __init__(self, y, X, Z, codes, correlated):
        self.correlated, self.q, self.p, self.N = correlated, Z.shape[1], X.shape[1], len(y)
        self.z_unit, self.x_unit = (np.sqrt((M**2).mean(axis=0)) for M in (Z, X))
        self.y_mean, self.y_unit = y.mean(), y.std()
        D = np.column_stack([Z / self.z_unit, X / self.x_unit, (y - self.y_mean) / self.y_unit])
        self.G = np.array([D[codes == j].T @ D[codes == j] for j in range(codes.max() + 1)])
        k = self.q + int(correlated) + 1
        lower = [0.0] * self.q + [-1.0] * correlated + [1e-4]
        upper = [np.inf] * self.q + [1.0] * correlated + [np.inf]
        self.bounds = np.column_stack([lower, upper])
        middle = np.r_[np.full(self.q, 0.5), np.zeros(int(correlated)), 0.8]
        self.best = self.minimum([middle, *self.around(middle)], np.full(k, np.nan))

    def reduced(self, v, held=None):
        """Return log |V| and [X y]' V^-1 [X y] at v.

        ``held`` = (k, b) fixes the kth scaled coefficient at b: its column leaves X.
        """
        G = self.G
        if held is not None:
            k, b = held
            move = np.eye(G.shape[1])
            move[self.q + k, -1] = -b
            move = np.delete(move, self.q + k, axis=1)
            G = move.T @ G @ move
        q, sigma = self.q, v[-1]
        L = np.diag(v[:q])
        if self.correlated:
            L[1] = v[1] * np.array([v[2], np.sqrt(max(0.0, 1 - v[2] ** 2))])
        G = G / sigma**2
        A = L.T @ G[:, :q, :q] @ L + np.eye(q)
        B = L.T @ G[:, :q, q:]
        S = (G[:, q:, q:] - B.transpose(0, 2, 1) @ np.linalg.solve(A, B)).sum(axis=0)
        return np.linalg.slogdet(A)[1].sum() + self.N * np.log(sigma**2), S

    def deviance(self, v, held=None):
        """Return -2 log likelihood at v, coefficients profiled out but for the held one."""
        logdet, S = self.reduced(v, held)
        rss = S[-1, -1]
        if len(S) > 1:
            rss -= S[:-1, -1] @ np.linalg.solve(S[:-1, :-1], S[:-1, -1])
        return logdet + self.N * np.log(2 * np.pi) + rss

    def around(self, v):
        """Return further starts: small SDs, and correlations of either sign."""
        small = v.copy()
        small[: self.q] = np.maximum(0.2 * v[: self.q], 0.02 * v[-1])
        starts = [small]
        for r in (-0.8, 0.8) if self.correlated else ():
            start = v.copy()
            start[2] = r
            starts.append(start)
        return starts

    def minimum(self, starts, fixed, held=None):
        """Return (deviance, v) minimised over the elements of v that are NaN in ``fixed``."""
        free = np.isnan(fixed)
        results = []
        for start in starts:
            v = np.where(free, start, fixed)

            def objective(part, v=v):
                point = v.copy()
                point[free] = part
                return self.deviance(point, held)

            if not free.any():
                return objective(v[free]), v
            results.append(self.descend(objective, v, free))
        return min(results, key=lambda r: r[0])

    def descend(self, objective, v, free):
        """Return (deviance, v) after quasi-Newton steps, restarted until they gain nothing."""
        value = objective(v[free])
        for _ in range(4):
            run = minimize(
                objective,
                v[free],
                method="L-BFGS-B",
                jac="3-point",
                bounds=self.bounds[free],
                options={"ftol": 1e-15, "gtol": 1e-9},
            )
            gain, value = value - run.fun, min(value, run.fun)
            v[free] = run.x
            if gain < 1e-9:
                break
        return value, v

    def interval(self, profile, estimate, step, edges):
        """Return the two roots of profile = BOUND around the estimate, or the edge."""
        return [
            self.limit(profile, estimate, s, e) for s, e in zip((-step, step), edges, strict=True)
        ]

    def limit(self, profile, inside, step, edge):
        """Return the first root walking outwards, or the edge."""
        for _ in range(400):
            outside = max(inside + step, edge) if step < 0 else min(inside + step, edge)
            if profile(outside) > BOUND:
                return brentq(lambda x: profile(x) - BOUND, inside, outside, xtol=1e-12)
            if outside == edge:
                return edge
            inside = outside
        raise ArithmeticError("no limit found")

    def variance_parameter(self, k):
        """Return the interval of the kth element of v, in scaled units."""
        value, v = self.best
        starts = [v, *self.around(v)]

        def profile(x):
            fixed = np.full(len(v), np.nan)
            fixed[k] = x
            return self.minimum(starts, fixed)[0] - value

        correlation = self.correlated and k == 2
        step = 0.1 if correlation else 0.03 if k == len(v) - 1 else max(0.1 * v[k], 0.02)
        return self.interval(profile, v[k], step, self.bounds[k])

    def coefficient(self, k):
        """Return the interval of the kth coefficient, in scaled units."""
        value, v = self.best
        free = np.full(len(v), np.nan)

        def profile(b):
            return self.minimum([v, *self.around(v)], free, (k, b))[0] - value

        S = self.reduced(v)[1]
        cov = np.linalg.inv(S[:-1, :-1])
        estimate, se = (cov @ S[:-1, -1])[k], np.sqrt(cov[k, k])
        return self.interval(profile, estimate, 0.5 * se, (-np.inf, np.inf))


def column(frame, name):
    """Return one column of X or Z by its coefficient name."""
    if name == "Intercept":
        return np.ones(len(frame))
    parts = [
        (frame["Sex"] == "Male").to_numpy(float) if part == "Sex[T.Male]" else frame[part]
        for part in name.split(":")
    ]
    return np.prod(np.array(parts, float), axis=0)


def solve(case):
    """Return the record of one case."""
    outcome, fixed, random, correlated = MODELS[case["id"]]
    path = HERE / case["data"]
    frame = pd.read_csv(path)
    for name, expression in case.get("derive", {}).items():
        frame[name] = frame.eval(expression)
    X, Z = (np.column_stack([column(frame, n) for n in names]) for names in (fixed, random))
    y, codes = frame[outcome].to_numpy(float), pd.factorize(frame[case["cluster"]])[0]
    p = Profile(y, X, Z, codes, correlated)
    parameters = [*random, *([":".join(random)] if correlated else []), "Residual"]
    units = [*(p.y_unit / p.z_unit), *([1.0] if correlated else []), p.y_unit]
    shift = [p.y_mean if name == "Intercept" else 0.0 for name in fixed]
    return {
        "id": case["id"],
        "data": case["data"],
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "formula": case["formula"],
        "reml": False,
        "level": 0.95,
        "deviance": p.best[0] + 2 * p.N * np.log(p.y_unit),
        "fixed": {
            name: [float(b * p.y_unit / p.x_unit[k] + shift[k]) for b in p.coefficient(k)]
            for k, name in enumerate(fixed)
        },
        "random": {
            name: [float(x * units[k]) for x in p.variance_parameter(k)]
            for k, name in enumerate(parameters)
        },
    }


def main():
    """Solve every case and write ``profile.json``."""
    cases = json.loads((HERE / "cases.json").read_text())["cases"]
    about = {
        "script": "make_profile.py",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "date": datetime.date.today().isoformat(),
    }
    records = [solve(case) for case in cases if case["id"] in MODELS]
    text = json.dumps({"about": about, "cases": records}, indent=1)
    (HERE / "profile.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
