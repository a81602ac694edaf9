"""A column's name is a name, whatever is in it: tables, notes and equations say the same."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach.core.formula import written

ODD = ["a:b", "0", "", "1e3", "x[T.b]", "C(x)", "I(x**2)", "x + z", "scale:x", "u`v", "'x'", "("]
rng = np.random.default_rng(5)
g = np.repeat(np.arange(24), 8)
TABLE = pd.DataFrame({"g": g, "z": rng.normal(size=192)})
TABLE["x"] = rng.normal(size=24)[g] + rng.normal(size=192)
TABLE["y"] = rng.normal(size=24)[g] + (1 + rng.normal(size=24)[g]) * TABLE["x"]
TABLE["y"] += np.exp(0.5 * rng.normal(size=24)[g]) * rng.normal(size=192)


def models(x: str, table: pd.DataFrame) -> dict:
    formula = f"y ~ {x} * z + (1 + {x} | g)"
    return {
        "mixed": mt.fit_mixed(formula, table),
        "scale": mt.fit_location_scale(f"y ~ {x} + (1 | g)", f"~ {x} + (1 | g)", table),
    }


PLAIN = models("x", TABLE)


@pytest.mark.parametrize("name", ODD)
def test_any_name_of_a_predictor(name):
    table = TABLE.rename(columns={"x": name})
    own = models(written(name), table)
    for kind, fit in own.items():
        tidy, expected = fit.tidy(), PLAIN[kind].tidy()
        numeric = expected.select_dtypes("number").columns
        pd.testing.assert_frame_equal(tidy[numeric], expected[numeric], rtol=1e-6)
        assert tidy["term"].is_unique or not expected["term"].is_unique
        same = [note.replace("'x'", f"'{name}'") for note in PLAIN[kind].notes]
        assert [note.replace(" as columns", "") for note in fit.notes] == same
    for notation in ("levels", "combined"):
        text, expected = (f.equation(notation) for f in (own["mixed"], PLAIN["mixed"]))
        assert text.count(r"\mathrm") == expected.count(r"\mathrm")
    weights = pd.DataFrame({name: [1.0], "z": [-1.0]})
    tests = [own["mixed"].test(weights), PLAIN["mixed"].test("x - z")]
    if "`" not in name:
        tests.append(own["mixed"].test(f"`{name}` - z = 0"))
    assert [test.chi2 for test in tests] == pytest.approx([tests[1].chi2] * len(tests), rel=1e-6)
    assert own["mixed"].test(name).chi2 == pytest.approx(PLAIN["mixed"].test("x").chi2, rel=1e-6)


def test_the_name_of_the_residual_variance_is_taken():
    table = TABLE.rename(columns={"x": "Residual"})
    assert mt.fit_mixed("y ~ Residual + (1 | g)", table).params.index[1] == "Residual"
    with pytest.raises(mt.DataError, match="called 'Residual'.*rename the column"):
        mt.fit_mixed("y ~ Residual + (1 + Residual | g)", table)


def test_a_covariance_does_not_hide_behind_an_interaction_of_its_name():
    """The covariance of a and b is not the variance of their product, which is called a:b."""
    table = TABLE.rename(columns={"x": "a", "z": "b"})
    fit = mt.fit_mixed("y ~ a * b + (a * b | g)", table)
    names = list(fit.tau)
    expected = [fit.tau.iloc[r, c] for r in range(4) for c in range(r + 1)]
    assert names == ["Intercept", "a", "b", "a:b"]
    assert fit.variances.index.is_unique
    assert sorted(fit.variances["estimate"][:-1]) == pytest.approx(sorted(expected))
    scale = mt.fit_location_scale("y ~ a * b + (a * b | g)", "~ 1", table)
    for name, (a, b) in {"cov(a, b)": ("a", "b"), "a:b": ("a:b", "a:b")}.items():
        assert fit.variances.loc[name, "estimate"] == pytest.approx(fit.tau.loc[a, b])
        assert scale.components.loc[name, "estimate"] == pytest.approx(scale.random.loc[a, b])
