"""Published studies: their designs and printed numbers, to be run again and compared."""

import importlib

# Read when first used: each needs a fitter, or a file of numbers.
_HOME = {
    "agreement": "wf_criteria",
    "authors_file": "wf_pisa",
    "authors_icc": "wf_pisa",
    "conditions": "wf_simulation",
    "criteria": "wf_criteria",
    "draw_groups": "wf_simulation",
    "draw_schools": "spurious_precision",
    "estimates": "location_scale",
    "fit_groups": "wf_simulation",
    "fit_models": "spurious_precision",
    "printed_dic": "location_scale",
    "printed_estimates": "wf_pisa",
    "printed_location_scale": "location_scale",
    "printed_moments": "wf_pisa",
    "published": "wf_criteria",
    "separate_fits": "location_scale",
    "stored_run": "wf_simulation",
    "stored_seconds": "wf_simulation",
    "true_groups": "wf_simulation",
    "true_schools": "spurious_precision",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'mlteach.published' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mlteach.published.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
