"""Draw pisa_style, synthetic data that look like two countries of PISA 2022.

    python data/make_pisa_style.py                draw, and describe the draw
    python data/make_pisa_style.py --calibrate    search for the constants in DRAW again

data/build.py writes the file.

The file is drawn, not sampled from anybody. It has the structure and the moments of the file behind
the illustration of Walther, Hecht, Nagengast and Zitzmann (github.com/demianJK/WFmultigroup,
"PISA_short_balanced_imp.csv"), as far as its flags say that a value was observed, not filled in.

Matched exactly: schools and students of each country, smallest and largest school, the patterns of
missing values in each country. (The paper prints the two numbers of students the wrong way round:
its shares of missing values are those of the file.) Matched to three decimals: observed means, and
the estimates of the multigroup model with everything free, which are means, (co)variances within
schools and between schools of each country; and the variance between schools of the log variance
within them, in a location-scale model of each scale. Matched about: mean and SD of the school
sizes, observed SDs, the correlation of each missing value with the other variable.

Not matched: the shape of the distributions (normal within a school here; PISA's scores are skewed
and take few values). Not known, and therefore chosen: how answering differs between schools, and
that the two scales' log variances of a school are independent.

Values are missing at random: which students skip both questions depends on the school alone, and a
single value is missing with odds that depend on the other one, on the school and on the country.
"""

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd

VARIABLES = ("CREATAS", "GROSAGR")
SEED = 2022
# Rows without both, without CREATAS only, without GROSAGR only; the shape of the distribution of
# school sizes, whose mean and SD are those of the file.
COUNTRIES = {
    "Albania": SimpleNamespace(
        schools=274, students=6129, neither=1971, no_creatas=760, no_grosagr=288, first=1001,
        sizes=(1, 45), shape=(0.52, 0.55), school_sd=1.0,
    ),
    "Ireland": SimpleNamespace(
        schools=170, students=5569, neither=96, no_creatas=422, no_grosagr=24, first=2001,
        sizes=(4, 45), shape=(5.4, 2.05), school_sd=0.5,
    ),
}  # fmt: skip
# What the file has: the estimates of the model with everything free, (co)variances as variance,
# covariance, variance; how far observed means are from those of the model; variances of the log
# variance between schools.
TARGET = {
    "gap": {"Albania": (-0.05557, -0.01072), "Ireland": (-0.00231, -0.00023)},
    "means": {"Albania": (1.13717, -0.35048), "Ireland": (0.09241, 0.15923)},
    "within": {"Albania": (1.67785, -0.02452, 1.63692), "Ireland": (0.56779, 0.03483, 0.72931)},
    "between": {"Albania": (0.10765, 0.01733, 0.02347), "Ireland": (0.02374, -0.00322, 0.00878)},
    "spread": {"both": (0.0863, 0.1454)},
}
# The same quantities of the population that is drawn from, found by --calibrate; "gap" are slopes
# of the school effects on the number of answers: students count alike in observed means, schools
# more nearly so in those of the model.
DRAW = {
    "gap": {"Albania": (-0.23463, -0.0759), "Ireland": (-0.00833, -0.01685)},
    "means": {"Albania": (1.2968, -0.27735), "Ireland": (0.09218, 0.15933)},
    "within": {"Albania": (1.60754, -0.01551, 1.62894), "Ireland": (0.58307, 0.03075, 0.74514)},
    "between": {"Albania": (0.0808, 0.01969, 0.02077), "Ireland": (0.02123, 8e-05, 0.0022)},
    "spread": {"both": (0.09423, 0.14253)},
}
# How many times what a gap lacks its slope is moved.
GAIN = 3.0
# Log odds of a missing CREATAS by one SD of GROSAGR, and of a missing GROSAGR by one of CREATAS.
SLOPES = (-0.05, 0.24)


def build(draw: dict = DRAW) -> pd.DataFrame:
    """Make the table, one row a student."""
    # RandomState: its stream is frozen by NumPy's promise, that of newer generators is not.
    rng = np.random.RandomState(SEED)
    parts = []
    for name, facts in COUNTRIES.items():
        code = np.repeat(np.arange(facts.schools), school_sizes(rng, facts))
        neither = who_skips_both(rng, facts, code)
        y = scores(rng, name, code, np.bincount(code[~neither], minlength=facts.schools), draw)
        observed = ~missing(rng, facts, code, y, neither)
        table = pd.DataFrame(np.where(observed, np.round(y, 4), np.nan), columns=list(VARIABLES))
        table.insert(0, "country", name)
        table.insert(1, "school", facts.first + code)
        parts.append(table)
    table = pd.concat(parts, ignore_index=True)
    table.insert(2, "student", np.arange(1, len(table) + 1))
    return table


def school_sizes(rng, facts: SimpleNamespace) -> np.ndarray:
    """Albania has many small and many full schools, Ireland mostly large ones; the exact sum."""
    low, high = facts.sizes
    sizes = np.rint(low + (high - low) * rng.beta(*facts.shape, facts.schools)).astype(int)
    sizes[[sizes.argmin(), sizes.argmax()]] = low, high
    while sizes.sum() != facts.students:
        step = 1 if sizes.sum() < facts.students else -1
        school = rng.randint(facts.schools)
        if low < sizes[school] < high:
            sizes[school] += step
    return sizes


def who_skips_both(rng, facts: SimpleNamespace, code: np.ndarray) -> np.ndarray:
    """Students without any answer: more in some schools than in others."""
    school = facts.school_sd * rng.standard_normal(facts.schools)[code]
    return chosen(rng, school, facts.neither, np.zeros(len(code), bool))


def scores(rng, name: str, code: np.ndarray, answers: np.ndarray, draw: dict) -> np.ndarray:
    """Mean, plus a part of the school, plus a part of the student with the school's spread."""
    u = correlated(rng.standard_normal((len(answers), 2)), *draw["between"][name])
    u += np.outer((answers - answers.mean()) / answers.std(), draw["gap"][name])
    spread = np.array(draw["spread"]["both"])
    v = np.sqrt(spread) * rng.standard_normal((len(answers), 2)) - spread / 2
    e = correlated(rng.standard_normal((len(code), 2)), *draw["within"][name])
    return np.array(draw["means"][name]) + u[code] + e * np.exp(v / 2)[code]


def correlated(z: np.ndarray, var_1: float, cov: float, var_2: float) -> np.ndarray:
    """Turn independent standard normal columns into columns with these (co)variances."""
    slope = cov / var_1
    first = np.sqrt(var_1) * z[:, 0]
    return np.column_stack([first, slope * first + np.sqrt(var_2 - slope * cov) * z[:, 1]])


def missing(rng, facts: SimpleNamespace, code: np.ndarray, y: np.ndarray, neither) -> np.ndarray:
    """Which values are missing, exactly as many as in the file; (N, 2)."""
    creatas, grosagr = ((y - y.mean(0)) / y.std(0)).T
    out = np.column_stack([neither, neither])
    school = 0.5 * rng.standard_normal(facts.schools)[code]
    for column, log_odds, n in (
        (0, school + SLOPES[0] * grosagr, facts.no_creatas),
        (1, school + SLOPES[1] * creatas, facts.no_grosagr),
    ):
        out[:, column] |= chosen(rng, log_odds, n, out.any(1))
    return out


def chosen(rng, log_odds: np.ndarray, n: int, out_of_it: np.ndarray) -> np.ndarray:
    """Draw n rows without replacement by their odds: the largest log odds plus Gumbel noise."""
    key = np.where(out_of_it, -np.inf, log_odds + rng.gumbel(size=len(log_odds)))
    return np.isin(np.arange(len(key)), np.argsort(key)[-n:])


def calibrate(rounds: int = 22) -> dict:
    """Move the population until the draw has what the file has."""
    draw = TARGET | {"gap": dict.fromkeys(COUNTRIES, (0.0, 0.0))}
    for _ in range(rounds):
        found = estimates(build(draw))
        gain = {"gap": GAIN}
        draw = {k: moved(draw[k], TARGET[k], found[k], gain.get(k, 1.0)) for k in TARGET}
    return draw


def estimates(table: pd.DataFrame) -> dict:
    """What TARGET has, from the model with everything free and two location-scale models."""
    from mlteach import fit_location_scale, fit_multigroup

    fit = fit_multigroup(VARIABLES, table, cluster="school", group="country", between="free")
    observed = table.groupby("country")[list(VARIABLES)].mean()
    triangle = ([0, 0, 1], [0, 1, 1])
    spread = [
        fit_location_scale(
            f"{name} ~ country + (1 | school)",
            "~ country + (1 | school)",
            table.dropna(subset=name),
        ).random.iloc[1, 1]
        for name in VARIABLES
    ]
    return {
        "gap": {name: tuple(observed.loc[name] - fit.means.loc[name]) for name in COUNTRIES},
        "means": {name: tuple(fit.means.loc[name]) for name in COUNTRIES},
        "within": {name: fit.within[name].to_numpy()[triangle] for name in COUNTRIES},
        "between": {name: fit.between[name].to_numpy()[triangle] for name in COUNTRIES},
        "spread": {"both": spread},
    }


def moved(draw: dict, target: dict, found: dict, gain: float) -> dict:
    """Take off what an estimate is too large."""
    return {
        name: tuple(
            round(float(d + gain * (t - f)), 5)
            for d, t, f in zip(draw[name], target[name], found[name], strict=True)
        )
        for name in draw
    }


if __name__ == "__main__":
    print(calibrate() if "--calibrate" in sys.argv else build().describe())
