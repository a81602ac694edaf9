"""What imputation gives: data sets, the draws they come from, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.errors import ConvergenceWarning, shown, warn
from mlteach.missing.chains import autocorrelation, effective_size, split_rhat
from mlteach.missing.filling import ADDED
from mlteach.missing.standardised import Group

CHAINS = 4
# Chains that differ more than this have not forgotten where they began.
LARGEST_RHAT = 1.1


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

    @checked
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


# ------------------------------------------------------------------------------ tables and notes


def draws_table(draws, parts, variables, group: str | None) -> pd.DataFrame:
    """Draws of all groups in the units of the data."""
    rows, cols = np.tril_indices(len(variables))
    # The variable that comes first stands first, as in the tables of fit_multigroup.
    pairs = [f"{variables[c]}~~{variables[r]}" for r, c in zip(rows, cols, strict=True)]
    both = [f"{level}.{pair}" for level in ("within", "between") for pair in pairs]
    names = [*(f"mean.{name}" for name in variables), *both]
    columns = {}
    for part, values in zip(parts, draws, strict=True):
        suffix = "" if group is None else f"[{part.label}]"
        size = np.concatenate([part.scale, *[part.scale[rows] * part.scale[cols]] * 2])
        shift = np.concatenate([part.centre, np.zeros(2 * len(rows))])
        flat = (values * size + shift).reshape(-1, len(names))
        columns |= {f"{name}{suffix}": flat[:, k] for k, name in enumerate(names)}
    index = pd.MultiIndex.from_product(
        [range(1, CHAINS + 1), range(1, draws[0].shape[1] + 1)], names=["chain", "iteration"]
    )
    return pd.DataFrame(columns, index=index)


def diagnose(draws: pd.DataFrame, thin: int) -> pd.DataFrame:
    """Diagnostics of all parameters; warns where chains disagree."""
    values = draws.to_numpy().reshape(CHAINS, -1, draws.shape[1])
    table = pd.DataFrame(
        {
            "mean": draws.mean(),
            "sd": draws.std(),
            "rhat": split_rhat(values),
            "ess": effective_size(values),
            "autocorrelation": autocorrelation(values, thin),
        }
    ).rename_axis("parameter")
    apart = table.index[table["rhat"] > LARGEST_RHAT]
    if len(apart):
        warn(
            f"The chains do not agree on {', '.join(apart[:4])}"
            f"{' and others' if len(apart) > 4 else ''} (largest R-hat "
            f"{table['rhat'].max():.2f}). Use more rounds: burn and thin of four times as many.",
            ConvergenceWarning,
        )
    return table


def prior_table(parts, variables, group: str | None) -> pd.DataFrame:
    """Guesses of all groups in the units of the data."""
    tables = {
        part.label: pd.DataFrame(vars(part.prior), index=variables).mul(part.scale**2, axis=0)
        for part in parts
    }
    return pd.concat(tables, names=["group" if group is None else group, "variable"])


def imputation_notes(full, values, variables, parts: list[Group]) -> tuple[str, ...]:
    """How much was imputed and added, and what the data cannot tell."""
    notes = []
    N = len(full)
    if ADDED in full:
        notes.append(f"{int(full[ADDED].sum()):,} of {N:,} rows are added to fill clusters up.")
    for name, count in zip(variables, np.isnan(values).sum(axis=0), strict=True):
        if count:
            notes.append(f"{name}: {count:,} of {N:,} values imputed ({count / N:.0%}).")
            seen = sorted(full[name].dropna().unique())
            if len(seen) == 2:
                notes.append(
                    f"{name} has two values, {shown(seen[0])} and {shown(seen[1])}, and is imputed "
                    "as a number: imputed values lie between and beyond them. Do not round them if "
                    "its mean matters."
                )
    for part in parts:
        together = part.rows.masks.astype(int).T @ part.rows.masks
        for k, r in zip(*np.nonzero(np.triu(together == 0)), strict=True):
            notes.append(
                f"{variables[k]} and {variables[r]} are never observed in the same row"
                f"{'' if len(parts) == 1 else f' of {part.label}'}: their covariance within "
                "clusters comes from the prior alone."
            )
    return tuple(notes)
