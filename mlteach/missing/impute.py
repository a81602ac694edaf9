"""Multiple imputation of two-level data from a multivariate normal model, group by group.

The imputation model of a group has all its means and (co)variances on both levels free (see
:mod:`mlteach.missing.gibbs`), so it contradicts none of the two-level models that are fitted to
the imputed data. Of Python's libraries for multiple imputation, statsmodels, miceforest and
autoimpute know no clusters; in R, pan, jomo and mice's 2l.pan fit such models.

Rows without any value, in the data or added to fill clusters up, tell nothing about the parameters:
they do not slow the sampler, and are drawn when a data set is completed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, whole
from mlteach.core.columns import as_table
from mlteach.core.long_table import check_one_group
from mlteach.core.progress import Progress
from mlteach.errors import DataError
from mlteach.missing.filling import fill_clusters
from mlteach.missing.gibbs import State, gibbs
from mlteach.missing.imputations import (
    CHAINS,
    Imputations,
    diagnose,
    draws_table,
    imputation_notes,
    prior_table,
)
from mlteach.missing.patterns import check_variables, incomplete_values, refuse_missing
from mlteach.missing.standardised import Group, prepare

# Data sets a chain could give at least: with fewer rounds R-hat would be noise.
LEAST_KEPT = 5
# The chains begin with variances between clusters from a quarter to four times the guess.
SPREAD = 4.0


@checked
def impute(
    data: pd.DataFrame,
    variables: str | Sequence[str],
    *,
    cluster: str,
    group: str | None = None,
    m: int = 20,
    burn: int = 200,
    thin: int = 50,
    seed: int,
    fill: int | str | None = None,
    progress: bool = True,
) -> Imputations:
    """Impute missing values of level-1 variables several times, by a two-level normal model.

    Parameters
    ----------
    data : DataFrame
        One row a level-1 unit.
    variables : str or sequence of str
        The p numeric columns of the imputation model, those without missing values that help to
        predict included.
    cluster : str
        Column that says which cluster a row belongs to.
    group : str, optional
        Column of groups, whole clusters each; every group has its own means and (co)variances.
    m : int, default 20
        Data sets. They come from four chains in turn.
    burn, thin : int, default 200 and 50
        Rounds of each chain before its first data set is on its way, and from one to the next. A
        chain runs for at least five data sets, even if fewer are asked for.
    seed : int
        The same seed gives the same data sets.
    fill : int or "largest", optional
        Add rows to clusters that have fewer than so many (or than the largest cluster), with all
        variables missing, and impute these too. They carry the cluster, the group and all columns
        that are constant within clusters; other columns are missing there.
    progress : bool, default True
        Show a bar, round by round, when it takes more than two seconds.

    Returns
    -------
    Imputations

    Raises
    ------
    DataError
        If a column is missing, not numeric or infinite; a row has no cluster or group; a cluster
        lies in two groups; a group has one cluster only; a variable has no value, no variance or no
        variance within clusters in a group; or if nothing is missing.
    ModelError
        If an argument is not a whole number of the right size.

    Warns
    -----
    ConvergenceWarning
        If R-hat of a parameter is above 1.1: use more rounds.

    Notes
    -----
    Priors: flat for means; ``Within ~ IW(p, p W0)``, ``Between ~ IW(p, p B0)``. R's mice gives pan
    the same degrees of freedom and identity matrices, which with an ICC of .03 would pull the
    variance between clusters upwards; here W0 and B0 are diagonal, from the mean squares of the
    observed values (a guess of B0 below W0/100 is set to that). Results do not depend on units.

    A variable of two values, such as 0 and 1, is taken as a number: its imputed values lie between
    and beyond these, and a note says so. Left as they are, they keep its mean; rounded to 0 and 1
    they would bias it (Horton, Lipsitz & Parzen 2003, doi:10.1198/0003130032314). A category needs
    one column of 0 and 1 for each level but one.

    Imputation assumes that values are missing at random given the variables of the model and the
    cluster. Full-information maximum likelihood, ``fit_multigroup``, assumes the same and needs no
    imputation. Rows added by ``fill`` bring no information, but a later model takes them for data:
    where it holds parameters equal across groups, it weighs each cluster as if all its members had
    answered, and its estimates move away from those of full information.

    Examples
    --------
    >>> import mlteach as mt
    >>> hsb = mt.load("hsb")
    >>> hsb["math"] = hsb["math"].where(hsb["ses"] > -1)
    >>> imputed = mt.impute(hsb, ["math", "ses"], cluster="school", m=4, seed=1)
    >>> imputed
    <Imputations: 4 data sets of 7,185 rows>
    Note: math: 757 of 7,185 values imputed (11%).
    >>> fits = imputed.fit(lambda d: mt.fit_empty("math", d, cluster="school"))
    >>> mt.pool(fits)["estimate"].round(1).to_dict()
    {'Intercept': 12.7}

    References
    ----------
    Schafer & Yucel (2002), Journal of Computational and Graphical Statistics 11(2),
    doi:10.1198/106186002760180608. Rubin (1987), Multiple imputation for nonresponse in surveys,
    doi:10.1002/9780470316696.
    """
    data = as_table(data)
    variables = check_variables(data, variables, "impute", group, cluster)
    numbers = {"m": (m, 1), "burn": (burn, 0), "thin": (thin, 1), "seed": (seed, 0)}
    for name, (value, least) in numbers.items():
        whole(name, value, least)
    incomplete_values(data, variables, "impute")
    refuse_missing(data, cluster)
    if group is not None:
        refuse_missing(data, group)
        check_one_group(data, cluster, group)
    full = data if fill is None else fill_clusters(data, variables, cluster, group, fill)
    values = incomplete_values(full, variables, "impute")
    if not np.isnan(values).any():
        raise DataError(
            f"Nothing is missing in {', '.join(variables)}, and no row is added: there is nothing "
            "to impute."
        )
    parts = prepare(full, values, variables, cluster, group)
    imputed, draws = _run(parts, m, burn, thin, seed, progress)
    draws = draws_table(draws, parts, variables, group)
    diagnostics = diagnose(draws, thin)
    return Imputations(
        data=tuple(_completed(full, variables, values, one) for one in imputed),
        draws=draws,
        diagnostics=diagnostics,
        prior=prior_table(parts, variables, group),
        variables=tuple(variables),
        cluster=cluster,
        group=group,
        burn=burn,
        thin=thin,
        seed=seed,
        notes=imputation_notes(full, values, variables, parts),
    )


def _run(parts: list[Group], m: int, burn: int, thin: int, seed: int, progress: bool):
    """Completed values (m, N, p), and for each group its draws (chains, rounds, k)."""
    keep = max(LEAST_KEPT, -(-m // CHAINS))
    N = sum(len(part.at) for part in parts)
    values = np.empty((CHAINS * keep, N, parts[0].rows.p))
    factors = SPREAD ** np.linspace(-1.0, 1.0, CHAINS)
    total = len(parts) * CHAINS * (burn + thin * keep)
    draws = []
    with Progress("impute", total=total, show=progress) as bar:
        for k, part in enumerate(parts):
            chains = []
            for c, factor in enumerate(factors):
                rngs = [
                    np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(k, c, use)))
                    for use in range(2)
                ]
                # Data sets 1, 2, 3, ... come from chains 1, 2, 3, 4, 1, ...
                chains.append(_chain(part, factor, burn, thin, values[c::CHAINS], *rngs, bar))
            draws.append(np.stack(chains))
    return values[:m], draws


def _chain(
    part: Group, factor: float, burn: int, thin: int, values, rng, empty_rng, bar: Progress
) -> np.ndarray:
    """Run a chain that fills the group's rows of ``values`` (data sets, N, p); its draws.

    Rows without values have a generator of their own: adding some changes nothing else.
    """
    draws = []
    chain = islice(gibbs(part.rows, part.prior, factor, rng), burn + thin * len(values))
    for k, state in enumerate(chain, start=1 - burn):
        bar.update()
        if k >= 1:
            draws.append(state.parameters())
        if k >= 1 and k % thin == 0:
            values[k // thin - 1, part.at] = _complete(part, state, empty_rng)
    return np.array(draws)


def _complete(part: Group, state: State, rng: np.random.Generator) -> np.ndarray:
    """All values of a group, in its own units; those observed are put back by the caller."""
    p = part.rows.p
    u = rng.standard_normal((part.codes.max() + 1, p)) @ np.linalg.cholesky(state.between).T
    u[part.seen] = state.u
    e = rng.standard_normal((len(part.codes), p)) @ np.linalg.cholesky(state.within).T
    e[np.flatnonzero(part.known)[part.rows.order]] = state.e
    return part.centre + part.scale * (state.mu + u[part.codes] + e)


def _completed(full, variables, values, imputed: np.ndarray) -> pd.DataFrame:
    """The table with missing values replaced, observed ones as they were."""
    out = full.copy()
    out[variables] = np.where(np.isnan(values), imputed, values)
    return out
