"""The syntax is what lavaan ran, and what its labels say is the model: lavaan's log-likelihood.

``tests/reference/make_lavaan_syntax.R`` ran every text below in lavaan. Here the labels are read by
a few lines that know nothing of the package: they put lavaan's estimates into Sigma_W, Sigma_B and
the means, write the covariance matrix of a whole cluster out, and must find lavaan's value again.
"""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from mlteach.errors import ModelError
from mlteach.multigroup.fit import fit_multigroup
from mlteach.multigroup.lavaan import lavaan_syntax
from mlteach.multigroup.wide import to_wide
from tests.places import REFERENCE

STORED = json.loads((REFERENCE / "lavaan_syntax.json").read_text(encoding="utf-8"))
DATA = REFERENCE / "data" / "lavaan_syntax.csv"
CASES = STORED["cases"]
MEMBERS = 3
# Of a log-likelihood of some hundreds; lavaan's own sums are good to about 1e-10.
LOG_LIKELIHOOD = 1e-7
# lavaan stops where its objective is flat to 1e-10. (The groups here are of one size, so that its
# two-level estimator reaches the maximum, too.)
MAXIMUM = 1e-5


def name_of(case):
    settings = [f"{k}={v}" for k, v in case["settings"].items()]
    return f"{case['form']}-p{len(case['variables'])}-K{len(case['groups'])}-{'-'.join(settings)}"


@pytest.fixture(scope="module")
def long():
    assert hashlib.sha256(DATA.read_bytes()).hexdigest() == STORED["about"]["sha256"]
    return pd.read_csv(DATA, dtype={"group": str})


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_lavaan_ran_this_very_text(case):
    n = MEMBERS if case["form"] == "wide" else None
    text = lavaan_syntax(
        case["variables"], n, case["groups"], form=case["form"], **case["settings"]
    )
    assert text.split("\n") == case["syntax"]


def parameters_of(case):
    """Number of free parameters, counted from the hypotheses and not from the text."""
    p, K, settings = len(case["variables"]), len(case["groups"]), case["settings"]
    defaults = {"within": "free", "between": "equal", "means": "free"}
    times = {kind: 1 if settings.get(kind, d) == "equal" else K for kind, d in defaults.items()}
    cells = MEMBERS if settings.get("position") else 1
    each = {"within": cells * p * (p + 1) // 2, "between": p * (p + 1) // 2, "means": cells * p}
    saved = 0
    for entry in settings.get("equal", ()):
        kind = entry.split(".")[0].replace("mean", "means")
        saved += (K - 1) if times[kind] == K else 0
    return sum(each[kind] * times[kind] for kind in each) - saved


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_lavaan_counts_the_parameters_of_the_hypothesis(case):
    assert case["npar"] == len(case["estimates"]) == parameters_of(case)


def log_likelihood(case, long):
    """Log-likelihood of lavaan's estimates, all rows of a cluster written out."""
    p, value = len(case["variables"]), 0.0
    for k, group in enumerate(case["groups"], start=1):

        def estimate(kind, *names, at="", own=f"g{k}"):
            parts = [part for part in (kind, *names, at) if part]
            found = [".".join([*parts, *tail]) for tail in ([], [own])]
            (label,) = [label for label in found if label in case["estimates"]]
            return case["estimates"][label]

        def matrix(kind, at="", read=estimate):
            x = case["variables"]
            return np.array(
                [[read(kind, *sorted((a, b), key=x.index), at=at) for b in x] for a in x]
            )

        cells = [str(i) if case["settings"].get("position") else "" for i in (1, 2, 3)]
        sigma = np.kron(np.ones((MEMBERS, MEMBERS)), matrix("B"))
        for i, at in enumerate(cells):
            sigma[i * p : (i + 1) * p, i * p : (i + 1) * p] += matrix("W", at)
        mean = [estimate("M", x, at=at) for at in cells for x in case["variables"]]
        wide = to_wide(long[long["group"] == group], case["variables"], cluster="cluster")
        value += multivariate_normal(mean, sigma).logpdf(wide.to_numpy()).sum()
    return value


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_labels_mean_the_model(case, long):
    assert case["logl"] == pytest.approx(log_likelihood(case, long), abs=LOG_LIKELIHOOD)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_the_syntax_is_the_model_of_fit_multigroup(case, long):
    rows = long[long["group"].isin(case["groups"])]
    rows = rows.assign(place=rows.groupby("cluster").cumcount() + 1)
    settings = dict(case["settings"])
    position = "place" if settings.pop("position", False) else None
    fit = fit_multigroup(
        case["variables"], rows, cluster="cluster", group="group", position=position, **settings
    )
    assert fit.n_parameters == case["npar"]
    assert fit.llf == pytest.approx(case["logl"], abs=MAXIMUM)


def test_two_parameters_never_share_a_label():
    with pytest.raises(ModelError, match="same label"):
        lavaan_syntax(["a", "a.b", "b.b", "b"], 2)


def test_a_group_called_all_is_a_group_like_another():
    assert "c(W.x.x.g1, W.x.x.g2)" in lavaan_syntax("x", 2, ("all", "others"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variables": []}, "at least one"),
        ({"variables": ["x", "x"]}, "none of them twice"),
        ({"variables": ["1st"]}, "cannot read the name '1st'"),
        ({"variables": ["school type"]}, "cannot read the name"),
        ({"variables": ["if"]}, "cannot read the name 'if'"),
        ({"variables": [3]}, "cannot read the name 3"),
        ({"variables": ["x", "u"], "n": ("x", "pre")}, "same name"),
        ({"n": None}, "needs n"),
        ({"n": 0}, "not a number of members"),
        ({"n": 2.5}, "not a whole number"),
        ({"n": ("pre", "pre")}, "n=.*none of them twice"),
        ({"n": ("pre", "a b")}, "cannot read the position 'a b'"),
        ({"groups": ("a", "a")}, "none of them twice"),
        ({"groups": ('a"b', "c")}, "quotation mark"),
        ({"form": "long"}, "'wide' or 'two-level'"),
        ({"form": "two-level"}, "neither n nor position"),
        ({"n": None, "form": "two-level", "position": True}, "neither n nor position"),
        ({"within": "same"}, "within='same'"),
        ({"equal": "between.x~~z"}, "names z"),
    ],
)
def test_a_request_that_cannot_be_met(arguments, message):
    request = {"variables": ["x", "y"], "n": 2} | arguments
    with pytest.raises(ModelError, match=message):
        lavaan_syntax(**request)
