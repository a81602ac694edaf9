"""Multiple imputation of two-level data from a multivariate normal model, group by group.

The imputation model of a group has all its means and (co)variances on both levels free (see
:mod:`mlteach.missing.gibbs`), so it contradicts none of the two-level models that are fitted to
the imputed data. Of Python's libraries for multiple imputation, statsmodels, miceforest and
autoimpute know no clusters; in R, pan, jomo and mice's 2l.pan fit such models.

Rows without any value, in the data or added to fill clusters up, tell nothing about the parameters:
they do not slow the sampler, and are drawn when a data set is completed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mlteach.core.arguments import whole
from mlteach.core.columns import as_table
from mlteach.core.lazy import lazy_import
from mlteach.core.long_table import check_one_group
from mlteach.core.progress import Progress
from mlteach.errors import ConvergenceWarning, DataError, shown
from mlteach.missing.chains import autocorrelation, effective_size, split_rhat
from mlteach.missing.filling import ADDED, fill_clusters
from mlteach.missing.gibbs import IncompleteRows, Prior, State, default_prior, gibbs
from mlteach.missing.patterns import (
    check_variables,
    group_rows,
    incomplete_values,
    refuse_missing,
    refuse_without_variation,
)

pd = lazy_import("pandas")

CHAINS = 4
# Data sets a chain could give at least: with fewer rounds R-hat would be noise.
LEAST_KEPT = 5
# Chains that differ more than this have not forgotten where they began.
LARGEST_RHAT = 1.1
# The chains begin with variances between clusters from a quarter to four times the guess.
SPREAD = 4.0


@dataclass(frozen=True, repr=False)
class Imputations:
    """Completed data sets, and the chains they come from.

    Attributes
    ----------
    data : tuple of DataFrame
        The m completed data sets. Observed values, index and other columns are those of the
        original; imputed variables are float64; ``added`` marks rows added by ``fill``.
    draws : DataFrame
        Parameters of the imputation model after burn-in: index (chain, iteration), columns such as
        ``mean.x1[ALB]``, ``within.x1~~x2[ALB]``, ``between.x1~~x1[ALB]`` (no bracket without
        ``group``).
    diagnostics : DataFrame
        One row a parameter: mean, sd, rhat (split R-hat), ess (effective sample size) of the draws,
        and autocorrelation between one data set of a chain and the next.
    prior : DataFrame
        Guesses of the variances within and between clusters, one row a group and variable; each
        weighs as much as p rows or p clusters.
    variables : tuple of str
    cluster, group : str, str or None
    burn, thin, seed : int
    notes : tuple of str
        How much was imputed and added, and what the data cannot tell.
    """

    data: tuple[pd.DataFrame, ...]
    draws: pd.DataFrame
    diagnostics: pd.DataFrame
    prior: pd.DataFrame
    variables: tuple[str, ...]
    cluster: str
    group: str | None
    burn: int
    thin: int
    seed: int
    notes: tuple[str, ...]

    @property
    def m(self) -> int:
        """Number of data sets."""
        return len(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return iter(self.data)

    def fit(self, function: Callable[[pd.DataFrame], object]) -> list:
        """Apply a function, such as a fit, to each data set; a list for :func:`pool`."""
        results = []
        for k, data in enumerate(self.data, start=1):
            try:
                results.append(function(data))
            except Exception as error:
                error.add_note(f"This happened in data set {k} of {self.m} imputed ones.")
                raise
        return results

    def __repr__(self) -> str:
        lines = [f"<Imputations: {self.m} data sets of {len(self.data[0]):,} rows>"]
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])


def impute(
    data: pd.DataFrame,
    variables: Sequence[str],
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
    variables : sequence of str
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
    others = [cluster] if group is None else [cluster, group]
    data = as_table(data)
    variables = check_variables(data, variables, "impute", others)
    numbers = {"m": (m, 1), "burn": (burn, 0), "thin": (thin, 1), "seed": (seed, 0)}
    for name, (value, least) in numbers.items():
        whole(name, value, least)
    incomplete_values(data, variables, "impute")
    for column in others:
        refuse_missing(data, column)
    if group is not None:
        check_one_group(data, cluster, group)
    full = data if fill is None else fill_clusters(data, variables, cluster, group, fill)
    values = incomplete_values(full, variables, "impute")
    if not np.isnan(values).any():
        raise DataError(
            f"Nothing is missing in {', '.join(variables)}, and no row is added: there is nothing "
            "to impute."
        )
    parts = _prepare(full, values, variables, cluster, group)
    imputed, draws = _run(parts, m, burn, thin, seed, progress)
    draws = _draws_table(draws, parts, variables, group)
    diagnostics = _diagnose(draws, thin)
    return Imputations(
        data=tuple(_completed(full, variables, values, one) for one in imputed),
        draws=draws,
        diagnostics=diagnostics,
        prior=_prior_table(parts, variables, group),
        variables=tuple(variables),
        cluster=cluster,
        group=group,
        burn=burn,
        thin=thin,
        seed=seed,
        notes=_notes(full, values, variables, parts),
    )


# ----------------------------------------------------------------------------- one group at a time


@dataclass(frozen=True)
class _Group:
    """A group ready to sample: standardised rows, and what is needed to put values back.

    ``at`` are the group's rows in the table, ``codes`` their clusters (0 to J - 1), ``known`` the
    rows with at least one value, ``seen`` the clusters with such a row.
    """

    label: Hashable
    at: np.ndarray
    codes: np.ndarray
    known: np.ndarray
    seen: np.ndarray
    rows: IncompleteRows
    prior: Prior
    centre: np.ndarray
    scale: np.ndarray


def _prepare(full, values, variables, cluster: str, group: str | None) -> list[_Group]:
    """Check each group and sort its rows."""
    ids = full[cluster]
    return [
        _prepare_group(label, at, values[at], pd.factorize(ids.iloc[at])[0], variables, group)
        for label, at in group_rows(full, group)
    ]


def _prepare_group(label, at, y, codes, variables, group: str | None) -> _Group:
    place = "" if group is None else f" in the group {label}"
    refuse_without_variation(y, variables, place)
    if codes.max() < 1:
        raise DataError(f"There is a single cluster{place}: clusters cannot be told from rows.")
    _refuse_one_level(y, codes, variables, place)
    centre, scale = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
    known = ~np.isnan(y).all(axis=1)
    seen, seen_codes = np.unique(codes[known], return_inverse=True)
    rows = IncompleteRows.from_values(((y - centre) / scale)[known], seen_codes)
    return _Group(label, at, codes, known, seen, rows, default_prior(rows), centre, scale)


def _refuse_one_level(y, codes, variables, place: str) -> None:
    """Refuse variables whose variances within and between clusters cannot be told apart."""
    for name, column in zip(variables, y.T, strict=True):
        seen = ~np.isnan(column)
        grouped = pd.Series(column[seen]).groupby(codes[seen])
        spread = grouped.max() - grouped.min()
        if (grouped.size() < 2).all() or len(spread) < 2:
            raise DataError(
                f"'{name}' is observed{place} in {len(spread)} clusters, at most "
                f"{grouped.size().max()} times in one: variances within and between clusters "
                "cannot be told apart."
            )
        if (spread == 0.0).all():
            raise DataError(
                f"'{name}' is constant within every cluster{place}: it is a variable of clusters, "
                "and only variables of rows can be imputed."
            )


def _run(parts: list[_Group], m: int, burn: int, thin: int, seed: int, progress: bool):
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
    part: _Group, factor: float, burn: int, thin: int, values, rng, empty_rng, bar: Progress
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


def _complete(part: _Group, state: State, rng: np.random.Generator) -> np.ndarray:
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
    complete = np.where(np.isnan(values), imputed, values)
    for k, name in enumerate(variables):
        out[name] = complete[:, k]
    return out


# ------------------------------------------------------------------------------ tables and notes


def _draws_table(draws, parts, variables, group: str | None) -> pd.DataFrame:
    """Draws of all groups in the units of the data."""
    rows, cols = np.tril_indices(len(variables))
    columns = {}
    for part, values in zip(parts, draws, strict=True):
        suffix = "" if group is None else f"[{part.label}]"
        size = np.concatenate([part.scale, *[part.scale[rows] * part.scale[cols]] * 2])
        shift = np.concatenate([part.centre, np.zeros(2 * len(rows))])
        names = [f"mean.{name}" for name in variables]
        for level in ("within", "between"):
            # The variable that comes first stands first, as in the tables of fit_multigroup.
            names += [
                f"{level}.{variables[c]}~~{variables[r]}" for r, c in zip(rows, cols, strict=True)
            ]
        flat = (values * size + shift).reshape(-1, len(names))
        columns |= {f"{name}{suffix}": flat[:, k] for k, name in enumerate(names)}
    index = pd.MultiIndex.from_product(
        [range(1, CHAINS + 1), range(1, draws[0].shape[1] + 1)], names=["chain", "iteration"]
    )
    return pd.DataFrame(columns, index=index)


def _diagnose(draws: pd.DataFrame, thin: int) -> pd.DataFrame:
    """Diagnostics of all parameters; warns where chains disagree."""
    values = draws.to_numpy().reshape(CHAINS, -1, draws.shape[1])
    rounds = values.shape[1]
    lag = autocorrelation(values, thin) if thin < rounds else np.full(draws.shape[1], np.nan)
    table = pd.DataFrame(
        {
            "mean": draws.mean(),
            "sd": draws.std(),
            "rhat": split_rhat(values),
            "ess": effective_size(values),
            "autocorrelation": lag,
        }
    ).rename_axis("parameter")
    apart = table.index[table["rhat"] > LARGEST_RHAT]
    if len(apart):
        warnings.warn(
            f"The chains do not agree on {', '.join(apart[:4])}"
            f"{' and others' if len(apart) > 4 else ''} (largest R-hat "
            f"{table['rhat'].max():.2f}). Use more rounds: burn and thin of four times as many.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return table


def _prior_table(parts, variables, group: str | None) -> pd.DataFrame:
    """Guesses of all groups in the units of the data."""
    column = "group" if group is None else group
    rows = [
        {
            column: part.label,
            "variable": name,
            "within": part.prior.within[k] * part.scale[k] ** 2,
            "between": part.prior.between[k] * part.scale[k] ** 2,
        }
        for part in parts
        for k, name in enumerate(variables)
    ]
    return pd.DataFrame(rows).set_index([column, "variable"])


def _note_on_two_values(name: str, column: pd.Series) -> list[str]:
    seen = sorted(column.dropna().unique())
    if len(seen) > 2:
        return []
    return [
        f"{name} has two values, {shown(seen[0])} and {shown(seen[1])}, and is imputed as a number:"
        " imputed values lie between and beyond them. Do not round them if its mean matters."
    ]


def _notes(full, values, variables, parts: list[_Group]) -> tuple[str, ...]:
    notes = []
    N = len(full)
    if ADDED in full:
        notes.append(f"{int(full[ADDED].sum()):,} of {N:,} rows are added to fill clusters up.")
    for name, count in zip(variables, np.isnan(values).sum(axis=0), strict=True):
        if count:
            notes.append(f"{name}: {count:,} of {N:,} values imputed ({count / N:.0%}).")
            notes += _note_on_two_values(name, full[name])
    for part in parts:
        together = part.rows.masks.astype(int).T @ part.rows.masks
        for k, r in zip(*np.nonzero(np.triu(together == 0)), strict=True):
            notes.append(
                f"{variables[k]} and {variables[r]} are never observed in the same row"
                f"{'' if len(parts) == 1 else f' of {part.label}'}: their covariance within "
                "clusters comes from the prior alone."
            )
    return tuple(notes)
