"""Chapter 1, multilevel structures: sizes, levels, long format, a covariance matrix."""

from __future__ import annotations

import pandas as pd

from mlteach.data.shipped import load
from mlteach.exercises.check import Exercise
from mlteach.mixed.fit import fit_empty


def _constant_columns(table: pd.DataFrame, cluster: str) -> pd.Index:
    """Columns with one value in every cluster, the cluster's own name left out."""
    most = table.groupby(cluster).nunique().max()
    return most.index[most == 1]


# ------------------------------------------------------------------------------------ 1.1 sizes


def _london_sizes() -> pd.Series:
    return load("london").groupby("school").size()


# ----------------------------------------------------------------------------------- 1.2 levels


def _language_school_columns() -> int:
    return len(_constant_columns(load("language"), "school"))


def _language_class_columns() -> int:
    return len(_constant_columns(load("language"), "class_id").drop("school"))


# -------------------------------------------------------------------------- 1.3 one-gender schools


def _genders(name: str, column: str) -> pd.Series:
    """Number of genders among the students of each school."""
    return load(name).groupby("school")[column].nunique()


# ------------------------------------------------------------------------------ 1.4 long format


def _language_counts() -> tuple[int, int, int]:
    """Measurements, pupils, schools."""
    language = load("language")
    return 2 * len(language), language["pupil"].nunique(), language["school"].nunique()


# ------------------------------------------------------------------------ 1.5 variance of a mean


def _mean_of_four(tau2_share: float) -> float:
    """Variance of the mean of four students.

    sigma2 / 4 for the students themselves, plus tau2 times the sum of the squared shares of the
    schools: 1/2 for two schools with half of the students each, 1/4 for four schools, 1 for one.
    """
    fit = fit_empty("math", load("hsb"), cluster="school")
    return tau2_share * float(fit.tau.iloc[0, 0]) + fit.sigma2 / 4


def _mean_of_four_ols() -> float:
    return float(load("hsb")["math"].var() / 4)


EXERCISES = (
    Exercise(
        key="1.1",
        question="How many students does a school in the london data have, on average?",
        answer=lambda: float(_london_sizes().mean()),
        tolerance=0.1,
        mistakes=(
            (
                lambda: float(_london_sizes().median()),
                "That is the median: half of the schools are smaller. Asked is the mean, N / J.",
            ),
            (
                lambda: len(_london_sizes()),
                "That is J, the number of schools.",
            ),
            (
                lambda: len(load("london")),
                "That is N, the number of students in all schools together.",
            ),
            (
                lambda: float((_london_sizes() ** 2).sum() / _london_sizes().sum()),
                "That is the size of the school of a random student. Asked is the average over "
                "schools.",
            ),
        ),
        ask="Which two numbers does an average need, and which of them have you?",
        place="What does a two-level structure look like?",
        hint="Count the rows of each school with groupby and size, then take the mean.",
    ),
    Exercise(
        key="1.2",
        question="How many columns of the language data, school left out, are level-2 columns?",
        answer=_language_school_columns,
        mistakes=(
            (
                lambda: _language_school_columns() + 1,
                "Leave out the column school itself: it names the clusters.",
            ),
            (
                _language_class_columns,
                "You counted columns that are constant in every class. Two schools have two "
                "classes, and some columns differ between those.",
            ),
            (
                lambda: load("language").shape[1] - 1 - _language_school_columns(),
                "These are the columns that vary within some school. Asked are the others.",
            ),
        ),
        ask="Of how many columns can you say that all students of a school share the value?",
        place="Which column lives at which level?",
        hint="A level-2 column has one value in every school: group by school, use nunique, and "
        "look at the largest count of each column.",
    ),
    Exercise(
        key="1.3",
        question="In how many hsb schools can girls and boys of the same school not be compared?",
        answer=lambda: int((_genders("hsb", "female") == 1).sum()),
        mistakes=(
            (
                lambda: int((_genders("hsb", "female") > 1).sum()),
                "In these schools they can be compared. Asked are the others.",
            ),
            (
                lambda: int((_genders("london", "girl") == 1).sum()),
                "That is the number for the london data. Asked is hsb.",
            ),
            (
                lambda: int(load("hsb").groupby("school")["female"].sum().eq(0).sum()),
                "These are the schools without girls. What about the schools without boys?",
            ),
            (
                lambda: int(load("hsb").groupby("school")["female"].mean().eq(1).sum()),
                "These are the schools without boys. What about the schools without girls?",
            ),
        ),
        ask="What must a school have, so that girls and boys can be compared in it?",
        place="Which column lives at which level?",
        hint="A comparison needs both: look for schools in which female has one value only.",
    ),
    Exercise(
        key="1.4",
        question="Pre- and post-test in long format: how many measurements, pupils, schools?",
        answer=_language_counts,
        mistakes=(
            (
                lambda: (_language_counts()[1], *_language_counts()[1:]),
                "In long format a pupil with two measurements has two rows.",
            ),
            (
                lambda: _language_counts()[::-1],
                "Right numbers, wrong order: begin at level 1.",
            ),
            (
                lambda: (_language_counts()[0], _language_counts()[0], _language_counts()[2]),
                "A pupil who is measured twice is still one pupil: count different pupils.",
            ),
        ),
        ask="What is one row of the long table? And how often does one pupil appear in it?",
        place="What if the units are measurements?",
        hint="melt makes the table long: its rows are level 1; count the different pupils and the "
        "different schools in it.",
    ),
    Exercise(
        key="1.5",
        question="Variance of the mean of four students, two from each of two schools?",
        answer=lambda: _mean_of_four(1 / 2),
        tolerance=0.02,
        mistakes=(
            (
                lambda: _mean_of_four(1 / 4),
                "This is right for four independent students. What about the pairs who share a "
                "school?",
            ),
            (
                _mean_of_four_ols,
                "That is what OLS says, a quarter of the variance of all scores. What about the "
                "pairs who share a school?",
            ),
            (
                lambda: _mean_of_four(1),
                "This is right for four students of one school. Here they come from two.",
            ),
            (
                lambda: _mean_of_four(0),
                "You used sigma2 alone. The schools differ too.",
            ),
            (
                lambda: 4 * _mean_of_four(1 / 2),
                "Four times too large: the weights are 1/4 each, and weights enter squared.",
            ),
            (
                lambda: 16 * _mean_of_four(1 / 2),
                "That is the variance of the sum. The mean is the sum divided by 4.",
            ),
        ),
        ask="Which of the six pairs of students have a covariance?",
        place="What does the model change?",
        hint="The variance of a mean is the sum of all entries of the covariance matrix, divided "
        "by the squared number of students.",
    ),
)
