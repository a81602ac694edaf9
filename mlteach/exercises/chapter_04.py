"""Exercises of chapter 4, design effects and effective sample size.

Notation: n members a cluster, icc the intraclass correlation of the outcome, deff = 1 + (n - 1) icc
the design effect of a mean, a factor on the variance.
"""

from __future__ import annotations

from scipy import stats

from mlteach.exercises.fits import fit
from mlteach.mixed.fit import MixedResult
from mlteach.questions.design_effects import design_effect, effective_n, moulton_factor
from mlteach.questions.icc import icc


def _london(reml: bool = True) -> MixedResult:
    return fit("london", "score16 ~ 1", reml=reml)


def _worth(n: float, reml: bool = True) -> float:
    fitted = _london(reml)
    return float(effective_n(fitted.nobs, n, float(icc(fitted))))


def _size_of_a_student() -> float:
    sizes = _london().cluster_sizes
    return float((sizes**2).sum() / sizes.sum())


def _best(odds: float) -> float:
    return (400 / 10 * odds) ** 0.5


def _rejects(factor: float) -> float:
    """Two-sided probability beyond 1.96 if the standard error is too small by a factor."""
    return float(2.0 * stats.norm.sf(1.96 / factor))


VALUES = {
    "4.1": {
        "right": lambda: design_effect(25, 0.12) ** 0.5,
        "n_classmates": lambda: design_effect(26, 0.12) ** 0.5,
    },
    "4.2": {
        "right": lambda: _worth(_size_of_a_student()),
        "average_size": lambda: _worth(float(_london().cluster_sizes.mean())),
        "ceiling": lambda: _london().n_clusters / float(icc(_london())),
        "ml": lambda: _worth(_size_of_a_student(), reml=False),
    },
    "4.3": {
        "right": lambda: _best(0.80 / 0.20),
        "without_icc": lambda: _best(1.0),
        "icc_upside_down": lambda: _best(0.20 / 0.80),
        "over_icc": lambda: _best(1 / 0.20),
    },
    "4.4": {
        "right": lambda: moulton_factor(16, -1 / 15, 0.25) ** 2,
        "between_schools": lambda: design_effect(16, 0.25),
        "no_effect": lambda: design_effect(16, 0.0),
    },
    "4.5": {
        "right": lambda: _rejects(design_effect(60, 0.03) ** 0.5),
        "without_root": lambda: _rejects(design_effect(60, 0.03)),
    },
}
