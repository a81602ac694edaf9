"""The quiz before the course: what of regression and of variances the chapters take for granted."""

from __future__ import annotations

import math


def _interval(center: float, half: float) -> tuple[float, float]:
    return center - half, center + half


VALUES = {
    # Points = 20 + 3 hours + 2 girl for four hours; then with the product - hours x girl.
    "0.1": {
        "right": lambda: 20.0 + 3.0 * 4.0 + 2.0,
        "boy": lambda: 20.0 + 3.0 * 4.0,
        "one_hour": lambda: 20.0 + 3.0 + 2.0,
    },
    "0.2": {"right": lambda: 3.0 - 1.0, "boys": lambda: 3.0, "difference": lambda: -1.0},
    "0.3": {
        "right": lambda: _interval(3.0, 1.96 * 0.5),
        "one_se": lambda: _interval(3.0, 0.5),
        "around_zero": lambda: _interval(0.0, 1.96 * 0.5),
    },
    "0.4": {"right": lambda: 4 * 400, "twice": lambda: 2 * 400},
    "0.5": {
        "right": lambda: 4.0 + 9.0,
        "subtracted": lambda: 9.0 - 4.0,
        "sds_added": lambda: (math.sqrt(4.0) + math.sqrt(9.0)) ** 2,
    },
    "0.6": {
        "right": lambda: 6.0 / math.sqrt(9.0 * 16.0),
        "over_variances": lambda: 6.0 / (9.0 * 16.0),
        "slope": lambda: 6.0 / 9.0,
    },
    "0.7": {
        "right": lambda: math.exp(0.3),
        "one_plus_log": lambda: 1.0 + 0.3,
        "base_ten": lambda: 10.0**0.3,
    },
    "0.8": {
        "right": lambda: _interval(50.0, 1.96 * 10.0),
        "one_sd": lambda: _interval(50.0, 10.0),
        "of_a_mean": lambda: _interval(50.0, 1.96 * 10.0 / 10.0),
    },
    "0.9": {"right": lambda: "unknown", "equal": lambda: "equal", "different": lambda: "different"},
    "0.10": {"right": lambda: 160, "rows": lambda: 7185, "mean_of_all": lambda: 1},
}
