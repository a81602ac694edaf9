"""The references of the book, read from ``references.bib`` with nothing but Python.

The site has pybtex; the notebooks for readers are also made where a wheel is built, without it.
``tests/book/test_notebooks.py`` holds both to the same words.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

#: More authors than this are "First et al.", as in author_year.py.
MOST_NAMES = 3
ACCENTS = {'"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303"}
LETTERS = {r"\o": "ø", r"\l": "ł", r"\ss": "ß", r"\aa": "å", r"\O": "Ø", r"\&": "&"}
ENTRY = re.compile(r"^@(\w+)\{([^,\s]+),\s*$(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"(\w+)\s*=\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")


@dataclass(frozen=True)
class Work:
    """One cited work: its key in the file, and its fields as plain text."""

    key: str
    fields: dict[str, str]

    @property
    def surnames(self) -> list[str]:
        """Surnames of the authors, in their order."""
        names = re.split(r"\s+and\s+", self.fields["author"])
        return [name.partition(",")[0].strip() for name in names]

    @property
    def who(self) -> str:
        """Return "Raudenbush and Bryk"."""
        names = self.surnames
        if len(names) > MOST_NAMES:
            return f"{names[0]} et al."
        return " and ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0]

    @property
    def year(self) -> str:
        """The year of publication."""
        return self.fields["year"]

    @property
    def address(self) -> str:
        """Where the work is found on the web, or nothing."""
        doi = self.fields.get("doi")
        return f"https://doi.org/{doi}" if doi else self.fields.get("url", "")

    @property
    def sentence(self) -> str:
        """The whole reference, as one line of plain text."""
        authors = re.sub(r"\s+and\s+", "; ", self.fields["author"])
        place = next(
            (
                self.fields[k]
                for k in (
                    "journal",
                    "booktitle",
                    "publisher",
                    "institution",
                    "school",
                    "howpublished",
                )
                if k in self.fields
            ),
            "",
        )
        volume = self.fields.get("volume", "")
        volume += f"({self.fields['number']})" if volume and "number" in self.fields else ""
        where = ", ".join(filter(None, (place, volume, self.fields.get("pages"))))
        return (
            ". ".join(filter(None, (f"{authors} ({self.year})", self.fields["title"], where))) + "."
        )


def plain(text: str) -> str:
    """Return text without the commands of LaTeX: accents, special letters, dashes, braces."""
    text = re.sub(r"""\{?\\(["'`^~])\{?(\w)\}?\}?""", lambda m: m[2] + ACCENTS[m[1]], text)
    for command, letter in LETTERS.items():
        text = re.sub(rf"\{{?{re.escape(command)}(?![a-zA-Z])(?:\{{\}})?\}}?", letter, text)
    text = text.replace("---", "—").replace("--", "–").replace("``", "“").replace("''", "”")
    return " ".join(unicodedata.normalize("NFC", re.sub(r"[{}]", "", text)).split())


def works(path: Path) -> dict[str, Work]:
    """Read a file of references: each work by its key."""
    found = {}
    for _, key, body in ENTRY.findall(path.read_text(encoding="utf-8")):
        found[key] = Work(key, {name.lower(): plain(text) for name, text in FIELD.findall(body)})
    return found
