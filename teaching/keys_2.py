"""Keys of problem set 2, predictors at two levels; what typical mistakes give."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from common import EMPTY, Task, data, fit, variances
from draw import student_numbers

import mlteach as mt

CATHOLIC = "math ~ catholic + (1 | school)"
MEAN_SES = "math ~ mean_ses + (1 | school)"
WORDS = {
    ("math ~ ses_c", "ses_c"): "smushed",
    ("math ~ ses_within + ses_mean", "ses_mean"): "between",
    ("math ~ ses_c + ses_mean", "ses_mean"): "contextual",
    ("math ~ ses_c + ses_mean", "ses_c"): "within",
}


def sector_interval(name: str, ddf: str = "between-within") -> tuple[float, float]:
    row = fit("ps2", name, CATHOLIC).tests(ddf=ddf).loc["catholic"]
    return float(row["lower"]), float(row["upper"])


def tau2_explained(name: str) -> float:
    before, after = (variances("ps2", name, f)[0] for f in (EMPTY, MEAN_SES))
    return 1 - after / before


@cache
def effects(name: str) -> dict[str, float]:
    """All meanings of the slope of SES."""
    result = mt.fit_centering("math ~ ses", data("ps2", name), cluster="school")
    return {**result.table["estimate"].to_dict(), "phi": float(result.phi["ses"])}


def within_share(name: str) -> float:
    own = data("ps2", name)
    return float(own["ses_within"].var() / own["ses"].var())


def words(name: str, **taken: str) -> tuple[str, ...]:
    asked = student_numbers("ps2", name)["coefficients"]
    return tuple(taken.get(WORDS[a], WORDS[a]) for a in asked)


def _effect(*names: str) -> Callable[[str], object]:
    return lambda n: tuple(effects(n)[k] for k in names) if names[1:] else effects(n)[names[0]]


PS2 = {
    "sector": Task(
        sector_interval,
        {
            "normal limits": lambda n: sector_interval(n, "z"),
            "public minus Catholic": lambda n: tuple(-x for x in sector_interval(n)[::-1]),
        },
    ),
    "explained": Task(
        tau2_explained,
        {
            "total R²": lambda n: mt.r_squared(fit("ps2", n, MEAN_SES), fit("ps2", n, EMPTY)).total,
            "what is left": lambda n: 1 - tau2_explained(n),
        },
    ),
    "slopes": Task(
        _effect("within", "between"),
        {
            "unsplit slope for within": _effect("smushed", "between"),
            "contextual for between": _effect("within", "contextual"),
        },
    ),
    "company": Task(
        lambda n: effects(n)["between"] - effects(n)["within"],
        {
            "between for contextual": _effect("between"),
            "within minus between": lambda n: effects(n)["within"] - effects(n)["between"],
        },
    ),
    "weight": Task(
        _effect("phi"),
        {
            "weight of between": lambda n: 1 - effects(n)["phi"],
            "share of variance within": within_share,
        },
    ),
    "which": Task(
        words,
        {
            "grand mean taken for within": lambda n: words(n, smushed="within"),
            "contextual called between": lambda n: words(n, contextual="between"),
        },
    ),
}
