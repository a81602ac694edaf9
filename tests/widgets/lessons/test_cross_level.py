"""The lesson on cross-level interactions: slopes, bands and bounds of a real fit."""

import numpy as np
import pytest
from scipy import stats

import mlteach as mt
from mlteach.widgets.lessons.cross_level import (
    ALONG,
    FORMULA,
    LEVELS,
    MEANS,
    OWN,
    SECTORS,
    WIDGET,
    fit_to,
    regions,
    students,
)

ROUNDING = 1e-9
PRINTED = 0.005 + 1e-9
#: A bound is a root, found to this.
ROOT = 1e-6
PLACES = [("Catholic", 0.0, 160, "95%"), ("public", -1.2, 40, "99%"), ("Catholic", 0.8, 80, "80%")]


def number(text):
    return float(text.replace("−", "-"))


def slope_and_se(fit, mean_ses, catholic):
    """By hand: a sum of three coefficients, and the standard error of a sum."""
    c = np.zeros(len(fit.params))
    names = ["ses_within", "ses_within:mean_ses", "ses_within:catholic"]
    c[[fit.params.index.get_loc(name) for name in names]] = 1.0, mean_ses, catholic
    return c @ fit.params.to_numpy(), (c @ fit.cov_params().to_numpy() @ c) ** 0.5


@pytest.mark.parametrize("place", PLACES)
def test_slope_by_hand(place):
    sector, mean_ses, schools, _ = place
    panel = WIDGET.panel(
        **dict(zip(("sector", "mean_ses", "schools", "level"), place, strict=True))
    )
    slope, se = slope_and_se(fit_to(schools), mean_ses, SECTORS[sector])
    assert number(panel.readouts["slope"]) == pytest.approx(slope, abs=PRINTED)
    low, high = map(number, panel.readouts["interval"].split(" to "))
    # Satterthwaite's t is wider than the normal's interval, with dozens of schools by little.
    z = stats.norm.ppf(0.5 + LEVELS[place[3]] / 2)
    assert (high - low + 2 * PRINTED) / (2 * z * se) >= 1.0
    assert (high - low - 2 * PRINTED) / (2 * z * se) <= 1.15
    assert (high + low) / 2 == pytest.approx(slope, abs=2 * PRINTED)


def test_all_schools_are_the_whole_data_and_fewer_are_among_more():
    assert len(students(160)) == len(mt.load("hsb"))
    sets = [set(students(k)["school"]) for k in (40, 80, 160)]
    assert [len(s) for s in sets] == [40, 80, 160]
    assert sets[0] < sets[1] < sets[2]


def test_the_model_is_that_of_the_chapter():
    hsb = mt.center(mt.load("hsb"), "ses", cluster="school")
    assert fit_to(160).params.tolist() == pytest.approx(mt.fit_mixed(FORMULA, hsb).params.tolist())
    shown = WIDGET.panel().readouts
    assert (shown["slope"], shown["interval touches zero at"]) == ("1.30", "−0.69")


@pytest.mark.parametrize("sector", SECTORS)
@pytest.mark.parametrize("schools", [40, 160])
def test_interval_touches_zero_at_the_bounds(sector, schools):
    found, _ = regions(schools, sector, "95%")
    fit, hold = fit_to(schools), {"catholic": SECTORS[sector]}
    assert found.bounds
    table = mt.simple_slopes(fit, "ses_within", by="mean_ses", at=list(found.bounds), hold=hold)
    assert table[["lower", "upper"]].abs().min(axis=1).to_numpy() == pytest.approx(0, abs=ROOT)


def test_lines_have_the_slope_that_is_read():
    left, right = WIDGET.panel(sector="public", mean_ses=0.4).figure.axes
    chosen = next(line for line in left.lines if line.get_linestyle() == "-")
    slope, _ = slope_and_se(fit_to(160), 0.4, 0)
    assert np.diff(chosen.get_ydata()) / np.diff(OWN) == pytest.approx(slope, abs=ROUNDING)
    line = next(line for line in right.lines if len(line.get_xdata()) == len(ALONG))
    assert np.interp(0.4, ALONG, line.get_ydata()) == pytest.approx(slope, abs=ROUNDING)


def test_shaded_region_begins_at_the_bound():
    right = WIDGET.panel().figure.axes[1]
    (patch,) = right.patches
    assert patch.get_x() == pytest.approx(regions(160, "Catholic", "95%")[0].bounds[1])
    assert patch.get_x() + patch.get_width() == pytest.approx(MEANS[1])


def test_the_question_has_an_answer():
    """Fewer schools move the bound up, less confidence moves it down."""
    bound = {
        (schools, level): number(
            WIDGET.panel(schools=schools, level=level).readouts["interval touches zero at"]
        )
        for schools, level in ((160, "95%"), (40, "95%"), (160, "80%"))
    }
    assert bound[40, "95%"] > bound[160, "95%"] > bound[160, "80%"]


def test_bands_stay_inside():
    for sector in SECTORS:
        for mean_ses in (-1.2, 0.8):
            panel = WIDGET.panel(sector=sector, mean_ses=mean_ses, schools=40, level="99%")
            for ax in panel.figure.axes:
                low, high = ax.get_ylim()
                inside = ax.collections[0].get_paths()[0].vertices[:, 1]
                assert low < inside.min()
                assert inside.max() < high
