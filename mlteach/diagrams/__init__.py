"""Pictures of multilevel structures, drawn from the table that holds the data.

``unit_diagram`` shows every unit and every membership, ``classification_diagram`` the same in
short, ``structure_diagram`` both. Nothing is placed by hand: ``relations`` reads off the table
which classification is nested in which. The conventions are those of Browne, Goldstein & Rasbash
(2001), Statistical Modelling 1(2), 103-124, doi:10.1177/1471082X0100100202.
"""

from mlteach.core.lazy import lazy_names

# The names and their homes stand in __init__.pyi, where editors read them too.
__all__, __getattr__, __dir__ = lazy_names(__name__, __file__)
