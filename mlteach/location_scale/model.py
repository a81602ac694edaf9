"""What a location-scale fit is a fit of, whether by maximum likelihood or by Bayes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked
from mlteach.core.design import Design
from mlteach.core.result import TwoLevel
from mlteach.errors import ModelError
from mlteach.location_scale.design import SCALE, LocationScaleDesign
from mlteach.location_scale.level_two import LevelTwoFunctions


def quadratic_forms(S: np.ndarray, omega: np.ndarray) -> np.ndarray:
    """Half of s'Omega s for each row s (rows, r); Omega (..., rows or 1, r, r)."""
    omega = np.broadcast_to(omega, (*omega.shape[:-3], len(S), *omega.shape[-2:]))
    return 0.5 * np.einsum("ir,...irs,is->...i", S, omega, S)


@dataclass(frozen=True, repr=False)
class LocationScaleModel(TwoLevel):
    """The model and its rows.

    Attributes
    ----------
    design : LocationScaleDesign
        Both functions, and the rows used.
    """

    design: LocationScaleDesign

    @property
    def formula(self) -> str:
        """Both functions as given."""
        return f"{self.design.mean.formula.text}; log variance {self.design.variance_text.strip()}"

    @property
    def mean_design(self) -> Design:
        """The design of the mean function."""
        return self.design.mean

    @property
    def effects(self) -> list[str]:
        """Names of the random effects, those of the mean function first."""
        return [*self.design.mean.z_names, *(SCALE + name for name in self.design.s_names)]

    @property
    def params(self) -> pd.Series:
        """Coefficients of both functions; those of the log variance with the prefix ``scale:``."""
        return self.both["estimate"]

    @property
    def both(self) -> pd.DataFrame:
        """Tables of both functions in one; names as in ``params``."""
        return pd.concat([self.mean, self.log_variance.rename(lambda name: SCALE + name)])

    @checked
    def random_at(self, data: pd.DataFrame) -> list[pd.DataFrame]:
        """Covariance matrix Omega at each row of a table of level-2 predictors.

        By Bayes it is the posterior mean.

        Raises
        ------
        ModelError
            If the model has no level-2 functions: then Omega is the same everywhere.
        """
        return [
            pd.DataFrame(omega, index=self.effects, columns=self.effects)
            for omega in self._omega_at(data)
        ]

    def _level_two(self) -> LevelTwoFunctions:
        if self.functions is None:
            raise ModelError(
                "This model has one Omega for all clusters, fit.random. For one that depends on "
                "level-2 predictors fit it with between='~ ...'."
            )
        return self.functions
