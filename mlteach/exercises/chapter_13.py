"""Exercises of chapter 13, the wide format: averages of a covariance matrix, counts, FIML by hand.

tau2 and sigma2 are the variances between and within clusters, S the covariance matrix of wide
columns around a common mean.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.data.shipped import load
from mlteach.exercises.fits import components, fit
from mlteach.multigroup.wide import to_wide

MEMBERS = 5
TESTS = ["arith_pre", "arith_post"]


@cache
def _averages(common_mean: bool = True) -> tuple[float, float]:
    """Averages of S beside its diagonal and on it: tau2, and tau2 + sigma2.

    S is that of five students of each of London's larger schools.
    """
    london = load("london")
    large = london.groupby("school").filter(lambda school: len(school) >= 10)
    five = large.groupby("school").sample(MEMBERS, random_state=1)
    y = to_wide(five, "score16", cluster="school").to_numpy()
    deviation = y - (y.mean() if common_mean else y.mean(axis=0))
    S = deviation.T @ deviation / len(y)
    beside = (S.sum() - np.trace(S)) / (MEMBERS * (MEMBERS - 1))
    return float(beside), float(np.trace(S) / MEMBERS)


def _tau2_and_share(of: str = "total", common_mean: bool = True) -> tuple[float, float]:
    tau2, total = _averages(common_mean)
    return tau2, tau2 / {"total": total, "sigma2": total - tau2}[of]


def _entries(m: int) -> int:
    """Different entries of a symmetric matrix of m columns."""
    return m * (m + 1) // 2


def _contribution(independent: bool = False) -> float:
    """Log density of the rows of school 1224 at the estimates of all schools."""
    hsb, empty = load("hsb"), fit("hsb", "math ~ 1", reml=False)
    y = hsb.loc[hsb["school"] == 1224, "math"].to_numpy() - float(empty.params.iloc[0])
    n = len(y)
    shared = np.eye(n) if independent else np.ones((n, n))
    tau2, sigma2 = components("hsb", "math ~ 1", reml=False)
    V = sigma2 * np.eye(n) + tau2 * shared
    logdet = float(np.linalg.slogdet(V)[1])
    return float(-0.5 * (n * np.log(2 * np.pi) + logdet + y @ np.linalg.solve(V, y)))


def _stable(share_of: str = "arith_post", ddof: int = 0) -> tuple[float, float]:
    """Covariance of the two arithmetic tests, and its share of a variance."""
    C = load("language")[TESTS].cov(ddof=ddof)
    tau2 = float(C.loc["arith_pre", "arith_post"])
    return tau2, tau2 / float(C.loc[share_of, share_of])


VALUES = {
    "13.1": {
        "right": _tau2_and_share,
        "over_sigma2": lambda: _tau2_and_share("sigma2"),
        "mean_a_column": lambda: _tau2_and_share(common_mean=False),
        "total_variance": lambda: (_averages()[1], _tau2_and_share()[1]),
    },
    "13.2": {
        "right": lambda: (_entries(30), 2 * _entries(3)),
        "all_entries": lambda: (30 * 30, 2 * _entries(3)),
        "one_matrix": lambda: (_entries(30), _entries(3)),
        "not_symmetric": lambda: (_entries(30), 18),
        "means_too": lambda: (_entries(30), 2 * _entries(3) + 3),
    },
    "13.3": {
        "right": lambda: 2 * 45 + 1,
        "published_rule": lambda: 2 * 45,
        "one_variable": lambda: 45 + 1,
    },
    "13.4": {
        "right": _contribution,
        "independent": lambda: _contribution(independent=True),
        "deviance": lambda: 2 * -_contribution(),
    },
    "13.5": {
        "right": _stable,
        "of_pretest": lambda: _stable(share_of="arith_pre"),
        "correlation": lambda: (_stable()[0], float(load("language")[TESTS].corr().iloc[0, 1])),
        "not_ml": lambda: _stable(ddof=1),
        "percent": lambda: (_stable()[0], 100 * _stable()[1]),
    },
}
