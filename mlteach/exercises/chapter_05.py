"""Exercises of chapter 5, level-2 predictors: R², a prediction, a partial r, a test of two dummies.

tau2 is the variance of the school intercepts, sigma2 the residual variance; a subscript 0 marks the
empty model. All fits are REML, those of the likelihood-ratio test ML.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mlteach.core.lazy import from_extra
from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import MixedResult, fit_random_intercept
from mlteach.questions.effect_sizes import cohens_d, partial_r
from mlteach.questions.r_squared import r_squared


@cache
def _fit(data: str, formula: str, reml: bool = True) -> MixedResult:
    table = load(data)
    if data == "london":
        table["score11_within"] = table["score11"] - table["mean_score11"]
    return fit_random_intercept(formula, table, cluster="school", reml=reml)


def _components(data: str, formula: str) -> tuple[float, float]:
    """tau2 and sigma2."""
    fit = _fit(data, formula)
    return float(fit.tau.iloc[0, 0]), fit.sigma2


# -------------------------------------------------------------------------- 5.1 explained variance


def _pracad_between() -> float:
    tau2_0, _ = _components("hsb", "math ~ 1")
    tau2, _ = _components("hsb", "math ~ pracad")
    return 1.0 - tau2 / tau2_0


def _pracad_of_both() -> float:
    """Drop of the sum of both variances."""
    total_0 = sum(_components("hsb", "math ~ 1"))
    return 1.0 - sum(_components("hsb", "math ~ pracad")) / total_0


def _pracad_sd() -> float:
    """Drop of the SD in place of the variance."""
    return 1.0 - float(np.sqrt(1.0 - _pracad_between()))


# --------------------------------------------------------------------------------- 5.2 a prediction


SES = 0.5


def _school(catholic: int, covariances: bool = True) -> tuple[float, float]:
    """Expected mean and its standard error for schools of one sector with mean_ses of .5."""
    fit = _fit("hsb", "math ~ mean_ses + catholic")
    x = np.array([1.0, SES, catholic])
    V = fit.cov_params().to_numpy()
    V = V if covariances else np.diag(np.diag(V))
    return float(x @ fit.params), float(np.sqrt(x @ V @ x))


# ---------------------------------------------------------------------------------- 5.3 a partial r


def _clubs(formula: str, ddf: str = "satterthwaite") -> tuple[float, float]:
    """Test statistic t of clubs and its degrees of freedom."""
    row = _fit("language", formula).tests(ddf).loc["clubs"]
    return float(row["t"]), float(row["df"])


# --------------------------------------------------------------------------------- 5.4 negative R²


def _london_r2() -> float:
    tau2_0, _ = _components("london", "score16 ~ 1")
    tau2, _ = _components("london", "score16 ~ score11_within")
    return 1.0 - tau2 / tau2_0


def _london_residual_r2() -> float:
    _, sigma2_0 = _components("london", "score16 ~ 1")
    _, sigma2 = _components("london", "score16 ~ score11_within")
    return 1.0 - sigma2 / sigma2_0


# ------------------------------------------------------------------------ 5.5 a test of two dummies


def _gender_lr(base: str = "score16 ~ score11", reml: bool = False) -> float:
    """Drop in deviance when school_gender is added."""
    small = _fit("london", base, reml)
    big = _fit("london", f"{base} + school_gender", reml)
    return small.deviance - big.deviance


def _pracad_of_means() -> float:
    means = load("hsb").groupby("school")[["math", "pracad"]].mean()
    return float(means.corr().iloc[0, 1] ** 2)


def _pracad_ml() -> float:
    before, after = (_fit("hsb", f"math ~ {x}", False).tau.iloc[0, 0] for x in ("1", "pracad"))
    return float(1.0 - after / before)


def _ols(formula: str, data: str):
    smf = from_extra("statsmodels.formula.api", "The answer to this exercise")
    return smf.ols(formula, load(data)).fit()


def _school_ols() -> tuple[float, float]:
    fit, x = _ols("math ~ mean_ses + catholic", "hsb"), np.array([1.0, SES, 1.0])
    return float(x @ fit.params), float(np.sqrt(x @ fit.cov_params() @ x))


def _clubs_ols() -> float:
    fit = _ols("gpa ~ ses_z + clubs", "language")
    return float(partial_r(fit.tvalues["clubs"], fit.df_resid))


def _gender_lr_ols() -> float:
    small, big = (_ols(f"score16 ~ {x}", "london") for x in ("score11", "score11 + school_gender"))
    return float(2 * (big.llf - small.llf))


EXERCISES = (
    Exercise(
        key="5.1",
        question="What share of the variance between hsb's schools does pracad explain?",
        answer=_pracad_between,
        tolerance=0.004,  # two decimals; ML would be .0041 away
        mistakes=(
            (
                lambda: 1.0 - _pracad_between(),
                "That is the share left over: the variance with pracad divided by the variance "
                "without. How much of it is gone?",
            ),
            (
                _pracad_of_both,
                "That compares the sums of both variances. Asked is the variance between schools "
                "only, the one that a school's property can explain.",
            ),
            (
                lambda: r_squared(_fit("hsb", "math ~ pracad")).total,
                "That is the total R², a share of the variance of all students. Asked is the share "
                "of the variance between schools.",
            ),
            (
                _pracad_sd,
                "You compared standard deviations. R² compares variances.",
            ),
            (
                _pracad_of_means,
                "That is the R² of a regression of the observed means. They contain chance, which "
                "no predictor explains.",
            ),
            (_pracad_ml, "That is from ML fits. The exercise asks for REML."),
        ),
        ask="Which of the two variances can a property of schools explain?",
        place="What can a level-2 predictor explain?",
        hint="Fit math ~ 1 and math ~ pracad by REML and compare the rows Intercept of "
        "fit.variances: by what proportion does the variance fall?",
    ),
    Exercise(
        key="5.2",
        question="Expected mean of Catholic schools with mean_ses = .5, and its standard error?",
        answer=lambda: _school(catholic=1),
        tolerance=0.005,
        mistakes=(
            (
                lambda: _school(catholic=1, covariances=False),
                "The expected mean is right. For the standard error you added variances only: the "
                "three coefficients are estimated together, and their covariances count too.",
            ),
            (
                lambda: _school(catholic=0),
                "These are the numbers for public schools.",
            ),
            (
                lambda: (_school(1)[0], _school(1)[1] ** 2),
                "The expected mean is right. The second number is its variance; take the root.",
            ),
            (
                lambda: (_school(1)[0], float(_fit("hsb", "math ~ mean_ses + catholic").bse.sum())),
                "The expected mean is right. Standard errors do not add up; use cov_params().",
            ),
            (
                _school_ols,
                "Those are the numbers of OLS, which takes the students as independent. Use the "
                "multilevel fit.",
            ),
        ),
        ask="What are the values of the three predictors, the one of the intercept included?",
        place="What does the model expect of a kind of school?",
        hint="With x = (1, .5, 1) in the order of fit.params, the expected mean is x @ params and "
        "its variance x @ cov_params @ x.",
    ),
    Exercise(
        key="5.3",
        question="Partial r of clubs, given ses_z, with Satterthwaite degrees of freedom?",
        answer=lambda: partial_r(*_clubs("gpa ~ ses_z + clubs")),
        tolerance=0.003,
        mistakes=(
            (
                lambda: partial_r(*_clubs("gpa ~ ses_z + clubs", "residual")),
                "You used the degrees of freedom of the pupils. clubs is a property of schools: "
                "its information is as large as the number of schools allows.",
            ),
            (
                lambda: cohens_d(*_clubs("gpa ~ ses_z + clubs")),
                "That is d. For a quantitative predictor take r = t / sqrt(t² + df).",
            ),
            (
                lambda: partial_r(*_clubs("gpa ~ clubs")),
                "That is r of clubs alone. Asked is the model with ses_z in it.",
            ),
            (
                lambda: partial_r(*_clubs("gpa ~ ses_z + clubs")) ** 2,
                "That is r squared.",
            ),
            (
                _clubs_ols,
                "That is from OLS, which takes the pupils as independent. Use the multilevel fit.",
            ),
        ),
        ask="How many units does this predictor describe: schools or pupils?",
        place="How many observations test a school?",
        hint="r = t / sqrt(t² + df), with t and df from the row clubs of the coefficient table.",
    ),
    Exercise(
        key="5.4",
        question="Pseudo-R² of the variance between London's schools when score11_within is added?",
        answer=_london_r2,
        tolerance=0.001,
        mistakes=(
            (
                lambda: -_london_r2(),
                "The size is right. Look at the sign: does the variance between schools fall?",
            ),
            (
                _london_residual_r2,
                "That is the pseudo-R² of the residual variance. Asked is the one of the variance "
                "between schools.",
            ),
        ),
        ask="Which variance do you compare, and did it rise or fall?",
        place="What can a level-2 predictor explain?",
        hint="(variance before - variance after) / variance before, from the rows Intercept of "
        "fit.variances. Nothing says that it must be positive.",
    ),
    Exercise(
        key="5.5",
        question="Likelihood-ratio statistic of school_gender, given score11?",
        answer=_gender_lr,
        tolerance=0.02,
        mistakes=(
            (
                lambda: _gender_lr(reml=True),
                "These are REML fits. REML criteria of models with different fixed effects cannot "
                "be compared: use reml=False.",
            ),
            (
                lambda: _gender_lr() / 2,
                "That is the difference of the log-likelihoods. The statistic is twice that.",
            ),
            (
                _gender_lr_ols,
                "That is from OLS, to which 4,059 students are independent. Use random intercepts.",
            ),
            (
                lambda: _gender_lr("score16 ~ 1"),
                "That is the test without score11. Put score11 into both models.",
            ),
        ),
        ask="What do the two models have in common, and are both fitted by ML?",
        place="What if there are three categories?",
        hint="Fit score16 ~ score11 with and without school_gender, both by ML, and take the "
        "difference of their deviances.",
    ),
)
