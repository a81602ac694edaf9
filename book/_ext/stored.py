"""What a chapter has stored, found by the id of a cell: for slides and handouts.

A source of these types no number that a chapter computes; it names the place, in two braces:

    {{ cell: pattern }}        what a regular expression finds in the cell's outputs: its group,
                               if it has one; in it, # stands for the number that is wanted
    {{ cell[row, column] }}    an entry of the table that the cell shows
    {{ ... | 2 }}              one of these two, rounded to two decimals
    {{ figure cell }}          its picture           {{ table cell }}    its table
    {{ widget cell }}          its widget            {{ code cell }}     its code
    {{ figure cell 0-50 }}     its upper half, in percent      {{ code cell 2-4 }}  some lines

Invariant: a place that is not there stops the build with a sentence that names source and place.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from hashlib import sha256
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

Cell = dict[str, Any]
TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
ROW = re.compile(r"<tr.*?</tr>", re.DOTALL)
CELL = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
ENTRY = re.compile(r"([\w-]+)\[([^,]+), (.+)\]")
#: All of a number, never a part of it.
NUMBER = r"(?<![\d.,])([-+−]?\d+(?:,\d{3})*(?:\.\d+)?%?)(?!\d|[.,]\d)"
ROUNDED = re.compile(r"(.+?)(?: \| (\d))?")


class StoredError(Exception):
    """A source names something that its chapter does not hold."""


def rows_of(table: str) -> list[list[str]]:
    """Return the texts of an HTML table, row by row; an index that spans rows is repeated."""
    cells = [CELL.findall(row) for row in ROW.findall(table)]
    rows = [[unescape(re.sub("<.*?>", "", cell)).strip() for cell in row] for row in cells]
    width = max(len(row) for row in rows)
    for above, row in pairwise(rows):
        row[:0] = above[: width - len(row)]
    return rows


def rounded(text: str, decimals: int) -> str:
    """Round a number that was rounded before, if that cannot go wrong."""
    value = Decimal(text.replace(",", "").replace("−", "-"))
    step = Decimal(1).scaleb(-decimals)
    if abs(value % step) * 2 == step:
        raise StoredError(f"{text} may have been above or below: take a number with more decimals")
    return f"{value.quantize(step):,}"


@dataclass(frozen=True)
class Picture:
    """A picture of the book: its name in the website, what it shows, its size in CSS pixels."""

    name: str
    alt: str
    width: int
    height: int


class Chapter:
    """A chapter of the book as it is stored.

    Parameters
    ----------
    path : Path
        The notebook.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        self.cells: dict[str, Cell] = {cell["id"]: cell for cell in cells}
        self.title = re.search(r"^# (.+)$", "".join(cells[0]["source"]), re.MULTILINE)[1]

    def cell(self, name: str) -> Cell:
        """Return a cell by its id."""
        if name not in self.cells:
            near = ", ".join(get_close_matches(name, self.cells, n=4, cutoff=0.3))
            raise StoredError(f"{self.path.name} has no cell {name!r}; near it: {near}")
        return self.cells[name]

    def outputs(self, name: str, kind: str) -> list[str]:
        """Return what a cell holds of one kind, such as "text/html"."""
        outputs = self.cell(name).get("outputs", [])
        printed = [{"text/plain": output["text"]} for output in outputs if "text" in output]
        held = printed + [output["data"] for output in outputs if "data" in output]
        return ["".join(data[kind]) for data in held if kind in data]

    def said(self, name: str, pattern: str) -> str:
        """Return what a pattern finds in the words and tables that a cell has put out."""
        text = "\n".join(self.outputs(name, "text/markdown") + self.outputs(name, "text/plain"))
        found = re.search(pattern.replace("#", NUMBER), text.replace("{,}", ","))
        if not found:
            raise StoredError(f"{pattern!r} is not in the outputs of cell {name!r}: {text[:2000]}")
        return found[1 if found.groups() else 0]

    def table(self, name: str) -> str:
        """Return the HTML of the table that a cell shows."""
        found = TABLE.search("\n".join(self.outputs(name, "text/html")))
        if not found:
            raise StoredError(f"cell {name!r} of {self.path.name} shows no table")
        return found[0]

    def entry(self, name: str, row: str, column: str) -> str:
        """Return an entry of that table by the labels of its row and its column."""
        rows = rows_of(self.table(name))
        heads = [k for k, line in enumerate(rows) if column in line]
        below = rows[heads[0] + 1 :] if heads else []
        lines = [line for line in below if row in (line[0], " / ".join(line[:2]))]
        if len(lines) != 1:
            raise StoredError(
                f"the table of cell {name!r} has not one entry {row!r}, {column!r}: {rows}"
            )
        return lines[0][rows[heads[0]].index(column)]

    def picture(self, name: str) -> Picture:
        """Return the picture of a cell; the website names it by its content."""
        stored = [o for o in self.cell(name).get("outputs", []) if "image/png" in o.get("data", {})]
        if not stored:
            raise StoredError(f"cell {name!r} of {self.path.name} holds no picture")
        content = b64decode("".join(stored[0]["data"]["image/png"]))
        alt = self.cell(name)["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        size = stored[0]["metadata"]["image/png"]
        return Picture(f"{sha256(content).hexdigest()}.png", alt, size["width"], size["height"])

    def code(self, name: str, lines: str = "") -> str:
        """Return the code of a cell, or some of its lines, such as "2-4"."""
        text = "".join(self.cell(name)["source"])
        if not lines:
            return text
        first, _, last = lines.partition("-")
        wanted = text.split("\n")[int(first) - 1 : int(last or first)]
        if not wanted:
            raise StoredError(f"cell {name!r} of {self.path.name} has no line {lines}")
        return "\n".join(wanted)

    def number(self, place: str) -> str:
        """Return what stands at a place, "cell: pattern" or "cell[row, column]", maybe rounded."""
        place, decimals = ROUNDED.fullmatch(place).groups()
        if entry := ENTRY.fullmatch(place):
            value = self.entry(*entry.groups())
        elif ": " in place:
            value = self.said(*place.split(": ", 1))
        else:
            raise StoredError(f"{place!r} is neither 'cell: pattern' nor 'cell[row, column]'")
        return rounded(value, int(decimals)) if decimals else value
