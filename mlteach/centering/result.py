"""One predictor in every centering: the table of all that its slope can mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.result import Result, does_not_apply
from mlteach.core.summary import Summary, coefficient_table
from mlteach.mixed.hypotheses import HypothesisTest
from mlteach.mixed.result import MixedResult
from mlteach.multigroup.latent import LatentRegression

SEVERAL = "its rows are from several models; each is in fits, by name."


@dataclass(frozen=True, repr=False)
class CenteringResult(Result, made_by="mt.fit_centering(...)"):
    """One predictor, every meaning of its slope; shows as text and as HTML.

    Attributes
    ----------
    table : DataFrame
        Rows smushed, within, between, contextual, latent_within, latent_between,
        latent_contextual, fixed_effects; columns estimate, se, df, t, p, lower, upper. With several
        predictors the first level of the index is the predictor.
    specifications : DataFrame
        Which effect a coefficient is, by model specification: rows (centering of the level-1
        predictor, predictors in the model); columns with the kind of effect, estimate and se at
        level 1 and at level 2.
    phi : Series
        Per predictor, the weight of the within effect in the smushed one:
        ``smushed = phi within + (1 - phi) between`` for the variances of the smushed model. With
        several predictors the weights are a matrix, of which this is the diagonal.
    hausman : HypothesisTest
        Whether all contextual effects are zero (Mundlak's form of the Hausman test).
    latent : LatentRegression
        The two-level normal model behind the latent rows, with the reliability of cluster means.
    random_slopes : DataFrame
        With ``slopes``: the random part under constant- and cluster-mean-centering.
    fits : dict of str to MixedResult
        smushed (x alone), within (deviation alone), between (cluster mean alone), within_between
        (both parts: the REWB model), contextual (x and the cluster mean: Mundlak's model).
    data : DataFrame
        The rows used, with the centered columns.
    notes : tuple of str
        What a reader should know.
    """

    table: pd.DataFrame
    specifications: pd.DataFrame
    phi: pd.Series
    hausman: HypothesisTest
    latent: LatentRegression
    random_slopes: pd.DataFrame
    fits: dict[str, MixedResult] = field(repr=False)
    data: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...]

    @checked
    def summary(self) -> Summary:
        """Put the tables under each other."""
        fit = self.fits["within_between"]
        facts = {
            "Outcome": fit.outcome,
            "Method": "REML" if fit.reml else "ML",
            "Rows": f"{fit.nobs} in {fit.n_clusters} clusters ({fit.cluster})",
            "Weight of within in smushed": ", ".join(
                f"{name} {value:.3f}" for name, value in self.phi.items()
            ),
            "Reliability of the cluster means": ", ".join(
                f"{name} {'not known' if np.isnan(value) else f'{value:.3f}'}"
                for name, value in zip(self.phi.index, self.latent.reliability, strict=True)
            ),
            "All contextual effects zero": self.hausman.summary().facts["F"],
        }
        tables = {
            "What the slope can mean": self.table,
            "Which effect a coefficient is, by specification": self.specifications,
        }
        if len(self.random_slopes):
            tables["The random slope under both centerings"] = self.random_slopes
        title = "Within, between and contextual effects"
        converged = all(fit.converged for fit in self.fits.values())
        return Summary(title, facts, tables, self.notes, converged)

    # ------------------------------------------------------------------------ shared vocabulary

    n_parameters = does_not_apply("n_parameters", SEVERAL)
    optimizer = does_not_apply("optimizer", SEVERAL)
    deviance = does_not_apply("deviance", SEVERAL)
    llf = does_not_apply("llf", SEVERAL)
    aic = does_not_apply("aic", SEVERAL)
    bic = does_not_apply("bic", SEVERAL)
    simulate = does_not_apply("simulate", SEVERAL)
    cov_params = does_not_apply("cov_params", SEVERAL)

    @property
    def nobs(self) -> int:
        """Rows used, N."""
        return self.fits["within_between"].nobs

    @property
    def n_clusters(self) -> int:
        """Clusters, J."""
        return self.fits["within_between"].n_clusters

    @property
    def converged(self) -> bool:
        """Whether all models converged."""
        latent = self.latent.model.optimizer.converged
        return latent and all(fit.converged for fit in self.fits.values())

    @property
    def params(self) -> pd.Series:
        """Every meaning of the slope, as in ``table``."""
        return self.table["estimate"]

    @property
    def bse(self) -> pd.Series:
        """Standard errors of ``params``."""
        return self.table["se"]

    @property
    def df(self) -> pd.Series:
        """Degrees of freedom of the tests."""
        return self.table["df"]

    def _parts_of_tidy(self, level: float) -> Iterator[tuple[str, str, pd.DataFrame]]:
        table = coefficient_table(self.params, self.bse, self.df, level)
        several = table.index.nlevels > 1
        for predictor in self.phi.index:
            yield "slope", predictor, table.loc[predictor] if several else table
