"""What every fit of a location-scale model knows of itself, however it was fitted."""

from __future__ import annotations

from dataclasses import dataclass

from mlteach.location_scale.design import SCALE, LocationScaleDesign


@dataclass(frozen=True, repr=False)
class LocationScaleModel:
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
    def outcome(self) -> str:
        """Name of the outcome."""
        return self.design.mean.formula.outcome

    @property
    def cluster(self) -> str:
        """Name of the cluster column."""
        return self.design.mean.formula.cluster

    @property
    def nobs(self) -> int:
        """Rows used, N."""
        return len(self.design.mean.y)

    @property
    def n_clusters(self) -> int:
        """Clusters, J."""
        return len(self.design.mean.labels)

    @property
    def effects(self) -> list[str]:
        """Names of the random effects, those of the mean function first."""
        return [*self.design.mean.z_names, *(SCALE + name for name in self.design.s_names)]

    @property
    def _dropped_notes(self) -> list[str]:
        return [self.design.dropped_note] if self.design.dropped_note else []
