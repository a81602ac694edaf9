"""Whatever stands in the place of an argument: an answer, or a refusal in the package's own words.

One test a function: each argument in turn is replaced by things that nobody should pass.
"""

import inspect
import warnings
from dataclasses import is_dataclass, replace
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from mlteach import diagrams, plots

AWKWARD = [
    None, "", "nope", "math ~ ", 0, -1, 1.5, float("nan"), True, 1j, b"x", [], ["nope"], [None],
    {}, {"nope": 1}, {"nope": "x"}, ("math", 1), {1, 2}, np.array([]), np.array([1.0, 2.0]),
    np.array([[1, 2], [3, 4]]), pd.DataFrame(), pd.Series([1, 2]), pd.NaT, object(), len, 10**40,
]  # fmt: skip


@cache
def data():
    hsb = mt.load("hsb")
    some = hsb[hsb["school"].isin(sorted(hsb["school"].unique())[:14])].reset_index(drop=True)
    table = mt.center(some, "ses", cluster="school")
    return table.assign(gaps=table["math"].mask(table.index % 7 == 0))


@cache
def fitted(name):
    fitters = {
        "empty": lambda: mt.fit_empty("math", data(), cluster="school"),
        "slope": lambda: mt.fit_mixed(
            "math ~ ses_within * sector + (1 + ses_within | school)", data()
        ),
        "crossed": lambda: mt.fit_mixed("math ~ ses_within * mean_ses + (1 | school)", data()),
        "ml0": lambda: mt.fit_mixed("math ~ 1 + (1 | school)", data(), reml=False),
        "ml": lambda: mt.fit_mixed("math ~ ses_within + (1 | school)", data(), reml=False),
        "centering": lambda: mt.fit_centering("math ~ ses", data(), cluster="school"),
        "scale": lambda: mt.fit_location_scale(
            "math ~ ses_within + (1 | school)", "~ ses_within + (1 | school)", data()
        ),
        "groups": lambda: mt.fit_multigroup(
            ["math", "ses"], data(), cluster="school", group="sector"
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fitters[name]()


def compare(a, b, nested, names):
    return mt.compare(a, b, nested=nested, names=names)


def on(name, method):
    """A method of a fit that is made when it is first asked for."""
    return lambda **arguments: getattr(fitted(name), method)(**arguments)


def given(**arguments):
    """Arguments in good order; ``@name`` stands for a fit, ``@data`` for the table."""
    return arguments


def run_study(replications, seed, workers):
    def draw(rng):
        columns = ["estimate", "se", "lower", "upper"]
        return pd.DataFrame([[rng.normal(), 1.0, -2.0, 2.0]], ["x"], columns)

    return mt.run_study(draw, pd.DataFrame, replications, seed, workers=workers)


CALLS = {
    "icc": (mt.icc, given(fit="@slope", at={"ses_within": 0.0}, level=0.9)),
    "design_effect": (mt.design_effect, given(n=5, icc=0.3)),
    "effective_n": (mt.effective_n, given(N=100, n=5, icc=0.3)),
    "moulton_factor": (mt.moulton_factor, given(n=5, icc_x=0.3, icc_y=0.2)),
    "cohens_d": (mt.cohens_d, given(t=1.0, df=5)),
    "partial_r": (mt.partial_r, given(t=1.0, df=5)),
    "effect_sizes": (mt.effect_sizes, given(fit="@slope", ddf=None)),
    "r_squared": (mt.r_squared, given(m1="@slope", m0="@empty")),
    "shrinkage": (mt.shrinkage, given(fit="@slope")),
    "compare": (compare, given(a="@ml0", b="@ml", nested=True, names=None)),
    "column_icc": (
        mt.column_icc, given(data="@data", column="math", cluster="school", method="anova")
    ),
    "compare_pooling": (
        mt.compare_pooling,
        given(formula="math ~ ses", data="@data", cluster="school", slopes=(), leave="rows",
              folds=2, seed=0, reml=True),
    ),
    "fit_centering": (
        mt.fit_centering,
        given(formula="math ~ ses", data="@data", cluster="school", slopes=(), reml=True, ddf="z"),
    ),
    "center": (mt.center, given(data="@data", columns=["math"], cluster="school")),
    "simple_slopes": (
        mt.simple_slopes, given(fit="@slope", x="ses_within", by="sector", at=None, level=0.9)
    ),
    "johnson_neyman": (
        mt.johnson_neyman, given(fit="@crossed", x="ses_within", by="mean_ses", level=0.9)
    ),
    "fit_multigroup": (
        mt.fit_multigroup,
        given(variables=["math", "ses"], data="@data", cluster="school", group="sector",
              within="free", between="equal", means="free", equal=(), position=None),
    ),
    "lavaan_syntax": (
        mt.lavaan_syntax, given(variables=["x"], n=3, groups=None, equal=(), form="wide")
    ),
    "run_study": (run_study, given(replications=1, seed=1, workers=1)),
    "latent_regression": (
        mt.latent_regression,
        given(fit="@groups", outcome="math", predictors=["ses"], level=0.9),
    ),
    "test": (
        on("slope", "test"),
        given(hypothesis="ses_within", ddf=None, robust=None, level=0.9, adjust=None),
    ),
    "tests": (on("slope", "tests"), given(ddf="z", level=0.9, robust=None)),
    "confint": (on("empty", "confint"), given(method="wald", which="all", level=0.9)),
    "confint.profile": (
        on("empty", "confint"), given(method="profile", which="all", level=0.9)
    ),
    "confint.bootstrap": (
        on("empty", "confint"), given(method="bootstrap", which="all", level=0.9, n=20, seed=1)
    ),
    "groups.profile": (on("groups", "conf_int"), given(level=0.9, method="profile")),
    "conf_int": (on("slope", "conf_int"), given(level=0.9)),
    "cov_params": (on("slope", "cov_params"), given(ddf="z", robust=None)),
    "predict": (on("slope", "predict"), given(data="@data", random=True)),
    "prediction_interval": (
        on("slope", "prediction_interval"),
        given(data="@data", level=0.9, of="mean", random=True),
    ),
    "simulate": (on("slope", "simulate"), given(seed=1, n=2)),
    "variance_function": (
        on("slope", "variance_function"),
        given(x="ses_within", at=[0, 1], others=None, level=0.9),
    ),
    "implied_covariance": (
        on("slope", "implied_covariance"), given(data="@data", correlation=True)
    ),
    "equation": (on("slope", "equation"), given(notation="levels")),
    "summary": (on("slope", "summary"), given(ddf="z")),
    "scale.lr_test": (on("scale", "lr_test"), given(smaller="@ml")),
    "scale.test": (on("scale", "test"), given(hypothesis="Intercept", level=0.9, adjust=None)),
    "scale.simulate": (on("scale", "simulate"), given(seed=1, n=2)),
    "groups.conf_int": (on("groups", "conf_int"), given(level=0.9, method="wald")),
    "groups.implied": (on("groups", "implied"), given(group="Public", n=2)),
    "groups.ranef": (on("groups", "ranef"), given(group="Public")),
    "plots.caterpillar": (
        plots.caterpillar, given(fit="@empty", effect="Intercept", labels=None, ax=None)
    ),
    "plots.shrinkage": (
        plots.shrinkage,
        given(fit="@slope", effects=None, n_clusters=5, seed=0, labels=None, ax=None),
    ),
    "plots.r_squared": (plots.r_squared, given(fits="@slope", ax=None)),
    "plots.qq": (plots.qq, given(fit="@empty", level=1, effect="Intercept", ax=None)),
    "plots.residual_spread": (
        plots.residual_spread, given(fit="@empty", bins=5, labels=None, ax=None)
    ),
    "plots.coefficients": (
        plots.coefficients,
        given(fits="@slope", level=0.9, intercept=True, labels=None, ax=None),
    ),
    "plots.variance_bar": (
        plots.variance_bar, given(fits="@slope", predictors=True, share=True, ax=None)
    ),
    "plots.variance_parts": (plots.variance_parts, given(fit="@slope")),
    "plots.cluster_dots": (
        plots.cluster_dots,
        given(source="@data", y="math", cluster="school", n_clusters=3, seed=0, labels=None,
              ax=None),
    ),
    "plots.cluster_lines": (plots.cluster_lines, given(fit="@slope", x="ses_within", ax=None)),
    "plots.within_between": (
        plots.within_between, given(data="@data", x="ses", y="math", cluster="school", ax=None)
    ),
    "plots.simple_slopes": (
        plots.simple_slopes, given(fit="@slope", x="ses_within", by="sector", ax=None)
    ),
    "plots.johnson_neyman": (
        plots.johnson_neyman, given(fit="@crossed", x="ses_within", by="mean_ses", ax=None)
    ),
    "plots.variance_function": (
        plots.variance_function, given(fit="@slope", x="ses_within", ax=None)
    ),
    "plots.variance_lines": (
        plots.variance_lines,
        given(fit="@scale", x="ses_within", of="variance", color_by=None, data=None, labels=None,
              ax=None),
    ),
    "plots.contextual_triangle": (
        plots.contextual_triangle, given(effects="@centering", predictor="ses", ax=None)
    ),
    "plots.smushing": (plots.smushing, given(result="@centering", predictor="ses", ax=None)),
    "plots.cluster_variances": (plots.cluster_variances, given(fit="@scale", ax=None)),
    "plots.effects_pairs": (plots.effects_pairs, given(fit="@scale", ax=None)),
    "plots.group_quantities": (plots.group_quantities, given(fit="@groups", ax=None)),
    "plots.missing_patterns": (
        plots.missing_patterns,
        given(data="@data", variables=["gaps", "ses"], group="sector", labels=None, ax=None),
    ),
    "plots.describe": (plots.describe, given(figure=None)),
}  # fmt: skip


def made(value):
    """The fit or the table that a name stands for."""
    if not (isinstance(value, str) and value.startswith("@")):
        return value
    return data() if value == "@data" else fitted(value[1:])


@pytest.mark.parametrize("name", CALLS)
def test_awkward_arguments_are_answered_or_refused(name):
    plt.switch_backend("agg")
    function, arguments = CALLS[name]
    arguments = {key: made(value) for key, value in arguments.items()}
    refused = 0
    for key in arguments:
        for value in AWKWARD:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    function(**{**arguments, key: value})
            except mt.MLTeachError as error:
                assert len(str(error)) > 20
                refused += 1
            plt.close("all")
    assert refused >= len(AWKWARD) / 4


def stopped(fit):
    """The same fit, had its search not arrived."""
    off = {"converged": False, "status": "did not converge: stopped"}
    if isinstance(fit, mt.MultigroupResult):
        return replace(fit, fit=replace(fit.fit, record=replace(fit.optimizer, **off)))
    return replace(fit, optimizer=replace(fit.optimizer, **off)) if is_dataclass(fit) else fit


@pytest.mark.parametrize("name", ["slope", "scale", "groups"])
def test_a_fit_that_did_not_converge_has_no_standard_errors(name):
    fit = stopped(fitted(name))
    tidy = fit.tidy()
    assert tidy["estimate"].notna().all()
    assert tidy[["se", "statistic", "p", "lower", "upper"]].isna().all(axis=None)
    assert "NOT CONVERGED" in repr(fit) and "NOT CONVERGED" in fit._repr_html_()


@pytest.mark.parametrize("name", CALLS)
def test_a_fit_that_did_not_converge_is_answered_or_refused(name, monkeypatch):
    """Numbers, NaN or our own error, whatever is asked of it in good order."""
    plt.switch_backend("agg")
    whole = fitted
    monkeypatch.setitem(globals(), "fitted", lambda name: stopped(whole(name)))
    function, arguments = CALLS[name]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            function(**{key: made(value) for key, value in arguments.items()})
    except mt.MLTeachError as error:
        assert len(str(error)) > 20
    plt.close("all")


def test_arguments_in_good_order_are_answered():
    plt.switch_backend("agg")
    for name, (function, arguments) in CALLS.items():
        if name != "plots.describe":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", mt.ConvergenceWarning)
                function(**{key: made(value) for key, value in arguments.items()})
            plt.close("all")


PUBLIC = {
    f"{module.__name__}.{name}": function
    for module in (mt, plots, diagrams)
    for name in module.__all__
    if inspect.isfunction(function := getattr(module, name))
}
RESULTS = (mt.MixedResult, mt.LocationScaleResult, mt.MultigroupResult, mt.CenteringResult)
PUBLIC |= {
    f"{result.__name__}.{name}": getattr(result, name)
    for result in RESULTS
    for name in ("conf_int", "tidy", "simulate", "predict", "test", "summary", "cov_params")
    if inspect.isfunction(getattr(result, name, None))
}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_an_argument_that_there_is_not_is_refused_by_name(name):
    with pytest.raises(mt.MLTeachError, match="zzz|missing a required argument"):
        PUBLIC[name](zzz=1)


def wants_a_fit(function):
    """Whether the first argument is a fit of some kind, and nothing else will do."""
    parameters = [str(p.annotation) for p in inspect.signature(function).parameters.values()]
    kinds = parameters[0].split(" | ") if parameters else [""]
    return all(kind.endswith(("Result", "Posterior")) for kind in kinds)


@pytest.mark.parametrize("name", [name for name, f in sorted(PUBLIC.items()) if wants_a_fit(f)])
def test_what_is_no_fit_is_refused_whoever_is_asked(name):
    parameters = inspect.signature(PUBLIC[name]).parameters
    fit, *others = (key for key, p in parameters.items() if p.default is p.empty)
    another = fitted("empty" if parameters[fit].annotation == "MultigroupResult" else "groups")
    for value, shown in (
        (3, "3"),
        (data(), "<DataFrame>"),
        (another, f"<{type(another).__name__}>"),
    ):
        with pytest.raises(mt.ModelError, match=f": {fit}={shown} is not a fit of mt.fit_"):
            PUBLIC[name](**dict.fromkeys(others), **{fit: value})


def test_every_function_that_wants_a_fit_is_found():
    assert sum(map(wants_a_fit, PUBLIC.values())) >= 22
