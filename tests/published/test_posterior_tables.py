"""Posteriors of the location-scale models beside the published ones (reference/make_posterior.py).

A number counts as met if it is within 0.15 published posterior SD, an SD within 10%, DIC within 5,
after half a unit of the last printed digit. What is not met has its cause here.
"""

import csv
import json

import pytest

from tests.places import REFERENCE, ROOT

MEAN, SD, DIC = 0.15, 0.10, 5.0
MODELS = json.loads((REFERENCE / "posterior.json").read_text())["models"]
# The paper on High School and Beyond does not print the guess of its inverse-Wishart prior. The
# variances of slopes lean on it: .26 with ours from separate fits, .33 with a guess of .40; in
# Model 4 also .013 and .016 (guess .020). With both guesses, 1.75 times ours, everything is met
# (the entries "stated"), but they were chosen to do so. The talk on London states no prior; with a
# flat one everything is met, with the paper's the correlation of slope and variance would be .62
# and not .76.
SLOPE = {"mean/slope_variance", "mean/intercept_slope_correlation"}
NOT_MET = {
    "hsb_2": SLOPE,
    # Not the prior of London's models either.
    "hsb_2_flat": SLOPE
    | {
        "mean/intercept_variance",
        "log_variance/intercept_variance",
        "cross/corr_intercept_intercept",
        "cross/corr_slope_intercept",
    },
    "hsb_3": SLOPE,
    "hsb_4": SLOPE
    | {
        "log_variance/slope_variance",
        "cross/corr_intercept_slope",
        "cross/corr_slope_slope",
    },
}


def published(model):
    data, number = model.split("_")[:2]
    with (ROOT / "data" / f"published_{data}_location_scale.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["model"] == number]


def half_unit(printed: str) -> float:
    """Half a unit of the last digit of a number as printed."""
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


def is_met(row, ours) -> bool:
    off = abs(ours[0] - float(row["posterior_mean"])) - half_unit(row["posterior_mean"])
    if row["part"] == "fit":
        return off <= DIC
    sd = float(row["posterior_sd"])
    off_sd = abs(ours[1] - sd) - half_unit(row["posterior_sd"])
    return off <= MEAN * sd and off_sd <= SD * sd


@pytest.mark.parametrize("model", MODELS)
def test_published_numbers_are_met_but_for_the_named(model):
    rows, ours = published(model), MODELS[model]
    missed = {
        key for row in rows if not is_met(row, ours[key := f"{row['part']}/{row['parameter']}"])
    }
    assert len(ours) == len(rows)
    assert missed <= NOT_MET.get(model, set())


def test_every_model_is_there():
    london = {f"london_{number}" for number in (2, 3, 4, 5)}
    stated = {f"hsb_{number}_stated" for number in (2, 3, 4)}
    assert {"hsb_1", *stated, *NOT_MET, *london} == set(MODELS)
    entries = ("hsb_2", "hsb_2_stated", "hsb_2_flat")
    slope = [MODELS[k]["mean/slope_variance"][0] for k in entries]
    assert slope[0] < 0.30 < slope[1] < 0.36 < slope[2]
    # What chapter 11 quotes.
    assert slope[2] == pytest.approx(0.39, abs=0.01)
    assert MODELS["hsb_2_flat"]["cross/corr_slope_intercept"][0] == pytest.approx(0.55, abs=0.02)
