"""Keys of problem set 5, structures; what typical mistakes give."""

from __future__ import annotations

from functools import cache

import numpy as np
from common import Task, data
from draw import student_numbers

import mlteach as mt


@cache
def groups(name: str, within: str, between: str) -> mt.MultigroupResult:
    return mt.fit_multigroup(
        ["math", "ses"], data("ps5", name), cluster="school", group="sector",
        within=within, between=between,
    )  # fmt: skip


def two_averages(name: str, own_means: bool = False) -> tuple[float, float]:
    """τ² and ICC from the covariances of four columns, by what expected mean squares say."""
    first = data("ps5", name).groupby("school").head(4)
    wide = first["math"].to_numpy().reshape(-1, 4)
    if own_means:
        S = np.cov(wide.T)
        tau2, total = (S.sum() - np.trace(S)) / 12, np.trace(S) / 4
        return float(tau2), float(tau2 / total)
    sigma2 = wide.var(axis=1, ddof=1).mean()
    tau2 = wide.mean(axis=1).var() - sigma2 / 4
    return float(tau2), float(tau2 / (tau2 + sigma2))


def first_pair(name: str) -> tuple[float, float]:
    wide = data("ps5", name).groupby("school").head(4)["math"].to_numpy().reshape(-1, 4)
    return float(np.cov(wide.T)[0, 1]), float(np.corrcoef(wide.T)[0, 1])


def ratio(name: str, level: str = "within") -> float:
    both = groups(name, "free", "free")
    catholic, public = (getattr(both, level)[g].loc["math", "math"] for g in ("Catholic", "Public"))
    return float(catholic / public)


def freed(name: str, within: str = "free") -> tuple[float, int]:
    big, small = groups(name, "free", "free"), groups(name, within, "equal")
    return 2 * (big.llf - small.llf), big.n_parameters - small.n_parameters


def _columns(name: str) -> tuple[int, int]:
    c = student_numbers("ps5", name)
    return c["variables"], c["members"]


def within_from_icc(name: str) -> tuple[float, float]:
    c = student_numbers("ps5", name)
    return tuple(c["tau2"] * (1 - c[k]) / c[k] for k in ("icc_1", "icc_2"))


def icc_ratio(name: str) -> float:
    c = student_numbers("ps5", name)
    return c["icc_1"] / c["icc_2"]


def rubin(name: str, factor: float = 1.2) -> float:
    c = student_numbers("ps5", name)
    inside = np.mean(np.square(c["errors"]))
    return float(np.sqrt(inside + factor * np.var(c["estimates"], ddof=1)))


def clusters(name: str, last: bool = True) -> float:
    c = student_numbers("ps5", name)
    n, r = c["members"], (1 - c["icc"]) / c["icc"]
    return 2 / c["error"] ** 2 * (1 + 2 * r / n + (r**2 / (n * (n - 1)) if last else 0))


PS5 = {
    "averages": Task(
        two_averages,
        {
            "divided by J − 1, a mean for each column": lambda n: two_averages(n, True),
            "first pair of columns": first_pair,
        },
    ),
    "columns": Task(
        lambda n: _columns(n)[0] * _columns(n)[1] + 1,
        {
            "as many as columns": lambda n: _columns(n)[0] * _columns(n)[1],
            "one variable": lambda n: _columns(n)[1] + 1,
        },
    ),
    "ratio": Task(
        ratio,
        {
            "upside down": lambda n: 1 / ratio(n),
            "standard deviations": lambda n: ratio(n) ** 0.5,
            "between for within": lambda n: ratio(n, "between"),
        },
    ),
    "freed": Task(
        freed,
        {
            "difference of log-likelihoods": lambda n: (freed(n)[0] / 2, freed(n)[1]),
            "against the homogeneous model": lambda n: freed(n, "equal"),
        },
    ),
    "quotient": Task(
        lambda n: float(np.divide(*within_from_icc(n))),
        {
            "upside down": lambda n: 1 / float(np.divide(*within_from_icc(n))),
            "ratio of the ICCs": icc_ratio,
        },
    ),
    "pooled": Task(
        rubin,
        {
            "1/m forgotten": lambda n: rubin(n, 1.0),
            "mean of the standard errors": lambda n: float(
                np.mean(student_numbers("ps5", n)["errors"])
            ),
        },
    ),
    "enough": Task(clusters, {"last term forgotten": lambda n: clusters(n, last=False)}),
}
