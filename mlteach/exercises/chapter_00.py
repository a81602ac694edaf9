"""The quiz before the course: what of regression and of variances the chapters take for granted."""

from __future__ import annotations

import math

from mlteach.exercises.check import Exercise

# 0.1, 0.2: points = 20 + 3 hours + 2 girl, and with the product - hours x girl.
INTERCEPT, HOURS, GIRL, PRODUCT = 20.0, 3.0, 2.0, -1.0
ASKED_HOURS = 4.0
# 0.3
ESTIMATE, SE, Z = 3.0, 0.5, 1.96
# 0.4
SIZE = 400
# 0.5
VARIANCES = (4.0, 9.0)
# 0.6
COVARIANCE, VAR_X, VAR_Y = 6.0, 9.0, 16.0
# 0.7
LOG_COEFFICIENT = 0.3
# 0.8
MEAN, SD = 50.0, 10.0
# 0.10
ROWS, SCHOOLS = 7185, 160


def _interval(center: float, half: float) -> tuple[float, float]:
    return center - half, center + half


EXERCISES = (
    Exercise(
        key="0.1",
        question="What does a regression expect of a girl who studies four hours?",
        answer=lambda: INTERCEPT + HOURS * ASKED_HOURS + GIRL,
        mistakes=(
            (
                lambda: INTERCEPT + HOURS * ASKED_HOURS,
                "That is a boy who studies four hours. What does the dummy add?",
            ),
            (
                lambda: INTERCEPT + HOURS + GIRL,
                "That is one hour. The coefficient is for each of the four.",
            ),
        ),
        ask="Which value has each of the two predictors?",
        hint="Intercept plus coefficient times value, for both predictors.",
    ),
    Exercise(
        key="0.2",
        question="What is the slope of hours for girls, when there is a product?",
        answer=lambda: HOURS + PRODUCT,
        tolerance=0.01,
        mistakes=(
            (lambda: HOURS, "That is the slope where girl is 0, for boys."),
            (lambda: PRODUCT, "That is by how much the slopes of girls and boys differ."),
        ),
        ask="For girls the equation has fewer terms. Which contain hours?",
        hint="Put one in the place of girl, and collect what multiplies hours.",
    ),
    Exercise(
        key="0.3",
        question="Between which limits lies the 95% interval of a slope?",
        answer=lambda: _interval(ESTIMATE, Z * SE),
        tolerance=0.05,
        mistakes=(
            (
                lambda: _interval(ESTIMATE, SE),
                "One standard error to each side: that holds the truth two times in three.",
            ),
            (lambda: _interval(0.0, Z * SE), "That lies around zero. Around what should it lie?"),
        ),
        ask="How many standard errors to each side?",
        hint="Estimate plus and minus 1.96 standard errors.",
    ),
    Exercise(
        key="0.4",
        question="How many persons make the standard error of a mean half as large?",
        answer=lambda: 4 * SIZE,
        mistakes=(
            (
                lambda: 2 * SIZE,
                "Twice as many make it smaller by the root of two only, a factor of 0.71.",
            ),
        ),
        ask="How does the size of the sample enter the standard error?",
        hint="The standard error is the standard deviation over the root of the sample size.",
    ),
    Exercise(
        key="0.5",
        question="What is the variance of a difference of two independent variables?",
        answer=lambda: sum(VARIANCES),
        mistakes=(
            (
                lambda: VARIANCES[1] - VARIANCES[0],
                "Chance does not cancel in a difference. Subtract two dice: do they vary less?",
            ),
            (
                lambda: (math.sqrt(VARIANCES[0]) + math.sqrt(VARIANCES[1])) ** 2,
                "You added standard deviations. For independent variables variances add up.",
            ),
        ),
        ask="Is the difference of two dice more or less certain than one die?",
        hint="Var(X - Y) = Var(X) + Var(Y) - 2 Cov(X, Y); the covariance is zero here.",
    ),
    Exercise(
        key="0.6",
        question="Which correlation has a covariance of 6, with variances 9 and 16?",
        answer=lambda: COVARIANCE / math.sqrt(VAR_X * VAR_Y),
        mistakes=(
            (lambda: COVARIANCE / (VAR_X * VAR_Y), "Divide by the standard deviations."),
            (lambda: COVARIANCE / VAR_X, "That is a slope: covariance over the variance of x."),
        ),
        ask="What makes a covariance free of units?",
        hint="Covariance over the product of both standard deviations.",
    ),
    Exercise(
        key="0.7",
        question="By which factor does the outcome change, if its log rises by 0.3?",
        answer=lambda: math.exp(LOG_COEFFICIENT),
        mistakes=(
            (lambda: LOG_COEFFICIENT, "That is the difference of the logs. What undoes a log?"),
            (
                lambda: 1.0 + LOG_COEFFICIENT,
                "That is near for small numbers only: 0.3 on the log scale is 35%, not 30%.",
            ),
            (lambda: 10.0**LOG_COEFFICIENT, "That is for logs to base ten; this is a natural log."),
        ),
        ask="A difference of logs is the log of a quotient. Of which?",
        hint="The exponential function undoes the log.",
    ),
    Exercise(
        key="0.8",
        question="Between which two values lie 95% of the persons?",
        answer=lambda: _interval(MEAN, Z * SD),
        tolerance=0.5,
        mistakes=(
            (lambda: _interval(MEAN, SD), "Between these lie two thirds."),
            (
                lambda: _interval(MEAN, Z * SD / 10.0),
                "That is the interval of a mean of a hundred persons. Asked is where persons lie.",
            ),
        ),
        ask="Are you asked about persons or about their mean?",
        hint="Mean plus and minus 1.96 standard deviations.",
    ),
    Exercise(
        key="0.9",
        question="Two groups of ten, p = .20: are they equal, different, or is it unknown?",
        answer=lambda: "unknown",
        choices=("equal", "different", "unknown"),
        mistakes=(
            (
                lambda: "equal",
                "With ten in a group a large difference is easily missed: look at the interval.",
            ),
            (lambda: "different", "Such a difference comes by chance in one study of five."),
        ),
        ask="What would the confidence interval of the difference look like?",
        hint="An interval that holds zero and much else excludes neither.",
    ),
    Exercise(
        key="0.10",
        question="How many numbers does a mean by group return?",
        answer=lambda: SCHOOLS,
        mistakes=(
            (lambda: ROWS, "There are that many rows. How many groups?"),
            (lambda: 1, "That would be the mean of all, without groupby."),
        ),
        ask="What is a row of the result?",
        hint="One number for each school.",
    ),
)
