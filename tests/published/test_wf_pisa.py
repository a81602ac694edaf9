"""Figures of the WF multigroup illustration: what the article prints, and what its file gives."""

import pytest

from mlteach.published import authors_file, authors_icc, printed_estimates

PRINTED = 0.0051  # half of the last printed digit, and what our own fifth decimal may add


def test_the_published_model_is_met() -> None:
    """Every printed digit; the ICCs are those of the variances as printed (.0343 became .04)."""
    ours = authors_file()["estimate"].loc[("filled", "within free, between equal")]
    names = {"CREATAS": "CREATAS~~CREATAS", "GROSAGR": "GROSAGR~~GROSAGR"}
    names["covariance"] = "CREATAS~~GROSAGR"
    for (what, country), value in printed_estimates().items():
        kind, of = what.split()
        if kind == "within":
            found = ours[f"within.{names[of]}[{country}]"]
        elif kind == "ICC":
            b, w = (
                round(ours[n], 2) for n in (f"between.{of}~~{of}", f"within.{of}~~{of}[{country}]")
            )
            found = b / (b + w)
        else:
            found = ours[f"within.{names[of]}[Albania]"] / ours[f"within.{names[of]}[Ireland]"]
        assert found == pytest.approx(value, abs=PRINTED)
    assert authors_icc("filled", "equal").loc["Ireland", "GROSAGR"] == pytest.approx(
        0.0343, abs=1e-4
    )


@pytest.mark.parametrize("values, expected", [("filled", 81.6), ("observed", 32.3)])
def test_the_data_reject_equality_between_schools(values, expected) -> None:
    llf = authors_file()["estimate"].xs("llf", level="name")[values]
    lr = 2 * (llf["within free, between free"] - llf["within free, between equal"])
    assert lr == pytest.approx(expected, abs=0.05)


def test_the_constraint_makes_the_published_order() -> None:
    for values in ("filled", "observed"):
        equal, free = (authors_icc(values, between)["CREATAS"] for between in ("equal", "free"))
        assert equal["Albania"] < equal["Ireland"]
        assert free["Albania"] > free["Ireland"]
