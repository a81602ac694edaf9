"""Equations in both notations."""

import pytest

from mlteach.mixed.equation import equation

RANDOM_SLOPE = {
    "outcome": "math",
    "x_names": ["Intercept", "w", "x", "w:x"],
    "varies_within": [False, False, True, True],
    "z_names": ["Intercept", "x"],
    "blocks": [(0, 1)],
}


def lines(**change):
    given = {**RANDOM_SLOPE, **change}
    factors = {k: [tuple(name.split(":")) for name in given.pop(f"{k}_names")] for k in "xz"}
    return equation(**given, **factors).splitlines()[1:-1]


def test_one_equation_a_level():
    level1, intercept, slope, distribution = lines(notation="levels")
    assert level1 == (r"\mathrm{math}_{ij} &= \beta_{0j} + \beta_{1j}\,\mathrm{x}_{ij} + e_{ij} \\")
    assert intercept == r"\beta_{0j} &= \gamma_{00} + \gamma_{01}\,\mathrm{w}_{j} + u_{0j} \\"
    assert slope == r"\beta_{1j} &= \gamma_{10} + \gamma_{11}\,\mathrm{w}_{j} + u_{1j} \\"
    assert r"\tau_{10}" in distribution
    assert r"e_{ij} \sim N(0, \sigma^2)" in distribution


def test_everything_in_one_line():
    combined, _ = lines(notation="combined")
    assert combined == (
        r"\mathrm{math}_{ij} &= \gamma_{00} + \gamma_{01}\,\mathrm{w}_{j}"
        r" + \gamma_{10}\,\mathrm{x}_{ij} + \gamma_{11}\,\mathrm{w}_{j}\,\mathrm{x}_{ij}"
        r" + u_{0j} + u_{1j}\,\mathrm{x}_{ij} + e_{ij} \\"
    )


def test_uncorrelated_effects_have_no_covariance():
    text = "\n".join(lines(notation="levels", blocks=[(0,), (1,)]))
    assert r"\tau_{10}" not in text
    assert r"u_{1j} \sim N(0, \tau_{11})" in text
    assert text.count("&\\sim") == 1


def test_a_slope_that_is_fixed_has_no_u():
    text = "\n".join(lines(notation="levels", z_names=["Intercept"], blocks=[(0,)]))
    assert "u_{1j}" not in text


def test_a_random_effect_without_fixed_part_has_no_gamma():
    text = lines(notation="levels", x_names=["Intercept"], varies_within=[False])
    assert r"\beta_{1j} &= u_{1j} \\" in text


def test_an_interaction_of_two_level_1_predictors_is_its_own_coefficient():
    text = lines(
        notation="levels",
        x_names=["Intercept", "a", "b", "a:b"],
        varies_within=[False, True, True, True],
        z_names=["Intercept"],
        blocks=[(0,)],
    )
    assert r"\beta_{3j}\,\mathrm{a}_{ij}\,\mathrm{b}_{ij}" in text[0]


def test_dummies_and_underscores_are_readable():
    text = lines(
        notation="combined", x_names=["Intercept", "sector[T.Public]", "ses_within"],
        varies_within=[False, False, True], z_names=["Intercept"], blocks=[(0,)],
    )  # fmt: skip
    assert r"\mathrm{sector\ =\ Public}_{j}" in text[0]
    assert r"\mathrm{ses\_within}_{ij}" in text[0]


def test_unknown_notation():
    with pytest.raises(ValueError, match="'levels' or 'combined'"):
        lines(notation="matrix")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mean_ses", r"\mathrm{mean\_ses}"),
        ("C(sector, contr.treatment('Public'))[T.Catholic]", r"\mathrm{sector\ =\ Catholic}"),
        ("np.log(x)", r"\mathrm{np.log(x)}"),
    ],
)
def test_names_are_shown_as_a_reader_knows_them(name, shown):
    text = lines(
        notation="combined",
        x_names=["Intercept", name],
        varies_within=[False, False],
        z_names=["Intercept"],
        blocks=[(0,)],
    )
    assert shown in text[0]
