"""An exercise as data: they judge answers as ``mt.check`` does, and do not show the right one.

An exercise has targets: the right answer, each mistake, and what is nearly right. A target accepts
one interval of floating-point numbers for each value, found by bisecting the very comparison that
``mt.check`` makes, so that both agree to the last bit. It is cut into cells whose width is a
power of two. Each cell has a box under the salted digest of its number: its ends, and a share of
the key to what the target says. Only who comes with a number in the cell can open the box, compares
with the ends, and, with the shares of all values, reads the sentence. A text is a cell of its own.

This hides answers from a look at the page's source, not from somebody who tries all numbers.
The general hints are under a key that anybody can make: they are for every wrong answer.
"""

from __future__ import annotations

import math
import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256

from mlteach.exercises.answers import is_share, kind, matches
from mlteach.exercises.check import NEAR, NEARLY, RIGHT, mistakes_of
from mlteach.exercises.exercise import Exercise, computed

#: An interval has at least this many cells, and at most twice as many and one.
CELLS = 4
TAG, SHARE = 4, 8  # bytes of a digest that find a box, and of a share of a key
Part = float | str


def sealed(exercise: Exercise) -> dict[str, object]:
    """Make data of an exercise.

    Parameters
    ----------
    exercise : Exercise

    Returns
    -------
    dict
        ``kinds`` ("number", "share" for one that may be in percent, "text") of the values
        asked for, their names ``parts``, ``choices``, ``salt``, ``targets`` in the order in which
        they are tried, and the ``stages`` of hints. Every target has ``parts``, one a value: the
        exponent of the width of its cells and the boxes by tag; and ``says``.
    """
    right = computed(exercise.answer)
    salt = sha256(exercise.key.encode()).hexdigest()[:16]
    targets = [
        _sealed_target(f"{salt}|{number}", *target)
        for number, target in enumerate(_targets(exercise, right))
    ]
    return {
        "kinds": ["share" if is_share(part) else kind(part) for part in right],
        "choices": list(exercise.choices),
        "parts": list(exercise.parts),
        "salt": salt,
        "targets": targets,
        "stages": [_locked(f"{salt}|{k}".encode(), text) for k, text in enumerate(exercise.stages)],
    }


def _targets(
    exercise: Exercise, right: tuple[Part, ...]
) -> Iterator[tuple[tuple[Part, ...], float | None, float, str]]:
    """Yield values, tolerance, slack and sentence of what an answer is compared with, in order."""
    yield right, exercise.tolerance, 1.0, RIGHT
    kinds = [kind(part) for part in right]
    for values, tolerance, hint in mistakes_of(exercise):
        if [kind(value) for value in values] == kinds:
            yield values, tolerance, 1.0, hint
    if set(kinds) == {"number"}:
        yield right, exercise.tolerance, NEARLY, NEAR


def _sealed_target(
    salt: str, values: tuple[Part, ...], tolerance: float | None, slack: float, says: str
) -> dict[str, object]:
    parts, key = [], b""
    for place, value in enumerate(values):
        exponent, boxes, share = _boxes(f"{salt}|{place}", value, tolerance, slack)
        parts.append([exponent, boxes])
        key += share
    return {"parts": parts, "says": _locked(key, says)}


def _boxes(
    salt: str, value: Part, tolerance: float | None, slack: float
) -> tuple[int | None, dict[str, str], bytes]:
    """Lay the boxes of one value: exponent of the cells' width, boxes by tag, share of the key."""
    if kind(value) == "number":
        ends = _interval(float(value), lambda given: matches(value, given, tolerance, slack))
        exponent = math.floor(math.log2((ends[1] - ends[0]) / CELLS))
        cells = range(*(math.floor(end * 2.0**-exponent) + k for k, end in enumerate(ends)))
    else:
        ends, exponent = (0.0, 0.0), None
        cells = [" ".join(value.split()).casefold()]
    share = sha256(f"{salt}|{value!r}".encode()).digest()[:SHARE]
    content = struct.pack(">dd", *ends) + share
    digests = [sha256(f"{salt}|{cell}".encode()).digest() for cell in cells]
    boxes = {d[:TAG].hex(): b64encode(_xor(content, d[TAG:])).decode() for d in digests}
    return exponent, boxes, share


def _interval(right: float, fits: Callable[[float], bool]) -> tuple[float, float]:
    """The least and the largest number that fits."""
    step = abs(right) or 1.0
    while fits(right + step) or fits(right - step):
        step *= 2.0
    return _edge(right, right - step, fits), _edge(right, right + step, fits)


def _edge(inside: float, outside: float, fits: Callable[[float], bool]) -> float:
    while (middle := inside + (outside - inside) / 2.0) not in (inside, outside):
        inside, outside = (middle, outside) if fits(middle) else (inside, middle)
    return inside


def _locked(key: bytes, text: str) -> str:
    """Hide a text under a key; the same operation opens it."""
    plain = text.encode()
    blocks = range(-(-len(plain) // 32))
    stream = b"".join(sha256(key + b"|%d" % block).digest() for block in blocks)
    return b64encode(_xor(plain, stream)).decode()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))
