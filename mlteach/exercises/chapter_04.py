"""Exercises of chapter 4, design effects and effective sample size.

Notation: n members a cluster, icc the intraclass correlation of the outcome, deff = 1 + (n - 1) icc
the design effect of a mean, a factor on the variance.
"""

from __future__ import annotations

from functools import cache

from scipy import stats

from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import MixedResult, fit_empty
from mlteach.questions.design_effects import design_effect, effective_n, moulton_factor
from mlteach.questions.icc import icc


@cache
def _london() -> MixedResult:
    return fit_empty("score16", load("london"), cluster="school")


# ---------------------------------------------------------------------------------------------- 4.1


def _survey_factor() -> float:
    return float(design_effect(25, 0.12)) ** 0.5


def _survey_deff() -> float:
    return float(design_effect(25, 0.12))


def _survey_with_n() -> float:
    """The root of 1 + n icc."""
    return float(design_effect(26, 0.12)) ** 0.5


# ---------------------------------------------------------------------------------------------- 4.2


def _worth(n: float) -> float:
    fit = _london()
    return float(effective_n(fit.nobs, n, float(icc(fit))))


def _london_worth() -> float:
    sizes = _london().cluster_sizes
    return _worth(float((sizes**2).sum() / sizes.sum()))


def _london_average_size() -> float:
    return _worth(float(_london().cluster_sizes.mean()))


def _london_ceiling() -> float:
    fit = _london()
    return fit.n_clusters / float(icc(fit))


# ---------------------------------------------------------------------------------------------- 4.3


def _best(cost_ratio: float, odds: float) -> float:
    return (cost_ratio * odds) ** 0.5


def _patients() -> float:
    return _best(400 / 10, 0.80 / 0.20)


def _patients_without_icc() -> float:
    return _best(400 / 10, 1.0)


def _patients_icc_upside_down() -> float:
    return _best(400 / 10, 0.20 / 0.80)


def _patients_without_root() -> float:
    return _patients() ** 2


def _patients_over_icc() -> float:
    return _best(400 / 10, 1 / 0.20)


# ---------------------------------------------------------------------------------------------- 4.4


def _books_within() -> float:
    return float(moulton_factor(16, -1 / 15, 0.25)) ** 2


def _books_factor_on_se() -> float:
    return float(moulton_factor(16, -1 / 15, 0.25))


def _books_as_mean() -> float:
    return float(design_effect(16, 0.25))


def _books_no_effect() -> float:
    return float(design_effect(16, 0.0))


# ---------------------------------------------------------------------------------------------- 4.5


def _rejects(factor: float) -> float:
    """Two-sided probability beyond 1.96 if the standard error is too small by a factor."""
    return float(2.0 * stats.norm.sf(1.96 / factor))


def _twenty_schools() -> float:
    return _rejects(float(design_effect(60, 0.03)) ** 0.5)


def _twenty_schools_covers() -> float:
    return 1.0 - _twenty_schools()


def _twenty_schools_no_root() -> float:
    return _rejects(float(design_effect(60, 0.03)))


def _twenty_schools_one_sided() -> float:
    return _twenty_schools() / 2.0


def _london_worth_ml() -> float:
    fit = fit_empty("score16", load("london"), cluster="school", reml=False)
    n_tilde = float((fit.cluster_sizes**2).sum() / fit.nobs)
    return float(effective_n(fit.nobs, n_tilde, float(icc(fit))))


EXERCISES = (
    Exercise(
        key="4.1",
        question="Factor on the standard error, 30 classes of 25 pupils, ICC .12",
        answer=_survey_factor,
        tolerance=0.006,  # two decimals
        mistakes=(
            (_survey_deff, "That is the design effect, a factor on the variance."),
            (_survey_with_n, "That uses n in place of n - 1: a pupil has 24 classmates."),
        ),
        ask="Does the design effect belong to the variance or to the standard error?",
        place="What does clustering do to the variance of a mean?",
        hint="The number of classes plays no part. 1 + (n - 1) ICC, and then its root.",
    ),
    Exercise(
        key="4.2",
        question="Effective sample size of london for the plain mean of score16",
        answer=_london_worth,
        mistakes=(
            (
                _london_average_size,
                "That uses the average school size. Most students sit in schools larger than that.",
            ),
            (
                _london_ceiling,
                "That is the ceiling J / ICC, which endless schools would have. These schools end.",
            ),
            (_london_worth_ml, "That is from an ML fit. The exercise asks for REML."),
        ),
        ask="In how large a school does a randomly picked student sit?",
        place="What if clusters differ in size?",
        hint="The sizes are in fit.cluster_sizes. Their squares, summed, over the number of "
        "students give the n of the design effect.",
    ),
    Exercise(
        key="4.3",
        question="Best number of patients a clinic, costs 400 and 10, ICC .20",
        answer=_patients,
        tolerance=0.5,  # a whole number of patients is a good answer too
        mistakes=(
            (_patients_without_icc, "That leaves the ICC out."),
            (_patients_icc_upside_down, "(1 - ICC) / ICC stands on its head in your answer."),
            (_patients_without_root, "Take the root."),
            (_patients_over_icc, "The members' share of the variance is missing: 1 - ICC."),
        ),
        ask="If clinics cost more, should clusters be larger or smaller? Does your formula agree?",
        place="More clusters or more members?",
        hint="The root of (cost of a clinic / cost of a patient) times ((1 - ICC) / ICC).",
    ),
    Exercise(
        key="4.4",
        question="Design effect of a comparison within 30 schools of 16, ICC .25",
        answer=_books_within,
        tolerance=0.005,
        mistakes=(
            (
                _books_as_mean,
                "That is the design effect if whole schools got the book. Here every school has "
                "both halves.",
            ),
            (_books_factor_on_se, "That is the factor on the standard error, not the variance."),
            (
                _books_no_effect,
                "The school cancels, and with it a part of the total variance: that does have an "
                "effect.",
            ),
        ),
        ask="What happens to the part that the school adds, when its two halves are compared?",
        place="Has a data set one design effect?",
        hint="The school's own part is in both halves and cancels in their difference. Which share "
        "of the total variance is left?",
    ),
    Exercise(
        key="4.5",
        question="Rejection rate of a naive 5% test, 20 schools of 60, ICC .03, treated by school",
        answer=_twenty_schools,
        tolerance=0.003,
        mistakes=(
            (_twenty_schools_covers, "That is how often it does not reject."),
            (
                _twenty_schools_no_root,
                "The standard error is too small by the root of the design effect.",
            ),
            (_twenty_schools_one_sided, "A two-sided test rejects on either side."),
        ),
        ask="Too small by which factor is the naive standard error? Where does 1.96 then end up?",
        place="Is a design effect below two harmless?",
        hint="1.96 becomes 1.96 over the root of the design effect; then the normal distribution, "
        "both tails.",
    ),
)
