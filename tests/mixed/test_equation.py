"""Equations in both notations."""

import numpy as np
import pandas as pd
import pytest

import mlteach as mt

RANDOM_SLOPE = "math ~ w * x + (1 + x | g)"


@pytest.fixture(scope="module")
def table():
    """Return eight clusters of six rows: w, sector and mean_ses are of clusters."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(8), 6)
    names = ["math", "x", "a", "b", "ses_within"]
    rows = pd.DataFrame(rng.uniform(1, 2, (48, 5)), columns=names)
    clusters = pd.DataFrame(rng.normal(size=(8, 2)), columns=["w", "mean_ses"])
    clusters["sector"] = ["Catholic", "Public"] * 4
    return rows.assign(g=g).join(clusters, on="g")


@pytest.fixture(scope="module")
def lines(table):
    def of_formula(formula, notation):
        return mt.fit_mixed(formula, table).equation(notation).splitlines()[1:-1]

    return of_formula


def test_one_equation_a_level(lines):
    level1, intercept, slope, distribution = lines(RANDOM_SLOPE, "levels")
    assert level1 == (r"\mathrm{math}_{ij} &= \beta_{0j} + \beta_{1j}\,\mathrm{x}_{ij} + e_{ij} \\")
    assert intercept == r"\beta_{0j} &= \gamma_{00} + \gamma_{01}\,\mathrm{w}_{j} + u_{0j} \\"
    assert slope == r"\beta_{1j} &= \gamma_{10} + \gamma_{11}\,\mathrm{w}_{j} + u_{1j} \\"
    assert r"\tau_{10}" in distribution
    assert r"e_{ij} \sim N(0, \sigma^2)" in distribution


def test_everything_in_one_line(lines):
    combined, _ = lines(RANDOM_SLOPE, "combined")
    assert combined == (
        r"\mathrm{math}_{ij} &= \gamma_{00} + \gamma_{01}\,\mathrm{w}_{j}"
        r" + \gamma_{10}\,\mathrm{x}_{ij} + \gamma_{11}\,\mathrm{w}_{j}\,\mathrm{x}_{ij}"
        r" + u_{0j} + u_{1j}\,\mathrm{x}_{ij} + e_{ij} \\"
    )


def test_uncorrelated_effects_have_no_covariance(lines):
    text = "\n".join(lines("math ~ w * x + (1 + x || g)", "levels"))
    assert r"\tau_{10}" not in text
    assert r"u_{1j} \sim N(0, \tau_{11})" in text
    assert text.count("&\\sim") == 1


def test_a_slope_that_is_fixed_has_no_u(lines):
    text = "\n".join(lines("math ~ w * x + (1 | g)", "levels"))
    assert "u_{1j}" not in text


def test_a_random_effect_without_fixed_part_has_no_gamma(lines):
    assert r"\beta_{1j} &= u_{1j} \\" in lines("math ~ 1 + (1 + x | g)", "levels")


def test_an_interaction_of_two_level_1_predictors_is_its_own_coefficient(lines):
    text = lines("math ~ a * b + (1 | g)", "levels")
    assert r"\beta_{3j}\,\mathrm{a}_{ij}\,\mathrm{b}_{ij}" in text[0]


def test_dummies_and_underscores_are_readable(lines):
    text = lines("math ~ sector + ses_within + (1 | g)", "combined")
    assert r"\mathrm{sector\ =\ Public}_{j}" in text[0]
    assert r"\mathrm{ses\_within}_{ij}" in text[0]


def test_unknown_notation(lines):
    with pytest.raises(ValueError, match="'levels' or 'combined'"):
        lines(RANDOM_SLOPE, "matrix")


@pytest.mark.parametrize(
    ("term", "shown"),
    [
        ("mean_ses", r"\mathrm{mean\_ses}"),
        ("C(sector, contr.treatment('Public'))", r"\mathrm{sector\ =\ Catholic}"),
        ("log(x)", r"\mathrm{log(x)}"),
    ],
)
def test_names_are_shown_as_a_reader_knows_them(lines, term, shown):
    assert shown in lines(f"math ~ {term} + (1 | g)", "combined")[0]
