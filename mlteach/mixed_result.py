"""The fitted two-level linear mixed model: everything a reader may ask of it.

A :class:`MixedResult` is the estimates and the questions that can be put to them; each answer is
computed when asked for, by a function of another module. Numbers are in the units of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlteach import account, effects, inference
from mlteach.design import varies_within
from mlteach.equations import Equation, equation
from mlteach.inference import LikelihoodRatioTest
from mlteach.lazy import lazy_import
from mlteach.mixed_estimates import MixedEstimates
from mlteach.results import Summary

pd = lazy_import("pandas")


@dataclass(frozen=True, repr=False)
class MixedResult(MixedEstimates):
    """A fitted two-level model: its estimates, and the questions that can be put to them.

    Attributes
    ----------
    design : Design
        Formula, matrices and cluster labels of the rows used.
    problem : ProfiledDeviance
        The deviance that was minimised.
    optimizer : OptRecord
        How the minimum was found.
    ddf : str
        Method for the degrees of freedom of ``df``, ``pvalues`` and ``summary()``.
    """

    # -------------------------------------------------------------------------- tests and intervals

    @cached_property
    def lr_test_random(self) -> LikelihoodRatioTest:
        """Likelihood-ratio test against the model without random effects."""
        none = self.problem.value_and_gradient(np.zeros(self.problem.map.m))[0]
        weights = inference.no_variance_weights(self.problem)
        m = self.problem.map.m
        return inference.likelihood_ratio_test(none - self.optimizer.f_end, m, weights)

    def confint(
        self, method: str = "wald", which: str = "fixed", level: float = 0.95
    ) -> pd.DataFrame:
        """Confidence intervals of coefficients and variance components.

        Parameters
        ----------
        method : {"wald", "profile"}
            Wald limits use the standard errors; profile limits the deviance itself. Variance
            components get their intervals on the scale of SD and correlation.
        which : {"fixed", "random", "all"}
            Coefficients, variance components (as SDs and correlations), or both.
        level : float, default 0.95

        Returns
        -------
        DataFrame
            Columns estimate, lower, upper; with "all", the first level of the index says which
            part a row belongs to.

        Raises
        ------
        ModelError
            For an unknown method or part.
        """
        # Imported here: root finding is the one part of the package that needs scipy.optimize.
        from mlteach import intervals

        return intervals.confint(self, method, which, level)

    # ------------------------------------------------------------------- clusters and rows

    @cached_property
    def _blups(self) -> np.ndarray:
        """Conditional means of the random effects, user's units, shape (J, q)."""
        return effects.blups(self.problem, self.theta)

    def ranef(self) -> pd.DataFrame:
        """Predicted random effects (BLUPs), with their conditional standard deviations.

        Returns
        -------
        DataFrame, shape (J, 2q)
            Index: cluster ids. A column per effect and, in ``<name>_sd``, the standard deviation
            of the effect given the data and the estimated parameters (lme4's ``condVar``).

        Examples
        --------
        >>> import mlteach as mt
        >>> effects = mt.fit_empty("math", mt.load("hsb"), cluster="school").ranef()
        >>> effects.loc[1224].round(3).to_dict()
        {'Intercept': -2.664, 'Intercept_sd': 0.871}
        """
        names = list(self.design.z_names)
        table = pd.DataFrame(self._blups, index=self.design.labels, columns=names)
        sd = np.sqrt(np.clip(np.diagonal(self.cov_ranef, axis1=1, axis2=2), 0.0, None))
        return table.join(
            pd.DataFrame(sd, index=self.design.labels, columns=[f"{n}_sd" for n in names])
        )

    @cached_property
    def cov_ranef(self) -> np.ndarray:
        """Conditional covariance matrices of the random effects, shape (J, q, q)."""
        return effects.conditional_covariance(self.problem, self.theta)

    @property
    def fitted(self) -> pd.Series:
        """Predictions for the rows used, random effects included, shape (N,)."""
        random = np.einsum("iq,iq->i", self.design.Z, self._blups[self.design.codes])
        return pd.Series(self._fixed_part + random, index=self.design.index, name="fitted")

    @property
    def resid(self) -> pd.Series:
        """Level-1 residuals: outcome minus ``fitted``, shape (N,)."""
        return pd.Series(self.design.y - self.fitted, index=self.design.index, name="resid")

    @property
    def marginal_resid(self) -> pd.Series:
        """Outcome minus the fixed part of the prediction, shape (N,)."""
        return pd.Series(
            self.design.y - self._fixed_part, index=self.design.index, name="marginal_resid"
        )

    @cached_property
    def _fixed_part(self) -> np.ndarray:
        return self.design.X @ self.params.to_numpy()

    def predict(self, data: pd.DataFrame | None = None, *, random: bool = True) -> pd.Series:
        """Predict the outcome of rows, in known or in new clusters.

        Parameters
        ----------
        data : DataFrame, optional
            Rows with the predictors and, if ``random``, the cluster column; the rows of the fit
            by default.
        random : bool, default True
            Add the predicted random effects of known clusters. New clusters get the fixed part,
            which is their expectation; their ids are listed in ``attrs["new_clusters"]``.

        Returns
        -------
        Series
            Indexed like ``data``.

        Raises
        ------
        DataError
            Missing column or value, or a category that the fit never saw.
        """
        if data is None:
            fixed = pd.Series(self._fixed_part, index=self.design.index, name=self.outcome)
            return self.fitted.rename(self.outcome) if random else fixed
        values, new = effects.predict(
            self.design, self.params.to_numpy(), self._blups if random else None, data
        )
        out = pd.Series(values, index=data.index, name=self.outcome)
        out.attrs["new_clusters"] = new
        return out

    def simulate(self, rng: np.random.Generator, n: int = 1) -> np.ndarray:
        """Draw outcomes from the fitted model: new clusters, new residuals, the same predictors.

        Parameters
        ----------
        rng : numpy.random.Generator
        n : int, default 1
            Number of data sets.

        Returns
        -------
        ndarray, shape (N, n)
        """
        root = effects.tau_root(self.problem, self.theta)
        u = rng.standard_normal((n, self.n_clusters, root.shape[1])) @ root.T
        between = np.einsum("iq,niq->in", self.design.Z, u[:, self.design.codes])
        within = np.sqrt(self.sigma2) * rng.standard_normal((self.nobs, n))
        return self._fixed_part[:, None] + between + within

    # --------------------------------------------------------------------------------- telling

    @property
    def notes(self) -> list[str]:
        """What a reader of this fit should know, in plain words."""
        notes = [] if self.converged else [f"NOT CONVERGED: {self.optimizer.status}."]
        if len(self.dropped):
            notes.append(account.dropped_note(self.design))
        return notes + self._boundary_notes

    @property
    def singular(self) -> bool:
        """Whether the estimate lies on the boundary: a zero variance or a correlation of ±1."""
        return bool(self._boundary_notes)

    @cached_property
    def _boundary_notes(self) -> list[str]:
        return account.boundary_notes(self)

    def equation(self, notation: str = "levels") -> Equation:
        """The model in LaTeX.

        Parameters
        ----------
        notation : {"levels", "combined"}
            One equation a level, or all in one line.
        """
        d = self.design
        return equation(self.outcome, d.x_names, varies_within(d), d.z_names, d.blocks, notation)

    def summary(self, ddf: str | None = None) -> Summary:
        """Both sides of the model: coefficients, and variance components.

        Parameters
        ----------
        ddf : str, optional
            Method for the degrees of freedom; the fit's own by default.
        """
        return account.summary(self, self._ddf(ddf))

    def __repr__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()
