"""Published numbers of the mixed model, at the precision they are printed with.

The numbers are data: ``reference/published_mixed.csv``, one printed number a row, with its source.
A value agrees if it rounds to what is printed.

The design of the book also quotes 46503.67 for the cross-level REML deviance on hsb. The minimum is
46503.66287 (lme4 polished by Newton steps agrees, see ``reference/lme4.json``), which rounds to
46503.66; that number is therefore tested at the precision of the minimum only.

Three numbers of Raudenbush and Bryk's intercepts- and slopes-as-outcomes model are not in the file,
because their program stopped a little short of the minimum: the slope variance (.15), the residual
variance (36.70), and the coefficient 1.03. The last test shows that the coefficients belong to
these variances, and how short. Their MEANSES is .006 higher than the mean of ses in each school.
"""

import functools
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import mlteach as mt
from tests.places import REFERENCE

TABLE = pd.read_csv(REFERENCE / "published_mixed.csv", dtype=str)
TABLE["name"] = TABLE["name"].fillna("")
ROUNDING = 1e-9  # of the last printed digit: a value that lies exactly on the edge still agrees


@functools.cache
def data(name):
    """Return a shipped data set, with the derived columns of the published models."""
    frame = mt.load(name)
    if name == "hsb":
        frame["ses_within"] = frame["ses"] - frame["mean_ses"]
    if name == "language":
        frame["iq"] = frame["iq_verbal"] - frame["iq_verbal"].mean()
        frame["iq_mean"] = frame.groupby("school")["iq"].transform("mean")
    return frame


@functools.cache
def fit(name, formula, method):
    """Fit each published model once."""
    return mt.fit_mixed(formula, data(name), reml=method == "reml")


def ours(row):
    """Return our value of a published quantity."""
    result = fit(row.data, row.formula, row.method)
    look_up = {
        "estimate": lambda: result.params[row.name_],
        "se": lambda: result.bse[row.name_],
        "variance": lambda: result.variances.loc[row.name_, "estimate"],
        "lr": lambda: result.lr_test_random.statistic,
        "llf": lambda: result.llf,
        "deviance": lambda: result.deviance,
    }
    return look_up[row.quantity]()


ROWS = list(TABLE.rename(columns={"name": "name_"}).itertuples(index=False))


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.model}-{r.quantity}-{r.name_}".strip("-"))
def test_rounds_to_the_printed_number(row):
    printed = Decimal(row.printed)
    last_digit = float(Decimal(1).scaleb(printed.as_tuple().exponent))
    assert abs(ours(row) - float(printed)) <= (0.5 + ROUNDING) * last_digit


def test_every_number_has_a_source():
    assert TABLE["source"].str.len().gt(10).all()
    assert not TABLE.duplicated(["model", "quantity", "name", "printed"]).any()


# ------------------------------------------------------------------------- short of the minimum


def generalised_least_squares(design, tau, sigma2):
    """Return the coefficients and the REML deviance at given variances, school by school."""
    XVX, XVy, rest = 0.0, 0.0, 0.0
    for j in range(len(design.labels)):
        rows = design.codes == j
        X, Z, y = design.X[rows], design.Z[rows], design.y[rows]
        V = Z @ tau @ Z.T + sigma2 * np.eye(len(y))
        VX, Vy = np.linalg.solve(V, X), np.linalg.solve(V, y)
        XVX, XVy = XVX + X.T @ VX, XVy + X.T @ Vy
        rest += np.linalg.slogdet(V)[1] + y @ Vy
    beta = np.linalg.solve(XVX, XVy)
    free = len(design.y) - len(beta)
    rest += np.linalg.slogdet(XVX)[1] - XVy @ beta + free * np.log(2 * np.pi)
    return beta, rest


def test_coefficients_of_the_hlm_table_belong_to_its_variances():
    formula = "math ~ ses_within * (I(mean_ses + 0.006) + catholic) + (1 + ses_within | school)"
    best = fit("hsb", formula, "reml")
    covariance = best.tau.iloc[0, 1]
    _, deviance = generalised_least_squares(best.design, best.tau.to_numpy(), best.sigma2)
    assert deviance == pytest.approx(best.deviance, abs=1e-6)
    tau = np.array([[2.38, covariance], [covariance, 0.15]])
    beta, deviance = generalised_least_squares(best.design, tau, 36.70)
    assert [f"{b:.2f}" for b in beta] == ["12.10", "2.94", "5.33", "1.23", "1.03", "-1.64"]
    assert 0.0 < deviance - best.deviance < 0.1
    assert f"{best.params.iloc[4]:.2f}" == "1.04"  # and not the printed 1.03
