"""Keys of problem set 1, clusters; what typical mistakes give."""

from __future__ import annotations

import numpy as np
from common import EMPTY, Task, around, data, fit, icc, variances
from draw import student_numbers


def counts(name: str, largest: str = "n") -> tuple[int, int, int]:
    own = data("ps1", name)
    sizes = own.groupby("school").size()
    most = sizes.max() if largest == "n" else own["size"].max()
    return len(sizes), len(own), int(most)


def ols_se(name: str) -> float:
    """Standard error of `catholic` by the textbook: two groups of independent students."""
    groups_of = data("ps1", name).groupby("catholic")["math"]
    n, squares = groups_of.size(), groups_of.var(ddof=0) * groups_of.size()
    return float(np.sqrt(squares.sum() / (n.sum() - 2) * (1 / n).sum()))


def se_ratio(name: str) -> float:
    return float(fit("ps1", name, "math ~ catholic + (1 | school)").bse["catholic"]) / ols_se(name)


def mean_and_se(name: str) -> tuple[float, float]:
    empty = fit("ps1", name, EMPTY)
    return float(empty.params["Intercept"]), float(empty.bse["Intercept"])


def effective(name: str, size: str = "of a student", power: float = 1.0) -> float:
    n = data("ps1", name).groupby("school").size()
    typical = (n**2).sum() / n.sum() if size == "of a student" else n.mean()
    return float(n.sum() / (1 + (typical - 1) * icc("ps1", name)) ** power)


def _odds(name: str) -> float:
    rho = student_numbers("ps1", name)["icc"]
    return (1 - rho) / rho


def _price(name: str) -> float:
    c = student_numbers("ps1", name)
    return c["school_costs"] / c["student_costs"]


def _books(name: str) -> tuple[float, float]:
    c = student_numbers("ps1", name)
    return 1 - c["icc"], 1 + (c["students"] - 1) * c["icc"]


PS1 = {
    "count": Task(
        counts,
        {"size of the school for size of the cluster": lambda n: counts(n, "size")},
    ),
    "factor": Task(
        se_ratio,
        {
            "variance for standard error": lambda n: se_ratio(n) ** 2,
            "upside down": lambda n: 1 / se_ratio(n),
        },
    ),
    "share": Task(
        lambda n: icc("ps1", n),
        {
            "ICC as τ²/σ²": lambda n: np.divide(*variances("ps1", n, EMPTY)),
            "ML for REML": lambda n: icc("ps1", n, reml=False),
            "standard deviations": lambda n: 1 / (1 + np.sqrt(1 / icc("ps1", n) - 1)),
        },
    ),
    "places": Task(
        lambda n: around(mean_and_se(n)[0], variances("ps1", n, EMPTY)[0] ** 0.5),
        {
            "interval of the mean": lambda n: around(*mean_and_se(n)),
            "spread of observed means": lambda n: around(
                mean_and_se(n)[0], data("ps1", n).groupby("school")["math"].mean().std()
            ),
        },
    ),
    "worth": Task(
        effective,
        {
            "average size": lambda n: effective(n, size="average"),
            "root of the design effect": lambda n: effective(n, power=0.5),
        },
    ),
    "books": Task(lambda n: _books(n)[0], {"design effect of a mean": lambda n: _books(n)[1]}),
    "best": Task(
        lambda n: (_price(n) * _odds(n)) ** 0.5,
        {
            "without the root": lambda n: _price(n) * _odds(n),
            "ICC upside down": lambda n: (_price(n) / _odds(n)) ** 0.5,
        },
    ),
}
