"""The lesson on the smushed slope: the weight is what maximum likelihood gives, and so is φ."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.widgets.lessons.smushing import WIDGET, weight

#: The model stops where the deviance changes no more: its slope is right to half of the digits.
FITTED = 1e-6
PRINTED = 0.005 + 1e-9
CLUSTERS = 40
#: Within, between, ICC of x, ICC of y, n.
PLACES = [
    (0.2, 1.0, 0.2, 0.1, 10),
    (-1.0, 1.0, 0.5, 0.05, 20),
    (1.0, -1.0, 0.1, 0.2, 4),
    (0.0, 1.0, 0.9, 0.0, 2),
    (0.3, 0.3, 0.3, 0.3, 5),
    (-1.0, 1.0, 0.05, 0.0, 50),
    (-1.0, 1.0, 0.8, 0.5, 5),
    (1.0, -1.0, 0.5, 0.0, 3),
]


def orthogonal(rng, rows, columns):
    """Columns with mean zero, variance one and no correlation."""
    draws = rng.standard_normal((rows, columns))
    return np.linalg.qr(draws - draws.mean(axis=0))[0] * rows**0.5


def sample(within, between, icc_x, icc_y, n):
    """Data in which every variance is exactly what it is in the long run."""
    rng = np.random.default_rng(6)
    code = np.repeat(np.arange(CLUSTERS), n)
    mean_x, mean_e = (
        orthogonal(rng, CLUSTERS, 2) * [(i + (1 - i) / n) ** 0.5 for i in (icc_x, icc_y)]
    ).T
    draws = rng.standard_normal((CLUSTERS, n, 2))
    draws = (draws - draws.mean(axis=1, keepdims=True)).reshape(-1, 2)
    draws = np.linalg.qr(draws)[0] * (CLUSTERS * (n - 1)) ** 0.5
    own_x, own_e = (draws * [(1 - i) ** 0.5 for i in (icc_x, icc_y)]).T
    y = between * mean_x[code] + within * own_x + mean_e[code] + own_e
    return pd.DataFrame({"x": mean_x[code] + own_x, "y": y, "cluster": code})


@pytest.mark.parametrize("place", PLACES)
def test_weight_is_that_of_the_fitted_model(place):
    """Against the package: the slope of x alone by ML, and φ at that model's variances."""
    within, between, *_ = place
    data = sample(*place)
    fit = mt.fit_mixed("y ~ x + (1 | cluster)", data, reml=False, smushed_note=False)
    phi = weight(*place)
    assert phi * within + (1 - phi) * between == pytest.approx(fit.params["x"], abs=FITTED)
    found = mt.fit_centering("y ~ x", data, cluster="cluster", reml=False)
    assert phi == pytest.approx(found.phi["x"], abs=FITTED)


def test_without_differences_between_clusters_the_weights_are_those_of_ols():
    phi = weight(0.5, 0.5, icc_x=0.3, icc_y=0.0, n=4)
    assert phi == pytest.approx((1 - 1 / 4) * (1 - 0.3), abs=1e-9)


def test_formula_of_the_chapter():
    """With one effect: spread over noise, for rows inside clusters and for their means."""
    icc_x, icc_y, n = 0.2, 0.1, 20
    within = (1 - 1 / n) * (1 - icc_x) / (1 - icc_y)
    between = (icc_x + (1 - icc_x) / n) / (1 - icc_y + n * icc_y)
    assert weight(1.0, 1.0, icc_x, icc_y, n) == pytest.approx(within / (within + between))


@pytest.mark.parametrize("place", PLACES)
def test_readouts_and_balance(place):
    names = ("within", "between", "icc_x", "icc_y", "n")
    panel = WIDGET.panel(**dict(zip(names, place, strict=True)))
    smushed, of_within, of_between = (
        float(text.replace("−", "-")) for text in panel.readouts.values()
    )
    phi = weight(*place)
    assert (of_within, of_between) == pytest.approx((phi, 1 - phi), abs=PRINTED)
    assert smushed == pytest.approx(phi * place[0] + (1 - phi) * place[1], abs=PRINTED)
    beam, light, heavy, _, fulcrum = panel.figure.axes[1].lines
    assert beam.get_xdata() == pytest.approx(place[:2])
    areas = np.array([light.get_markersize(), heavy.get_markersize()]) ** 2
    balance = (areas * beam.get_xdata()).sum() / areas.sum()
    assert fulcrum.get_xdata()[0] == pytest.approx(balance, abs=1e-9)


def test_the_question_has_an_answer():
    """More n, more ICC of y: nearer to within. More ICC of x: away, until between weighs more."""
    base = {"within": 0.0, "between": 1.0, "icc_x": 0.2, "n": 20, "icc_y": 0.1}
    phi = weight(**base)
    assert weight(**base | {"n": 100}) > phi > weight(**base | {"n": 5})
    assert weight(**base | {"icc_y": 0.3}) > phi > weight(**base | {"icc_y": 0.0})
    assert weight(**base | {"icc_x": 0.05}) > phi > weight(**base | {"icc_x": 0.5})
    other = base | {"icc_x": 0.8, "n": 2, "icc_y": 0.0}
    assert WIDGET.place(other) >= 0
    assert weight(**other) < 0.5
