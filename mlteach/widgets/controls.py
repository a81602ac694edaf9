"""What a reader can move: sliders and choices, declared once for both lives of a widget.

A slider has a range with a step, for the live panel, and a grid of values, for the website, where
every figure is drawn beforehand. The grid is part of the range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real

from mlteach.errors import ModelError

# How far a value may be off a step of its slider, as a part of the step.
ROUNDING = 1e-6


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise ModelError(
            f"A control is named like an argument of the drawing function, as in 'tau2'; got "
            f"{name!r}."
        )


@dataclass(frozen=True)
class Slider:
    """A number that a reader moves.

    Attributes
    ----------
    name : str
        The argument of the drawing function that takes the value.
    label : str
        What a reader reads beside the slider; plain text, Greek letters as Unicode.
    start, stop, step : float
        Range and resolution. If all three and ``value`` are whole, so are the values.
    value : float
        Where the slider stands at first; one of the grid.
    unit : str, default ""
        Written behind the value.
    grid : sequence of float, optional
        The values that the website offers, increasing; by default every step. The figures of a
        widget are the product of its grids.

    Raises
    ------
    ModelError
        If the range is empty, or a value is outside of it or off its steps.

    Examples
    --------
    >>> slider = Slider("n", "members, n", 2, 100, 1, 20, grid=(2, 5, 10, 20, 50, 100))
    >>> slider.values
    (2, 5, 10, 20, 50, 100)
    >>> slider.text(50)
    '50'
    """

    name: str
    label: str
    start: float
    stop: float
    step: float
    value: float
    unit: str = ""
    grid: Sequence[float] | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not (self.step > 0 and self.stop > self.start):
            raise ModelError(
                f"Slider {self.name!r}: from {self.start} to {self.stop} by {self.step} is no "
                "range; stop must be larger than start, and step larger than zero."
            )
        for value in self.values:
            if not math.isclose(self._on_step(value), value, abs_tol=ROUNDING * self.step):
                raise ModelError(f"Slider {self.name!r}: {value} is not on a step of {self.step}.")
            self.checked(value)
        if list(self.values) != sorted(set(self.values)) or self.value not in self.values:
            raise ModelError(
                f"Slider {self.name!r}: its grid {self.values} must increase and hold the value at "
                f"the start, {self.value}."
            )

    @property
    def values(self) -> tuple[float, ...]:
        """The values that the website offers."""
        if self.grid is not None:
            # As the live slider gives them: 5.0 where the steps are not whole.
            return tuple(v if self.is_whole else float(v) for v in self.grid)
        steps = round((self.stop - self.start) / self.step)
        return tuple(self._on_step(self.start + k * self.step) for k in range(steps + 1))

    @property
    def is_whole(self) -> bool:
        """Whether the values are integers."""
        return all(isinstance(v, int) for v in (self.start, self.stop, self.step, self.value))

    @property
    def decimals(self) -> int:
        """How many decimals the step and the start have."""
        exponents = [Decimal(str(v)).as_tuple().exponent for v in (self.start, self.step)]
        return 0 if self.is_whole else max(0, *(-int(e) for e in exponents))

    def _on_step(self, value: float) -> float:
        """The step that is nearest to a value, without the noise of adding steps up."""
        steps = round((value - self.start) / self.step)
        near = self.start + steps * self.step
        return int(near) if self.is_whole else round(near, self.decimals)

    def checked(self, value: object) -> float:
        """Accept a value inside the range as an int or a float, and refuse any other.

        Examples
        --------
        >>> Slider("n", "n", 2, 100, 1, 20).checked(300)
        Traceback (most recent call last):
            ...
        mlteach.errors.ModelError: n=300 is outside of its range, 2 to 100.
        """
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ModelError(f"{self.name}={value!r} is not a number.")
        if not self.start <= value <= self.stop:
            raise ModelError(
                f"{self.name}={value} is outside of its range, {self.start} to {self.stop}."
            )
        if not self.is_whole:
            return float(value)
        if value != int(value):
            raise ModelError(f"{self.name}={value} is not a whole number.")
        return int(value)

    def text(self, value: float) -> str:
        """A value as a reader reads it, with its unit."""
        number = f"{value:,.{self.decimals}f}".replace("-", "−")
        return f"{number} {self.unit}".rstrip()


@dataclass(frozen=True)
class Choice:
    """One of a few texts.

    Attributes
    ----------
    name : str
        The argument of the drawing function that takes the text.
    label : str
        What a reader reads beside it.
    options : sequence of str
        At least two.
    value : str, optional
        The option at first; by default the first one.

    Examples
    --------
    >>> Choice("view", "look at", ("raw data", "means")).value
    'raw data'
    """

    name: str
    label: str
    options: Sequence[str]
    value: str = ""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if isinstance(self.options, str) or len(set(self.options)) < max(2, len(self.options)):
            raise ModelError(f"Choice {self.name!r} needs two or more different options.")
        object.__setattr__(self, "value", self.checked(self.value or self.options[0]))

    @property
    def values(self) -> tuple[str, ...]:
        """The options."""
        return tuple(self.options)

    def checked(self, value: object) -> str:
        """Accept one of the options, and refuse anything else."""
        if value not in self.options:
            known = ", ".join(map(repr, self.options))
            raise ModelError(f"{self.name}={value!r} is none of {known}.")
        return str(value)

    def text(self, value: str) -> str:
        """The option itself."""
        return value


Control = Slider | Choice
