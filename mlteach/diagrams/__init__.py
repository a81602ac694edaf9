"""Pictures of multilevel structures, drawn from the table that holds the data.

``unit_diagram`` shows every unit and every membership, ``classification_diagram`` the same in
short, ``structure_diagram`` both. Nothing is placed by hand: ``relations`` reads off the table
which classification is nested in which. The conventions are those of Browne, Goldstein & Rasbash
(2001), Statistical Modelling 1(2), 103-124, doi:10.1177/1471082X0100100202.
"""

from mlteach.diagrams.base import INK, NEUTRAL, OKABE_ITO
from mlteach.diagrams.classifications import classification_diagram, structure_diagram
from mlteach.diagrams.maps import area_map, neighbours, network_diagram
from mlteach.diagrams.matrices import matrix_diagram
from mlteach.diagrams.structures import relations
from mlteach.diagrams.units import unit_diagram
from mlteach.diagrams.wide import covariance_pattern, format_diagram

__all__ = [
    "INK",
    "NEUTRAL",
    "OKABE_ITO",
    "area_map",
    "classification_diagram",
    "covariance_pattern",
    "format_diagram",
    "matrix_diagram",
    "neighbours",
    "network_diagram",
    "relations",
    "structure_diagram",
    "unit_diagram",
]
