"""Draw pisa_style, synthetic data that look like two countries of PISA 2022.

    python data/make_pisa_style.py                draw, and describe the draw
    python data/make_pisa_style.py --calibrate    search for the constants in DRAW again

data/build.py writes the file.

The file is drawn, not sampled from anybody: 274 schools and 5,569 students for Albania, 170 and
6,129 for Ireland, with the summaries that Walther, Hecht, Nagengast and Zitzmann publish for these
countries (their paper, and github.com/demianJK/WFmultigroup).

Matched exactly: schools, students, the range of the school sizes (1 to 45), the four patterns of
missing values, the observed values of each variable in each country. Matched to the printed digits:
the observed means, and the estimates of their model with heterogeneous (co)variances within
schools: variances and covariances within, intraclass correlations, variance ratios. Matched about:
the correlation of each missing value with the other variable.

Not matched, because it cannot be: three of the four printed standard deviations. They are those of
the raw data, the variances those of a file in which more than half of the values were imputed; 1.29
squared, for one, leaves nothing between schools if 1.68 lies within. Not known, and therefore free:
the shape of the distributions (normal here; PISA's scores take few values), the distribution of the
school sizes, the differences of response between schools, and the correlation between schools,
which differs between the countries here so that, as published, the most complex model fits best.

Values are missing at random: which schools skip both questions does not depend on any value, and a
single value is missing with odds that depend on the other one, on the school and on the country.
"""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd

VARIABLES = ("CREATAS", "GROSAGR")
SEED = 2022
# Published: schools, students; rows without both, without CREATAS only, without GROSAGR only. The
# six counts of single countries follow from the published ones up to one, `neither`: 1,421 is
# chosen, which leaves most of the 312 rows without GROSAGR only to Albania.
COUNTRIES = {
    "Albania": SimpleNamespace(
        schools=274, students=5569, neither=1421, no_creatas=750, no_grosagr=278, first=1001
    ),
    "Ireland": SimpleNamespace(
        schools=170, students=6129, neither=646, no_creatas=432, no_grosagr=34, first=2001
    ),
}
# Observed means; variance, covariance, variance within; the two variances between, which follow
# from the intraclass correlations .04 and .11, .02 and .04.
PUBLISHED = {
    "means": {"Albania": (1.08, -0.36), "Ireland": (0.09, 0.16)},
    "within": {"Albania": (1.73, -0.02, 1.68), "Ireland": (0.57, 0.04, 0.74)},
    "between": (0.07, 0.03),
}
# The same quantities of the population that is drawn from, found by --calibrate. They differ from
# the published ones by the chance of this draw, so that the estimates do not.
DRAW = {
    "means": {"Albania": (1.12084, -0.38566), "Ireland": (0.12173, 0.14518)},
    "within": {"Albania": (1.74134, -0.03989, 1.71389), "Ireland": (0.56791, 0.03962, 0.73329)},
    "between": (0.07041, 0.02093),
}
CORRELATION_BETWEEN = {"Albania": -0.3, "Ireland": 0.3}
# Log odds of a missing CREATAS by one SD of GROSAGR, of a missing GROSAGR by one of CREATAS, and
# SD between schools of the log odds of both.
SLOPES, SCHOOL_SD = (-0.07, 0.2), 0.5


def build(draw: dict = DRAW) -> pd.DataFrame:
    """Make the table, one row a student."""
    # RandomState: its stream is frozen by NumPy's promise, that of newer generators is not.
    rng = np.random.RandomState(SEED)
    parts = []
    for name, facts in COUNTRIES.items():
        sizes = school_sizes(rng, name, facts)
        code = np.repeat(np.arange(facts.schools), sizes)
        y = scores(rng, name, code, facts.schools, draw)
        observed = ~missing(rng, facts, code, y)
        table = pd.DataFrame(np.where(observed, np.round(y, 4), np.nan), columns=list(VARIABLES))
        table.insert(0, "country", name)
        table.insert(1, "school", facts.first + code)
        parts.append(table)
    table = pd.concat(parts, ignore_index=True)
    table.insert(2, "student", np.arange(1, len(table) + 1))
    return table


def school_sizes(rng, name: str, facts: SimpleNamespace) -> np.ndarray:
    """Few students in many Albanian schools, most Irish schools near PISA's 42; the exact sum."""
    shape = {"Albania": (1.0, 1.25), "Ireland": (5.0, 1.2)}[name]
    sizes = np.rint(1 + 44 * rng.beta(*shape, facts.schools)).astype(int)
    while sizes.sum() != facts.students:
        step = 1 if sizes.sum() < facts.students else -1
        school = rng.randint(facts.schools)
        sizes[school] = np.clip(sizes[school] + step, 1, 45)
    return sizes


def scores(rng, name: str, code: np.ndarray, schools: int, draw: dict) -> np.ndarray:
    """Mean, plus a normal part of the school, plus a normal part of the student; (N, 2)."""
    var_1, cov, var_2 = draw["within"][name]
    tau_1, tau_2 = draw["between"]
    cov_between = CORRELATION_BETWEEN[name] * np.sqrt(tau_1 * tau_2)
    u = correlated(rng.standard_normal((schools, 2)), tau_1, cov_between, tau_2)
    e = correlated(rng.standard_normal((len(code), 2)), var_1, cov, var_2)
    return np.array(draw["means"][name]) + u[code] + e


def correlated(z: np.ndarray, var_1: float, cov: float, var_2: float) -> np.ndarray:
    """Turn independent standard normal columns into columns with these (co)variances."""
    slope = cov / var_1
    first = np.sqrt(var_1) * z[:, 0]
    return np.column_stack([first, slope * first + np.sqrt(var_2 - slope * cov) * z[:, 1]])


def missing(rng, facts: SimpleNamespace, code: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which values are missing, exactly as many as published; (N, 2)."""
    creatas, grosagr = ((y - y.mean(0)) / y.std(0)).T
    school = SCHOOL_SD * rng.standard_normal(facts.schools)[code]
    out = np.zeros(y.shape, dtype=bool)
    for log_odds, n, columns in (
        (school, facts.neither, (True, True)),
        (school + SLOPES[0] * grosagr, facts.no_creatas, (True, False)),
        (school + SLOPES[1] * creatas, facts.no_grosagr, (False, True)),
    ):
        # The n largest of log odds plus Gumbel noise: a draw without replacement by these odds.
        key = np.where(out.any(1), -np.inf, log_odds + rng.gumbel(size=len(y)))
        out[np.argsort(key)[-n:]] = columns
    return out


def calibrate(rounds: int = 10) -> dict:
    """Move the population until the means and estimates of the draw are the published ones."""
    draw = PUBLISHED
    for _ in range(rounds):
        found = estimates(build(draw))
        draw = {key: moved(draw[key], PUBLISHED[key], found[key]) for key in PUBLISHED}
    return draw


def estimates(table: pd.DataFrame) -> dict:
    """Observed means and the variance components of the published model, as in PUBLISHED."""
    from mlteach import fit_multigroup

    fit = fit_multigroup(VARIABLES, table, cluster="school", group="country")
    means = table.groupby("country")[list(VARIABLES)].mean()
    within = {name: fit.within[name].to_numpy()[[0, 0, 1], [0, 1, 1]] for name in COUNTRIES}
    return {
        "means": {name: tuple(means.loc[name]) for name in COUNTRIES},
        "within": within,
        "between": tuple(np.diag(fit.between["Albania"])),
    }


def moved(draw, target, found):
    """Take off what an estimate is too large, for each country where there is one value each."""
    if isinstance(draw, dict):
        return {name: moved(draw[name], target[name], found[name]) for name in draw}
    return tuple(round(float(d + t - f), 5) for d, t, f in zip(draw, target, found, strict=True))


if __name__ == "__main__":
    print(calibrate() if "--calibrate" in sys.argv else build().describe())
