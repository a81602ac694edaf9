"""Comparing fitted models: likelihood-ratio tests with the right reference, AIC and BIC.

A likelihood-ratio test asks whether the drop in deviance from a model to one that contains it is
larger than chance. Its reference is chi-square with as many degrees of freedom as parameters were
added, unless one of these is a variance: zero is the smallest a variance can be, and half of the
time chance would take it below. For one more random effect, with its s covariances, and r more
coefficients it is

    half chi-square(r + s) and half chi-square(r + s + 1)

(Stram & Lee 1994, after Self & Liang 1987). For several more random effects the weights depend on
the data; then the chi-square p-value is too large, an upper bound, and the parametric bootstrap
gives the answer: it simulates the reference from the smaller model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.lr_test import LikelihoodRatioTest, likelihood_ratio_test
from mlteach.core.result import as_generator
from mlteach.core.summary import NotedTable, format_table, notes_html
from mlteach.errors import ModelError
from mlteach.location_scale import nesting
from mlteach.location_scale.notes import boundary_notes
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.bootstrap import null_drops, p_value
from mlteach.mixed.result import MixedResult
from mlteach.multigroup import nesting as multigroup_nesting
from mlteach.multigroup.result import MultigroupResult

# Models of one outcome: mixed ones are location-scale models whose variance is a constant.
TwoLevel = MixedResult | LocationScaleResult
Fit = TwoLevel | MultigroupResult
COLUMNS = ("parameters", "llf", "deviance", "aic", "bic", "lr", "df", "p", "p_mixture")
# A larger model's deviance may lie above the smaller one's by this much: both minima are rounded.
SAME_DEVIANCE = 1e-6


@checked
def compare(
    *fits: Fit,
    nested: bool = True,
    names: Sequence[str] | None = None,
    bootstrap: int | None = None,
    seed: int | np.random.Generator | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Compare models fitted to the same rows.

    Parameters
    ----------
    *fits : MixedResult, LocationScaleResult or MultigroupResult
        Two or more, in any order; the table has them by their number of parameters, and each is
        tested against the one above it. Mixed and location-scale models can be compared with each
        other if both are fitted by maximum likelihood.
    nested : bool, default True
        Refuse models that are not nested. With False they stand in the table for their AIC and BIC,
        and the likelihood-ratio test is left blank.
    names : sequence of str, optional
        Names of the models in the order given; by default their formulas.
    bootstrap : int, optional
        Number of data sets to simulate from the smaller model of each test; both models are
        refitted to each. Adds the column p_bootstrap.
    seed : int or numpy.random.Generator, optional
        Of the bootstrap; fresh draws by default.
    progress : bool, default True
        Show the progress of the bootstrap.

    Returns
    -------
    DataFrame
        One row a model; columns parameters, llf, deviance, aic, bic, and the test against the row
        above: lr (drop in deviance), df, p (chi-square), p_mixture (with variances on the
        boundary; equals p where no variance is tested, NaN where the mixture has no closed form).
        With ``bootstrap``, p_bootstrap: the share ``(1 + #) / (n + 1)`` of simulated drops in
        deviance that reach the observed one.
        ``attrs["notes"]`` has what a reader should know.

    Raises
    ------
    ModelError
        If the models have other rows, outcomes, clusters or methods, if they are REML fits with
        different fixed effects, or if they are not nested. The message says what to do.

    Examples
    --------
    >>> import mlteach as mt
    >>> london = mt.load("london")
    >>> m0 = mt.fit_mixed("score16 ~ score11 + (1 | school)", london, reml=False)
    >>> m1 = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", london, reml=False)
    >>> mt.compare(m0, m1, names=["intercepts", "slopes"])[["lr", "df"]].round(1)
                  lr   df
    intercepts   NaN  NaN
    slopes      40.4  2.0

    A test that needs no formula for its reference:

    >>> m2 = mt.fit_mixed("score16 ~ score11 + (1 + score11 + girl | school)", london, reml=False)
    >>> table = mt.compare(m0, m2, bootstrap=99, seed=1, progress=False)
    >>> table[["p_mixture", "p_bootstrap"]].iloc[1].round(2).to_dict()
    {'p_mixture': nan, 'p_bootstrap': 0.01}

    References
    ----------
    Davison & Hinkley (1997), Bootstrap methods and their application, doi:10.1017/CBO9780511802843.
    Self & Liang (1987), Journal of the American Statistical Association 82(398),
    doi:10.1080/01621459.1987.10478472. Stram & Lee (1994), Biometrics 50(4), doi:10.2307/2533455.
    """
    _check_fits(fits, names, bootstrap)
    named = list(zip(_names(fits, names), fits, strict=True))
    named.sort(key=lambda pair: pair[1].n_parameters)
    rows, notes = [_figures(fit) for _, fit in named], _common_notes(fits)
    # One generator for all tests: their draws are independent of each other.
    rng, columns = as_generator(seed), list(COLUMNS)
    for (small, big), row in zip(pairwise(named), rows[1:], strict=True):
        test, more = _test(small, big, nested)
        if test is not None:
            row |= {"lr": test.statistic, "df": test.df, "p": test.p, "p_mixture": test.p_mixture}
            if bootstrap is not None:
                row["p_bootstrap"], failed = _bootstrapped(small[1], big, bootstrap, rng, progress)
                more += failed
        notes += more
    if bootstrap is not None:
        columns.append("p_bootstrap")
        notes.append(
            f"p_bootstrap: the share of {bootstrap} data sets simulated from the smaller model in "
            "which the drop in deviance is as large. It needs no mixture, and is as good as the "
            "smaller model's estimates and normality."
        )
    table = Comparison(rows, index=[name for name, _ in named], columns=columns)
    table.attrs["notes"] = tuple(dict.fromkeys(notes))
    return table


class Comparison(NotedTable):
    """The table of :func:`compare`; its parts are plain tables."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        return "\n".join([_as_text(self).to_string(), *(f"Note: {note}" for note in self._notes)])

    def _repr_html_(self) -> str:
        shown = _as_text(self).to_html(border=0) + notes_html(self._notes)
        return f'<div class="mlteach-summary">{shown}</div>'


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text; degrees of freedom are counts, deviances need two decimals."""
    out = format_table(pd.DataFrame(table))
    for name in ("llf", "deviance", "aic", "bic", "lr"):
        out[name] = ["" if np.isnan(v) else f"{v:.2f}" for v in table[name]]
    out["df"] = ["" if np.isnan(v) else f"{v:.0f}" for v in table["df"]]
    return out


def _figures(fit: Fit) -> dict[str, float]:
    figures = {name: getattr(fit, name) for name in ("llf", "deviance", "aic", "bic")}
    return {"parameters": fit.n_parameters, **figures}


def _names(fits: Sequence[Fit], names: Sequence[str] | None) -> list[str]:
    """Names of the rows; a formula that occurs twice is numbered."""
    if names is not None:
        return [str(name) for name in names]
    formulas = [_title(fit) for fit in fits]
    out = []
    for place, text in enumerate(formulas):
        again = formulas[:place].count(text)
        out.append(f"{text} [{again + 1}]" if again else text)
    return out


def _title(fit: Fit) -> str:
    return fit.model.title if isinstance(fit, MultigroupResult) else fit.formula


# ------------------------------------------------------------------------------------------- checks


def _check_fits(fits: Sequence[Fit], names: Sequence[str] | None, bootstrap: int | None) -> None:
    for fit in fits:
        if not isinstance(fit, Fit):
            raise ModelError(
                f"compare needs fitted models, as in compare(m0, m1), not {type(fit).__name__}."
            )
    kinds = {type(fit).__name__ for fit in fits}
    if len({isinstance(fit, MultigroupResult) for fit in fits}) > 1:
        raise ModelError(f"compare needs models of one kind; got {' and '.join(sorted(kinds))}.")
    if len(fits) < 2:
        raise ModelError(f"compare needs at least two fitted models; got {len(fits)}.")
    if names is not None and (len(names) != len(fits) or len(set(names)) != len(names)):
        raise ModelError(f"names= needs {len(fits)} different names, one a model.")
    if bootstrap is not None and not all(isinstance(fit, MixedResult) for fit in fits):
        raise ModelError(
            "The bootstrap is for mixed models. A multigroup test needs none; of "
            "location-scale models add one random effect at a time, for a known mixture."
        )
    for other in fits[1:]:
        problem = _rules(fits[0]).not_comparable(fits[0], other)
        if problem:
            raise ModelError(problem)


def _rules(fit: Fit) -> ModuleType:
    """What says whether models of this kind can be compared, and are nested."""
    return multigroup_nesting if isinstance(fit, MultigroupResult) else nesting


def _common_notes(fits: Sequence[Fit]) -> list[str]:
    notes = [
        f"'{_title(fit)}' has not converged: its likelihood is too low, and so every comparison "
        "with it is wrong."
        for fit in fits
        if not fit.converged
    ]
    if not isinstance(fits[0], MultigroupResult) and fits[0].reml:
        notes.append(
            "REML fits with the same fixed effects: the test is of the random part. AIC and BIC "
            "count the fixed effects too, as lme4 does; SAS and SPSS count only the variances and "
            "covariances, and their BIC has another N, so that AIC differences are the same "
            "everywhere and BIC differences are not."
        )
    return notes


# --------------------------------------------------------------------------- likelihood-ratio tests


def _test(
    small: tuple[str, Fit], big: tuple[str, Fit], nested: bool
) -> tuple[LikelihoodRatioTest | None, list[str]]:
    """Test a model against the next larger one; None with a note if they are not nested."""
    (small_name, m0), (big_name, m1) = small, big
    problem = _rules(m0).not_nested(m0, m1)
    if problem:
        text = f"'{small_name}' is not nested in '{big_name}': {problem}"
        if nested:
            raise ModelError(
                f"{text} A likelihood-ratio test needs a model that the other contains. Compare "
                "AIC or BIC instead: compare(..., nested=False)."
            )
        return None, [f"{text} There is no likelihood-ratio test; compare AIC or BIC."]
    drop = m0.deviance - m1.deviance
    df = m1.n_parameters - m0.n_parameters
    if df == 0:
        return None, [f"'{small_name}' and '{big_name}' are the same model written in two ways."]
    if isinstance(m0, MultigroupResult):
        # Nothing lies on a boundary: equal (co)variances are inside the parameter space.
        weights, notes = (0.0,) * df + (1.0,), []
    else:
        weights = nesting.mixture_weights(m0, m1)
        notes = _test_notes(m0, m1, big_name, weights)
    if drop < -SAME_DEVIANCE:
        notes.append(
            f"'{big_name}' has the lower likelihood although it contains the model above it: it is "
            "not at its maximum, and the test is void."
        )
    return likelihood_ratio_test(drop, df, weights), notes


def _test_notes(m0: TwoLevel, m1: TwoLevel, name: str, weights: tuple[float, ...]) -> list[str]:
    notes, mixed = [], isinstance(m1, MixedResult)
    or_ask = ", or ask for the parametric bootstrap: compare(..., bootstrap=1000)" if mixed else ""
    if not weights:
        notes.append(
            f"'{name}' has several more random effects: the mixture depends on the data. p is too "
            f"large, an upper bound; add one random effect at a time for a known mixture{or_ask}."
        )
    elif weights[-1] == 0.5:
        df = len(weights) - 1
        notes.append(
            f"'{name}' tests a variance, which cannot be negative: p_mixture is half χ²({df - 1}) "
            f"and half χ²({df}); p, from χ²({df}), is too large."
        )
    on_boundary = m0.singular if isinstance(m0, MixedResult) else boundary_notes(m0)
    if on_boundary and nesting.n_effects(m1) > 1:
        notes.append(
            f"The model above '{name}' is itself on the boundary (singular fit), where neither "
            "reference is exact."
        )
    return notes


# -------------------------------------------------------------------------------------- bootstrap


def _bootstrapped(
    m0: MixedResult, big: tuple[str, MixedResult], n: int, rng: np.random.Generator, progress: bool
) -> tuple[float, list[str]]:
    """Bootstrap p-value of a test, and a note on the refits that failed."""
    name, m1 = big
    drops = null_drops(m0, m1, n, rng, progress)
    p, failed = p_value(m0.deviance - m1.deviance, drops), int(np.isnan(drops).sum())
    if not failed:
        return p, []
    return p, [f"'{name}': {failed} of {n} data sets left out, a refit did not converge."]
