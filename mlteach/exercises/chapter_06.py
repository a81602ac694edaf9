"""Exercises of chapter 6, centering: which effect a coefficient is, and what follows from it.

All fits are REML.
"""

from __future__ import annotations

from functools import cache

from mlteach.centering.center import center
from mlteach.centering.fit import fit_centering
from mlteach.centering.result import CenteringResult
from mlteach.core.lazy import from_extra
from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise


@cache
def _fit(data: str, formula: str) -> CenteringResult:
    return fit_centering(formula, load(data), cluster="school")


def _effect(data: str, formula: str, name: str) -> float:
    return float(_fit(data, formula).table.loc[name, "estimate"])


# --------------------------------------------------------------------------- 6.2 contextual effect


def _london(name: str) -> float:
    return _effect("london", "score16 ~ score11", name)


# -------------------------------------------------------------------------------------- 6.3 weight


def _verbal(name: str) -> float:
    return _effect("language", "language ~ iq_verbal", name)


def _phi() -> float:
    return float(_fit("language", "language ~ iq_verbal").phi["iq_verbal"])


# -------------------------------------------------------------------- 6.4 a girl in another school


CHANGE = 0.5  # from as many girls as boys to girls only


def _girls(name: str) -> float:
    return _effect("hsb", "math ~ female", name)


# ------------------------------------------------------------------- 6.5 error of the cluster mean


N_SMALL = 5


def _reliability(n: int = N_SMALL) -> float:
    """Share of true variance in the variance of means of n students' ses."""
    model = _fit("hsb", "math ~ ses").latent.model
    within, between = model.within[1, 1], model.between[1, 1]
    return float(between / (between + within / n))


def _attenuated(weight: float) -> float:
    rows = _fit("hsb", "math ~ ses").table["estimate"]
    return float(weight * rows["latent_between"] + (1.0 - weight) * rows["latent_within"])


def _phi_ols() -> float:
    """Share of the predictor's sum of squares that lies within schools."""
    iq = load("language").groupby("school")["iq_verbal"]
    x = load("language")["iq_verbal"]
    return float(((x - iq.transform("mean")) ** 2).sum() / ((x - x.mean()) ** 2).sum())


def _attenuated_observed() -> float:
    rows, weight = _fit("hsb", "math ~ ses").table["estimate"], _reliability()
    return float(weight * rows["between"] + (1.0 - weight) * rows["within"])


def _girls_ols() -> float:
    smf = from_extra("statsmodels.formula.api", "The answer to this exercise")
    hsb = center(load("hsb"), ["female"], cluster="school")
    return CHANGE * float(smf.ols("math ~ female + female_between", hsb).fit().params.iloc[2])


EXERCISES = (
    Exercise(
        key="6.1",
        question="Which effect is each of three coefficients?",
        answer=lambda: ("smushed", "between", "contextual"),
        choices=("smushed", "within", "between", "contextual"),
        synonyms=(
            ("conflated", "smushed"),
            ("composite", "smushed"),
            ("convergence", "smushed"),
            ("blended", "smushed"),
            ("total", "smushed"),
        ),
        mistakes=(
            (
                lambda: ("within", "between", "contextual"),
                "The second and the third are right. The first model has no school mean: what does "
                "its one slope have to serve for? To subtract a constant changes nothing in it.",
            ),
            (
                lambda: ("smushed", "contextual", "between"),
                "You took (b) for (c). Hold the other predictor fixed: in (b) that is the distance "
                "from the school's mean, in (c) the student's own ses.",
            ),
            (
                lambda: ("smushed", "between", "between"),
                "The same column, but not the same meaning: in (c) the student's own ses is held "
                "fixed while the mean of the school changes.",
            ),
            (
                lambda: ("smushed", "contextual", "contextual"),
                "In (b) two schools are compared whose students stand equally far from their own "
                "school's mean, so the students' own ses changes with the mean.",
            ),
        ),
        ask="What is held fixed in each of the three models while the predictor changes?",
        place="Does it matter which centering?",
        hint="Use the words smushed, within, between, contextual. Ask of each coefficient what is "
        "held fixed; the table of specifications has all cases.",
    ),
    Exercise(
        key="6.2",
        question="Contextual effect of score11 on score16 in london?",
        answer=lambda: _london("contextual"),
        tolerance=0.002,
        mistakes=(
            (
                lambda: _london("between"),
                "That is the between effect: it contains what the students' own scores do.",
            ),
            (
                lambda: -_london("contextual"),
                "The size is right. Between minus within, not the other way round.",
            ),
            (
                lambda: _london("between") - _london("smushed"),
                "Close, but not it. Two ways lead here: a fit without random intercepts (OLS), or "
                "between minus the smushed slope. Fit with random intercepts, and subtract the "
                "within effect.",
            ),
            (
                lambda: _london("latent_contextual"),
                "That is the latent one. Asked is the effect of the observed means.",
            ),
            (
                lambda: _london("within"),
                "That is the within effect: it compares two students of one school.",
            ),
            (
                lambda: _london("smushed"),
                "That is the smushed slope of a model without the school means.",
            ),
        ),
        ask="Two students with the same score at 11: in what do their schools differ?",
        place="What is a contextual effect?",
        hint="Fit score16 ~ score11 + the school's mean of score11, with random intercepts; or "
        "take between minus within.",
    ),
    Exercise(
        key="6.3",
        question="Weight of the within effect in the smushed slope of iq_verbal?",
        answer=_phi,
        tolerance=0.005,
        mistakes=(
            (
                lambda: 1.0 - _phi(),
                "That is the weight of the between effect.",
            ),
            (
                lambda: _verbal("smushed") / _verbal("within"),
                "That is a ratio of slopes. Where does the smushed slope lie on the way from the "
                "between to the within effect?",
            ),
            (
                _phi_ols,
                "That is the share of the predictor's variance inside schools: the weight in OLS. "
                "Here the variances of the model enter too.",
            ),
        ),
        ask="Between which two slopes does the unsplit slope lie, and close to which?",
        place="What if the predictor is not split?",
        hint="result.phi, or (between - smushed) / (between - within).",
    ),
    Exercise(
        key="6.4",
        question="Expected difference for a girl, girls' school minus mixed school?",
        answer=lambda: CHANGE * _girls("contextual"),
        tolerance=0.01,
        mistakes=(
            (
                lambda: _girls("contextual"),
                "That is for a change of the mean by 1, from a school without girls. From half "
                "girls to all girls the mean changes by less.",
            ),
            (
                lambda: CHANGE * _girls("between"),
                "That compares the means of the two schools. They differ in their students too: "
                "one of them has boys. Asked is the same student in two schools.",
            ),
            (
                lambda: _girls("between"),
                "That compares the mean of a girls' school with that of a boys' school.",
            ),
            (
                lambda: -CHANGE * _girls("contextual"),
                "The size is right. Girls' school minus mixed school: mind the sign.",
            ),
            (
                lambda: CHANGE * _girls("latent_contextual"),
                "That is from the latent effect. Use the observed means.",
            ),
            (_girls_ols, "That is from OLS. Use random intercepts."),
            (
                lambda: _girls("within"),
                "That compares a girl with a boy of the same school. Here the student stays and "
                "the school changes.",
            ),
        ),
        ask="Who stays the same in this comparison, and by how much does the mean change?",
        place="What is a contextual effect?",
        hint="The student stays the same, the mean of female in the school changes from .5 to 1: "
        "which effect is it, and times what?",
    ),
    Exercise(
        key="6.5",
        question="Expected slope of observed means of 5 students each?",
        answer=lambda: _attenuated(_reliability()),
        tolerance=0.05,
        mistakes=(
            (
                lambda: _effect("hsb", "math ~ ses", "latent_between"),
                "That is the between effect itself. Means of five students are unreliable, and "
                "their slope is drawn towards the within effect.",
            ),
            (
                lambda: _reliability() * _effect("hsb", "math ~ ses", "latent_between"),
                "You left out the second part. The error in the mean has a slope too: the within "
                "effect, with weight 1 minus the reliability.",
            ),
            (
                lambda: _attenuated(1.0 - _reliability()),
                "The weights are the wrong way round: a perfectly reliable mean has the between "
                "effect.",
            ),
            (
                lambda: _attenuated(float(_fit("hsb", "math ~ ses").latent.reliability[0])),
                "That is with the reliability of the schools as they are, with 45 students on "
                "average. Compute it for five.",
            ),
            (
                _attenuated_observed,
                "You began with the observed effects. Their mean is smushed a little already: "
                "take the latent ones.",
            ),
        ),
        ask="How much of the variance of such means is chance, and which slope has that part?",
        place="Is the mean of a school known?",
        hint="First the reliability for n = 5 from the two variances of ses, then the weighted "
        "mean of the latent between and the latent within effect.",
    ),
)
