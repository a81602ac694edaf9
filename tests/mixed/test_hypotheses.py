"""Linear hypotheses: against lmerTest, pbkrtest and clubSandwich, closed forms, and bad input."""

import functools
import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

import mlteach as mt
from mlteach.core.distributions import f_sf
from mlteach.errors import FormulaError, ModelError
from mlteach.mixed.degrees_of_freedom import DDF_METHODS
from mlteach.mixed.hypotheses import read_hypothesis
from tests.dense import small_data
from tests.places import REFERENCE

CASES = json.loads((REFERENCE / "tests.json").read_text())["cases"]
RANK = json.loads((REFERENCE / "rank.json").read_text())["cases"]
PAIRS = [(case, name) for case in CASES for name in case["tests"]]

F_RELATIVE = 1e-6  # lme4 stops a little before the optimum
# The distance from a null value next to the estimate is a small difference: F has that error.
F_ABSOLUTE = 1e-6
DF = 1e-5  # relative; lmerTest differentiates numerically
SCALE = 1e-6  # absolute; a factor between 0 and 1
LOG_P = 1e-4  # absolute, of log p: what an error of 1e-6 in an F of 150 makes of it

each_pair = pytest.mark.parametrize(
    ("case", "name"), PAIRS, ids=[f"{case['id']}-{name}" for case, name in PAIRS]
)


@functools.cache
def fit_named(case_id):
    case = next(c for c in CASES if c["id"] == case_id)
    assert hashlib.sha256((REFERENCE / case["data"]).read_bytes()).hexdigest() == case["sha256"]
    data = pd.read_csv(REFERENCE / case["data"])
    for column, expression in (case["derive"] or {}).items():
        data[column] = data.eval(expression)
    return mt.fit_mixed(case["formula"], data)


def equations(fit, reference):
    """Write a reference contrast as equations, with the names in our order."""
    ours = {frozenset(name.split(":")): name for name in fit.params.index}
    texts = []
    for row, null in zip(reference["rows"], reference["null"], strict=True):
        terms = (f"{w} * {ours[frozenset(name.split(':'))]}" for name, w in row.items())
        texts.append(f"{' + '.join(terms)} = {null}")
    return texts


def same_f(test, reference):
    assert test.statistic == pytest.approx(reference["f"], rel=F_RELATIVE, abs=F_ABSOLUTE)
    assert test.df_num == reference["df_num"]
    assert test.df_den == pytest.approx(reference["df_den"], rel=DF)
    assert np.log(test.p) == pytest.approx(np.log(reference["p"]), rel=1e-6, abs=LOG_P)
    assert test.scale == pytest.approx(reference.get("scale", 1.0), abs=SCALE)


@each_pair
def test_satterthwaite_against_lmertest(case, name):
    fit, reference = fit_named(case["id"]), case["tests"][name]
    same_f(fit.test(equations(fit, reference)), reference["satterthwaite"])


@each_pair
def test_kenward_roger_against_pbkrtest(case, name):
    fit, reference = fit_named(case["id"]), case["tests"][name]
    same_f(fit.test(equations(fit, reference), ddf="kenward-roger"), reference["kenward_roger"])


@pytest.mark.parametrize("kind", ["CR0", "CR2"])
@each_pair
def test_htz_against_clubsandwich(case, name, kind):
    fit, reference = fit_named(case["id"]), case["tests"][name]
    test = fit.test(equations(fit, reference), robust=kind)
    same_f(test, reference[kind])
    assert test.chi2 == pytest.approx(reference[kind]["chi2"], rel=F_RELATIVE, abs=F_ABSOLUTE)


# ------------------------------------------------------------------------------- closed forms


@pytest.fixture(scope="module")
def hsb_fit(hsb):
    data = mt.center(hsb, "ses", cluster="school")
    return mt.fit_mixed("math ~ ses_within * sector + ses_between + (1 | school)", data)


@pytest.fixture(scope="module")
def balanced():
    """12 clusters of 5: every exact result of the analysis of variance holds."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(12), 5)
    x, w = np.tile(np.arange(5.0), 12), np.repeat(np.arange(12) % 3, 5)
    y = 2 + 0.5 * x + w + rng.normal(size=12)[g] + rng.normal(size=60)
    return pd.DataFrame({"y": y, "x": x, "w": w.astype(str), "g": g})


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger", "between-within"])
def test_balanced_data_give_the_f_of_the_analysis_of_variance(balanced, ddf):
    fit = mt.fit_mixed("y ~ w + x + (1 | g)", balanced)
    assert not fit.singular
    test = fit.test(["w[T.1]", "w[T.2]"], ddf=ddf)
    means = balanced.groupby("g").agg(y=("y", "mean"), w=("w", "first"))
    expected = stats.f_oneway(*(group["y"] for _, group in means.groupby("w")))
    assert test.statistic == pytest.approx(expected.statistic, rel=1e-7)
    assert test.df_den == pytest.approx(9, rel=1e-6)
    assert test.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert test.scale == pytest.approx(1.0, abs=1e-6)


METHODS = [{"ddf": m} for m in DDF_METHODS] + [{"robust": "CR0"}, {"robust": "CR2"}]


@pytest.mark.parametrize("options", METHODS, ids=str)
def test_one_coefficient_is_its_row_of_the_table(hsb_fit, options):
    for name in hsb_fit.params.index:
        test = hsb_fit.test(name, **options)
        expected = hsb_fit.tests(**options).loc[name]
        np.testing.assert_allclose(test.table.loc[name], expected, rtol=1e-10)
        assert test.statistic == pytest.approx(expected["t"] ** 2, rel=1e-10)
        assert test.df_den == pytest.approx(expected["df"], rel=1e-10)
        assert test.p == pytest.approx(expected["p"], rel=1e-6)
        assert test.scale == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize("options", METHODS, ids=str)
def test_wald_is_the_quadratic_form(hsb_fit, options):
    test = hsb_fit.test(["ses_within = 2", "ses_between - ses_within = 1"], **options)
    cov, C = hsb_fit.cov_params(**options).to_numpy(), test.contrasts.to_numpy()
    distance = C @ hsb_fit.params - [2, 1]
    expected = distance @ np.linalg.solve(C @ cov @ C.T, distance)
    assert test.chi2 == pytest.approx(expected, rel=1e-9)
    assert test.p_chi2 == pytest.approx(stats.chi2.sf(expected, 2), rel=1e-9)
    assert test.statistic == pytest.approx(test.scale * expected / 2, rel=1e-12)


def test_methods_without_a_correction(hsb_fit):
    rows = ["ses_within", "ses_between"]
    z, residual, bw = (hsb_fit.test(rows, ddf=m) for m in ("z", "residual", "between-within"))
    assert z.df_den == np.inf
    assert z.p == pytest.approx(z.p_chi2, rel=1e-12)
    assert residual.df_den == hsb_fit.nobs - 5
    # ses_between and sector are between, with the intercept: 160 - 3.
    assert bw.df_den == 157
    assert bw.table["df"].tolist() == [7185 - 160 - 2, 157]


def test_estimate_is_of_the_combination_and_t_of_its_distance(hsb_fit):
    test = hsb_fit.test("ses_within = 2", level=0.9)
    row, own = test.table.loc["ses_within"], hsb_fit.tests(level=0.9).loc["ses_within"]
    same = ["estimate", "se", "lower", "upper"]
    np.testing.assert_allclose(row[same], own[same], rtol=1e-12)
    assert row["t"] == pytest.approx((own["estimate"] - 2) / own["se"], rel=1e-12)
    assert test.null == "ses_within = 2"


def test_a_limit_of_the_interval_is_the_null_value_with_p_of_a_twentieth(hsb_fit):
    limit = hsb_fit.tests().loc["ses_within", "lower"]
    assert hsb_fit.test(f"ses_within = {limit:.17g}").p == pytest.approx(0.05, rel=1e-9)


def test_satterthwaite_of_several_rows_has_at_least_two_degrees_of_freedom():
    """Below two, the t-values that F is put together from have no variance to match."""
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(4), [2, 4, 9, 17])
    v, w = rng.normal(size=4)[g], rng.normal(size=4)[g]
    y = rng.normal(size=4)[g] + rng.normal(size=32)
    fit = mt.fit_mixed("y ~ v + w + (1 | g)", pd.DataFrame({"y": y, "v": v, "w": w, "g": g}))
    assert not fit.singular
    assert fit.tests().loc["w", "df"] < 2
    assert fit.test(["v", "w"]).df_den == 2.0


def test_f_tail():
    assert f_sf(2.5, 3, 7.2) == pytest.approx(stats.f.sf(2.5, 3, 7.2), rel=1e-12)
    assert f_sf(2.5, 3, np.inf) == pytest.approx(stats.chi2.sf(7.5, 3), rel=1e-12)


@pytest.mark.parametrize("options", METHODS, ids=str)
@given(seed=st.integers(0, 300), log_scale=st.floats(-3, 3))
def test_units_of_a_predictor_change_nothing(options, seed, log_scale):
    y, X, _, codes = small_data(seed, J=14, q=1, sizes=(2, 9))
    data, scale = pd.DataFrame({"y": y, "x": X[:, 1], "w": X[:, 2], "g": codes}), 10.0**log_scale
    fits = [mt.fit_mixed("y ~ x + w + (1 | g)", t) for t in (data, data.assign(x=scale * data.x))]
    assume(not fits[0].singular)
    for rows in (["x"], ["x", "w"]):
        a, b = (fit.test(rows, **options) for fit in fits)
        assert b.statistic == pytest.approx(a.statistic, rel=1e-5, abs=1e-7)
        assert b.chi2 == pytest.approx(a.chi2, rel=1e-5, abs=1e-7)
        # Satterthwaite's rotation of several rows depends on their units, in lmerTest too.
        if len(rows) == 1 or options != {"ddf": "satterthwaite"}:
            assert b.df_den == pytest.approx(a.df_den, rel=1e-4, nan_ok=True)


@given(st.integers(0, 300))
def test_rows_of_the_same_space_are_the_same_test(seed):
    y, X, _, codes = small_data(seed, J=14, q=1, sizes=(2, 9))
    fit = mt.fit_mixed(
        "y ~ x + w + (1 | g)", pd.DataFrame({"y": y, "x": X[:, 1], "w": X[:, 2], "g": codes})
    )
    for options in ({"ddf": "kenward-roger"}, {"robust": "CR2"}):
        a = fit.test(["x = 1", "w = 2"], **options)
        b = fit.test(["x + w = 3", "w - x = 1"], **options)
        assert b.statistic == pytest.approx(a.statistic, rel=1e-8)
        assert b.df_den == pytest.approx(a.df_den, rel=1e-7, nan_ok=True)


def test_the_null_distribution_of_the_joint_test():
    """400 data sets of 10 unequal clusters: F rejects at its level where chi-square does not."""
    rng = np.random.default_rng(2)
    n = rng.integers(2, 9, 10)
    g, N = np.repeat(np.arange(10), n), n.sum()
    v, w, x = rng.normal(size=10)[g], rng.normal(size=10)[g], rng.normal(size=N)
    p = []
    for _ in range(400):
        y = rng.normal(size=10)[g] + rng.normal(size=N)
        fit = mt.fit_mixed("y ~ v + w + x + (1 | g)", pd.DataFrame(dict(y=y, v=v, w=w, x=x, g=g)))
        test = fit.test(["v", "w"], ddf="kenward-roger")
        robust = fit.test(["v", "w"], robust="CR2")
        p.append((test.p, test.p_chi2, robust.p))
    kenward_roger, chi2, robust = (np.array(p) < 0.05).mean(axis=0)
    allowed = 3 * np.sqrt(0.05 * 0.95 / 400)  # three binomial standard errors
    assert abs(kenward_roger - 0.05) < allowed
    assert chi2 > 0.05 + allowed
    assert robust < 0.05 + allowed


# ------------------------------------------------------------------------------------- reading

NAMES = [
    "Intercept",
    "ses",
    "sector[T.Public]",
    "ses:sector[T.Public]",
    'C(sector, contr.treatment("Public"))[T.Catholic]',
    "ses2",
    "I(ses ** 2)",
    "my col",
]


def weights(**at):
    row = np.zeros(len(NAMES))
    for k, w in at.items():
        row[int(k[1:])] = w
    return row.tolist()


@pytest.mark.parametrize(
    ("text", "row", "null"),
    [
        ("ses", weights(b1=1), 0),
        ("ses = 2", weights(b1=1), 2),
        ("ses == 2", weights(b1=1), 2),
        ("(Intercept) + 10*ses = 1e1", weights(b0=1, b1=10), 10),
        ("sector[T.Public] = ses", weights(b2=1, b1=-1), 0),
        ("ses:sector[T.Public]-ses=0", weights(b3=1, b1=-1), 0),
        ("`ses:sector[T.Public]` - 2 * `ses2`", weights(b3=1, b5=-2), 0),
        ('C(sector, contr.treatment("Public"))[T.Catholic] = 1', weights(b4=1), 1),
        ("I(ses ** 2) / 4 + .5 = ses2 - 1.5", weights(b6=0.25, b5=-1), -2),
        ("-(ses + 3) * 2 = 0", weights(b1=-2), 6),
        ("my col - ses", weights(b7=1, b1=-1), 0),
        ("ses + ses", weights(b1=2), 0),
        ("1 = ses", weights(b1=-1), -1),
    ],
)
def test_equations_are_read(text, row, null):
    C, values = read_hypothesis(text, NAMES)
    assert C.tolist() == [row]
    assert values.tolist() == [null]


def test_a_minus_sign_of_a_printed_page_is_read():
    C, values = read_hypothesis("ses \N{MINUS SIGN} ses2 = \N{MINUS SIGN}1", NAMES)
    assert C.tolist() == [weights(b1=1, b5=-1)]
    assert values.tolist() == [-1]


def test_lists_commas_matrices_and_tables():
    expected = [weights(b1=1), weights(b5=1)]
    for hypothesis in (
        ["ses", "ses2"],
        ("ses = 0", "ses2 = 0"),
        "ses = 0, ses2 = 0",
        np.array(expected),
        expected,
        pd.DataFrame({"ses2": [0, 1], "ses": [1, 0]}),
    ):
        C, values = read_hypothesis(hypothesis, NAMES)
        assert C.tolist() == expected
        assert values.tolist() == [0, 0]
    assert read_hypothesis(expected[0], NAMES)[0].tolist() == expected[:1]


@given(st.lists(st.integers(-5, 5), min_size=8, max_size=8), st.integers(-9, 9))
def test_any_combination_written_out_is_read_back(row, null):
    assume(any(row))
    text = " + ".join(f"{w} * {name}" for w, name in zip(row, NAMES, strict=True))
    C, values = read_hypothesis(f"{text} = {null}", NAMES)
    assert C.tolist() == [row]
    assert values.tolist() == [null]


@pytest.mark.parametrize(
    ("hypothesis", "message"),
    [
        ("sess", "no coefficient 'sess'. Did you mean 'ses'"),
        ("sector[T.Publik]", r"no coefficient 'sector\[T.Publik\]'. Did you mean"),
        ("ses:sector", "no coefficient 'ses:sector'"),
        ("`ses ` = 0", "no coefficient 'ses '. Did you mean 'ses'"),
        ("2ses", "no coefficient '2ses'"),
        ("log(ses) = 0", r"no coefficient 'log\(ses\)'"),
        ("", "empty"),
        ("ses = 0,", "cannot be read"),
        ("ses =", "cannot be read"),
        ("ses + = 2", "cannot be read"),
        ("ses ses2", "cannot be read"),
        ("ses = ses2 = 0", "more than one '='"),
        ("ses > 0", "only equality"),
        ("ses * ses2", "not linear"),
        ("1 / ses", "not linear"),
        ("ses ** 2", "not linear"),
        ("ses / 0", "not linear"),
        ("ses = 1e400", "not linear.*infinite"),
        ([], "empty"),
        ([1.0, 2.0], "needs 8 columns"),
        (np.ones((2, 3)), r"the shape \(2, 3\)"),
        (np.full((1, 8), np.nan), "missing or infinite"),
        (pd.DataFrame({"sess": [1]}), "no coefficient 'sess'"),
        (["ses", 2], "an equation such as"),
        (None, "an equation such as"),
    ],
)
def test_bad_hypotheses_say_what_is_wrong(hypothesis, message):
    with pytest.raises(FormulaError, match=message):
        read_hypothesis(hypothesis, NAMES)


@pytest.mark.parametrize(
    ("hypothesis", "message"),
    [
        ("ses_within - ses_within", "nothing to test"),
        ("1 = 1", "nothing to test"),
        (["ses_within = 1", "ses_between = 2", "ses_within + ses_between = 4"], "contradicts"),
        (["ses_within = 1", "ses_within = 2"], "contradicts"),
    ],
)
def test_rows_that_are_empty_or_contradict_are_refused(hsb_fit, hypothesis, message):
    with pytest.raises(ModelError, match=message):
        hsb_fit.test(hypothesis)


@pytest.mark.parametrize("case", RANK, ids=[case["id"] for case in RANK])
def test_rows_that_follow_from_others_against_lmertest(case):
    fit = fit_named(case["id"])
    test = fit.test(equations(fit, case))
    same_f(test, case)
    assert len(test.table) == len(case["rows"])
    assert "joint test is of the 2" in test.notes[-1]


@pytest.mark.parametrize("ddf", [*DDF_METHODS, "CR0", "CR2"])
def test_rows_that_follow_from_others_change_no_joint_test(hsb_fit, ddf):
    how = {"robust": ddf} if ddf in ("CR0", "CR2") else {"ddf": ddf}
    two = hsb_fit.test(["ses_within = 1", "ses_between = 5"], **how)
    four = hsb_fit.test(
        ["ses_within = 1", "ses_between = 5", "2 * ses_within = 2", "ses_between - ses_within = 4"],
        **how,
    )
    assert four.df_num == 2
    assert (four.chi2, four.statistic) == pytest.approx((two.chi2, two.statistic), rel=1e-9)
    if ddf != "satterthwaite":  # which depends on the units of the rows, as in lmerTest
        assert (four.df_den, four.p) == pytest.approx((two.df_den, two.p), rel=1e-7)
    assert not any("follow" in note for note in two.notes)


def test_holm_by_its_definition(hsb_fit):
    """Reject the k smallest while each is below alpha / (number of those not yet rejected)."""
    rows = ["ses_within = 2", "ses_between = 5.5", "ses_between - ses_within = 3.5"]
    table = hsb_fit.test(rows, adjust="holm").table
    for alpha in np.linspace(0.001, 0.999, 200):
        rejected, p = set(), table["p"].sort_values()
        for k, (name, value) in enumerate(p.items()):
            if value > alpha / (len(p) - k):
                break
            rejected.add(name)
        assert set(table.index[table["p_holm"] <= alpha]) == rejected
    assert "p_holm" not in hsb_fit.test(rows).table
    with pytest.raises(ModelError, match="choose 'holm'"):
        hsb_fit.test(rows, adjust="tukey")


@pytest.mark.parametrize("options", [{"ddf": "kenward-roger"}, {"robust": "CR2"}], ids=str)
def test_a_predictor_far_from_zero_costs_no_digits(options):
    """Intercept and slope are correlated to 1 - 1e-13 when x has a mean of 1e6 SDs."""
    y, X, _, codes = small_data(5, J=14, q=1, sizes=(2, 9))
    near = pd.DataFrame({"y": y, "x": X[:, 1], "g": codes})
    far = near.assign(x=near.x + 2.0**20)
    a, b = (mt.fit_mixed("y ~ x + (1 | g)", data) for data in (near, far))
    a, b = (
        a.test(["Intercept = 3", "x = 1"], **options),
        b.test(["Intercept + 1048576*x = 3", "x = 1"], **options),
    )
    columns = ["estimate", "se", "df"]
    # The shifted x itself has ten digits after its point.
    np.testing.assert_allclose(a.table[columns], b.table[columns], rtol=1e-7)
    assert b.chi2 == pytest.approx(a.chi2, rel=1e-7)
    assert b.df_den == pytest.approx(a.df_den, rel=1e-7)
    assert b.scale == pytest.approx(a.scale, rel=1e-7)


def test_unknown_methods_are_refused(hsb_fit):
    for options in ({"ddf": "bw"}, {"ddf": "all"}, {"robust": "HC1"}):
        with pytest.raises(ModelError, match="not known"):
            hsb_fit.test("ses_within", **options)
    with pytest.raises(ModelError, match="Leave ddf= out"):
        hsb_fit.test("ses_within", ddf="z", robust="CR2")
    with pytest.raises(ValueError, match=r"0\.95"):
        hsb_fit.test("ses_within", level=95)


# ------------------------------------------------------------------------------------- showing


def test_result_shows_the_joint_test_and_the_combinations(hsb_fit):
    test = hsb_fit.test(["ses_between - ses_within = 0", "ses_within = 2"])
    assert test.null == "ses_between - ses_within = 0, ses_within = 2"
    for text in (str(test), test._repr_html_()):
        assert "satterthwaite" in text
        assert f"F(2, {test.df_den:.1f}) = {test.statistic:.3f}" in text
        assert f"χ²(2) = {test.chi2:.3f}" in text
        assert "ses_between - ses_within" in text
    assert "CR2" in str(hsb_fit.test("ses_within", robust="CR2"))
    assert "F(1, ∞)" in str(hsb_fit.test("ses_within", ddf="z"))


def test_too_few_clusters_are_noted_or_refused():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(4), 6)
    data = pd.DataFrame(rng.normal(size=(24, 5)), columns=list("yabcd")).assign(g=g)
    fit = mt.fit_mixed("y ~ a + b + c + d + (1 | g)", data)
    assert any("fewer than 4" in note for note in fit.test("a", robust="CR2").notes)
    four = fit.test(["a", "b", "c", "d"], robust="CR2")
    assert np.isnan(four.p)
    assert any("too few clusters for an F-test" in note for note in four.notes)
    assert "not available" in str(four)
    # Four clusters, four scores: a sandwich of five coefficients has rank four at most.
    with pytest.raises(ModelError, match="singular"):
        fit.test(["Intercept", "a", "b", "c", "d"], robust="CR0")
