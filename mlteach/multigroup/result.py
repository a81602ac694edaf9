"""The fitted two-level multigroup model: its estimates, and the questions put to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, one_of
from mlteach.core.notes import (
    codes_in,
    convergence_notes,
    few_clusters_note,
    undetermined_notes,
)
from mlteach.core.result import Result
from mlteach.core.sandwich import robust_note
from mlteach.core.summary import Summary, coefficient_table
from mlteach.errors import ModelError
from mlteach.multigroup import derived
from mlteach.multigroup.estimates import MultigroupEstimates
from mlteach.multigroup.wide_fit import wide_fit

NEGATIVE = "negative variance"
HELD = "on the boundary"


@dataclass(frozen=True, repr=False)
class MultigroupResult(MultigroupEstimates, Result, made_by="mt.fit_multigroup(...)"):
    """A fitted multigroup model of means and (co)variances; see :class:`MultigroupEstimates`."""

    # --------------------------------------------------------------------------------- parameters

    @checked
    def conf_int(self, level: float = 0.95, *, method: str = "wald") -> pd.DataFrame:
        """Confidence intervals of the parameters.

        Parameters
        ----------
        level : float, default 0.95
        method : {"wald", "profile"}, default "wald"
            Estimate plus and minus a multiple of the standard error, or all values that a
            likelihood-ratio test does not reject.

        Returns
        -------
        DataFrame
            Columns lower, upper.
        """
        one_of("method", method, ("wald", "profile"))
        if method == "wald":
            return super().conf_int(level)
        if self.bounded:
            raise ModelError(
                'A profile crosses the bound. Use method="wald", or profile the fit without '
                "bounded=True."
            )
        # Imported here: root finding needs scipy.optimize, which takes long to load.
        from mlteach.multigroup.profile import profile_limits

        return profile_limits(self, level)

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """One row a free parameter: what it is, estimate, se, z, p, lower, upper, and a flag.

        ``flag`` says "negative variance" of a variance below zero, and "on the boundary" of what
        ``bounded=True`` holds.
        """
        tests = coefficient_table(self.params, self.bse, self.df).rename(columns={"t": "z"})
        table = self.model.table.join(tests.drop(columns="df"))
        variance = (table["left"] == table["right"]).to_numpy()
        flag = np.where(variance & (self.params < 0).to_numpy(), NEGATIVE, "")
        table["flag"] = np.where(self.held, HELD, flag)
        return table

    # -------------------------------------------------------------------------------- derived ones

    icc_table = cached_property(derived.icc_table)

    @cached_property
    def icc(self) -> pd.DataFrame:
        """ICC: a row a group, a column a variable."""
        table = self.icc_table["estimate"].unstack("variable", sort=False)
        return table.rename_axis(index=self.data.group, columns=None)

    variance_ratios = cached_property(derived.variance_ratios)
    correlations = cached_property(derived.correlations)
    wide_fit = wide_fit

    # ------------------------------------------------------------------------------------ clusters

    ranef = derived.ranef
    simulate = derived.simulate

    # ------------------------------------------------------------------------------------- account

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        notes = list(convergence_notes(self))
        if not self.converged:
            notes.append(
                "Without a maximum there are no standard errors. There may be too few clusters for "
                "so many free parameters: set some equal, or try bounded=True."
            )
        notes += [*self.data.notes, *self._data_notes]
        lost = self.params.index[self.undetermined]
        if self.converged and len(lost):
            notes += undetermined_notes([list(lost)], "set some parameters equal")
        notes += [robust_note(self.n_clusters)] if self.robust else []
        negative = self.parameters.index[self.parameters["flag"] == NEGATIVE]
        if len(negative):
            notes.append(_negative_note(list(negative)))
        for name, matrices in (("Between", self.between), ("Within", self.within)):
            notes += [
                f"{name} matrix of {g!r}: a correlation beyond 1, a negative eigenvalue."
                for g, matrix in matrices.items()
                if (np.diag(matrix) > 0).all()
                and np.linalg.eigvalsh(matrix)[0] < -1e-9 * np.trace(matrix)
            ]
        if self.fit.is_on_boundary:
            held = ", ".join(self.parameters.index[self.held])
            notes.append(
                "A Between matrix is on the boundary: "
                + (f"{held} cannot move." if held else "a correlation is 1 or -1.")
                + " Standard errors take the boundary as known."
            )
        return tuple(notes)

    @property
    def _data_notes(self) -> list[str]:
        """Few clusters and codes for missing values, group by group."""
        notes, several = [], len(self.groups) > 1
        for g, part in zip(self.groups, self.data.parts, strict=True):
            notes.append(few_clusters_note(len(part.labels), f" in group {g!r}" if several else ""))
        columns = zip(map(str, self.variables), self.data.values.T, strict=True)
        notes += codes_in(dict(columns), np.concatenate([part.codes for part in self.data.parts]))
        return [note for note in notes if note]

    @checked
    def summary(self) -> Summary:
        """Facts, the parameters, the derived quantities and notes; prints and shows as HTML."""
        facts = {
            "Variables": ", ".join(map(str, self.variables)),
            "Groups": ", ".join(
                f"{g} ({len(part.labels)} clusters, {len(part.Y)} rows)"
                for g, part in zip(self.groups, self.data.parts, strict=True)
            ),
            "Log-likelihood": f"{self.llf:.4f} with {self.n_parameters} parameters",
            "AIC, BIC": f"{self.aic:.1f}, {self.bic:.1f}",
            "Search": self.fit.record.status,
        }
        keep = ["estimate", "se", "z", "p", "lower", "upper"]
        tables = {"Parameters": self.parameters[keep], "Intraclass correlations": self.icc_table}
        if len(self.variance_ratios):
            tables["Variance ratios"] = self.variance_ratios
        return Summary("Two-level multigroup model", facts, tables, self.notes, self.converged)

    def _parts_of_tidy(self, level: float) -> Iterator[tuple[str, str, pd.DataFrame]]:
        table = self.parameters.assign(**self.conf_int(level), df=np.inf)
        for (part, group), rows in table.groupby(["level", "group"], sort=False):
            terms = [n.removeprefix(f"{part}.").removesuffix(f"[{group}]") for n in rows.index]
            yield part, group, rows.set_axis(terms)


def _negative_note(names: list[str]) -> str:
    """What a negative variance means, on each level."""
    text = f"Negative variance: {', '.join(names)}."
    if any(name.startswith("between") for name in names):
        text += (
            " The cluster means differ less than sampling within clusters would make them; zero is "
            "usually inside the interval. bounded=True keeps the matrix possible."
        )
    if any(name.startswith("within") for name in names):
        text += (
            " A position's variance is smaller than its covariance with other positions, which is "
            "the variance between: one effect of the cluster, the same at all positions, does not "
            "describe these data."
        )
    return text
