"""The lesson on spurious precision: its short cut against fits, its formula against simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlteach as mt
from mlteach.widgets.lessons import spurious_precision
from mlteach.widgets.lessons.spurious_precision import (
    PREDICTORS,
    SIZES,
    STUDIES,
    WIDGET,
    coverage,
    distances,
    draws,
    too_small,
)

PRINTED = 0.005 + 1e-9
#: School means know a little of the variance within schools, and the fit uses it: 1 part in n.
OF_MEANS = 0.05
SAMPLES = 40
#: The formula is for many schools: four points, as chapter 12 shows with simulated studies.
MANY_SCHOOLS = 0.045
#: Four standard errors of a share of 4,000, and a percentage point: sums of squares around observed
#: means have n - 1 degrees of freedom, and the formula is for many schools.
SHARE_NOISE = 0.03 + 0.01


def share(text):
    return float(text.rstrip("%")) / 100


def raw_data(rng, schools, n, sigma2_v, tau2=0.1):
    """Persons of one study of the lesson's world."""
    school = np.repeat(np.arange(schools), n)
    w = school % 2
    v, u = rng.normal(0, sigma2_v**0.5, schools), rng.normal(0, tau2**0.5, schools)
    e = rng.standard_normal(schools * n) * np.exp((v[school] - 0.6) / 2)
    return pd.DataFrame({"school": school, "w": w, "y": u[school] + e})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_short_cut_is_model_a(seed):
    """Estimate and standard error of sums of squares against the location-scale fit to persons."""
    data = raw_data(np.random.default_rng(seed), 50, 25, 0.2)
    fit = mt.fit_location_scale("y ~ 1 + (1 | school)", "~ w", data)
    row = fit.log_variance.loc["w"]
    deviation = data["y"] - data.groupby("school")["y"].transform("mean")
    ssw = (deviation**2).groupby(data["w"]).sum()
    se = (2 * 2 / (25 * 24)) ** 0.5
    assert row["se"] == pytest.approx(se, rel=OF_MEANS)
    assert row["estimate"] == pytest.approx(np.log(ssw[1] / ssw[0]), abs=OF_MEANS * se * 3)


def test_drawn_sums_of_squares_are_those_of_persons(monkeypatch):
    """The lesson's distances, fed with the sums of squares of persons, are log ratios over SE."""
    rng = np.random.default_rng(4)
    v = rng.standard_normal((STUDIES, 2, 10))
    e = rng.standard_normal((STUDIES, 2, 10, 6))
    squares = ((e - e.mean(axis=3, keepdims=True)) ** 2).sum(axis=3)
    monkeypatch.setattr(spurious_precision, "draws", lambda *_: (v, squares))
    persons = e * np.exp(0.3**0.5 * v / 2)[..., None]
    persons = persons - persons.mean(axis=3, keepdims=True)
    ssw = (persons**2).sum(axis=(2, 3))
    expected = np.sort(np.log(ssw[:, 1] / ssw[:, 0]) / (4 / (10 * 5)) ** 0.5)
    assert distances(20, 6, 0.3, 1) == pytest.approx(expected)
    assert squares.mean() == pytest.approx(draws(20, 6, 1)[1].mean(), rel=0.1)


@pytest.mark.parametrize(
    ("sigma2_v", "n", "schools"), [(0.0, 25, 50), (0.2, 25, 50), (0.3, 100, 200), (0.1, 10, 500)]
)
def test_simulated_studies_agree_with_the_formula(sigma2_v, n, schools):
    z = np.concatenate([distances(schools, n, sigma2_v, k) for k in range(1, SAMPLES + 1)])
    held = (np.abs(z) < stats.norm.ppf(0.975)).mean()
    assert held == pytest.approx(coverage(n, 1.0, sigma2_v), abs=SHARE_NOISE)
    assert z.std() == pytest.approx(too_small(n, 1.0, sigma2_v), rel=0.1)


def test_formula_is_the_one_of_the_chapter():
    """From the moments of the squares themselves, drawn."""
    rng, n, sigma2_v = np.random.default_rng(5), 8, 0.2
    v = rng.normal(-sigma2_v / 2, sigma2_v**0.5, (400_000, 1))
    squares = np.exp(v) * rng.standard_normal((400_000, n)) ** 2
    assert squares.mean(axis=1).std() / (2 / n) ** 0.5 == pytest.approx(
        too_small(n, 1.0, sigma2_v), rel=0.02
    )
    assert too_small(25, 1.0, 0.2) == pytest.approx(2.00, abs=PRINTED)
    assert too_small(25, 0.2, 0.2) == pytest.approx(1.37, abs=PRINTED)
    assert too_small(50, 1.0, 0.0) == pytest.approx(1.0)


def test_published_coverages():
    """Leckie et al. (2014): 71 and 86 percent for w and x, 46 and 70 in the large design."""
    published = {(25, 1.0): 0.71, (25, 0.2): 0.86, (100, 1.0): 0.46, (100, 0.2): 0.70}
    for (n, icc_x), share in published.items():
        assert coverage(n, icc_x, 0.2) == pytest.approx(share, abs=MANY_SCHOOLS)


@pytest.mark.parametrize("place", [(0.2, 25, 50, 1), (0.0, 5, 20, 2), (0.3, 100, 500, 3)])
def test_picture_and_readouts_say_the_same(place):
    panel = WIDGET.panel(**dict(zip(WIDGET.start, place, strict=True)))
    sigma2_v, n, schools, _ = place
    left, right = panel.figure.axes
    held, missed = (len(lines.get_segments()) for lines in right.collections)
    assert held + missed == STUDIES
    factor, promised, found, se = panel.readouts.values()
    assert share(found) == pytest.approx(held / STUDIES)
    assert f"{missed} of 100 miss" in [text.get_text() for text in right.texts]
    assert share(promised) == pytest.approx(coverage(n, 1.0, sigma2_v), abs=PRINTED)
    assert float(factor) == pytest.approx(too_small(n, 1.0, sigma2_v), abs=PRINTED)
    assert float(se) == pytest.approx((4 / (schools / 2 * (n - 1))) ** 0.5, abs=0.1 * PRINTED)
    for line, icc_x in zip(left.lines[1:4], PREDICTORS, strict=True):
        exact = [coverage(size, icc_x, sigma2_v) for size in SIZES]
        assert line.get_ydata() == pytest.approx(exact)


def test_intervals_are_196_standard_errors_and_the_missing_ones_do_not_touch_zero():
    right = WIDGET.panel().figure.axes[1]
    held, missed = (np.array(lines.get_segments())[:, :, 1] for lines in right.collections)
    assert np.ptp(held, axis=1) == pytest.approx(np.full(len(held), 2 * 1.959964), abs=1e-5)
    assert (held[:, 0] <= 0).all() and (held[:, 1] >= 0).all()
    assert ((missed > 0).all(axis=1) | (missed < 0).all(axis=1)).all()


def test_the_question_has_an_answer():
    """More schools: smaller SE, same coverage. More students: smaller SE, less coverage."""
    start = WIDGET.start
    seen = {}
    for name, values in (("schools", (20, 50, 500)), ("n", (10, 25, 100))):
        shown = [WIDGET.panel(**{name: value}).readouts for value in values]
        assert all(WIDGET.place(start | {name: value}) >= 0 for value in values)
        ses = [float(r["SE that Model A reports"]) for r in shown]
        assert ses == sorted(ses, reverse=True)
        seen[name] = [share(r["coverage by the formula"]) for r in shown]
    assert len(set(seen["schools"])) == 1
    assert seen["n"][0] > seen["n"][1] > seen["n"][2]
    assert WIDGET.panel(sigma2_v=0.0).readouts["coverage by the formula"] == "95%"
