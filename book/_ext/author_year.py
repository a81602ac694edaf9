"""Sphinx extension: the list of references in author-year form, sorted by author.

sphinxcontrib-bibtex cites as "Moulton [1990]" on request, but its stock styles label the entries of
the list with numbers or abbreviations; here the label says what the citation said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pybtex.database import Entry, Person
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx

#: More authors than this are "First et al."
MOST_NAMES = 3


def surname(person: Person) -> str:
    """Return "van de Schoot" or "Bryk", without LaTeX braces."""
    return " ".join(str(part) for part in person.rich_prelast_names + person.rich_last_names)


def label(entry: Entry) -> str:
    """Return "Raudenbush and Bryk, 2002"."""
    names = [surname(person) for person in entry.persons["author"]]
    if len(names) > MOST_NAMES:
        who = f"{names[0]} et al."
    elif len(names) > 1:
        who = f"{', '.join(names[:-1])} and {names[-1]}"
    else:
        who = names[0]
    return f"{who}, {entry.fields['year']}"


class AuthorYearLabels(BaseLabelStyle):
    """Labels for pybtex."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """Yield one label an entry."""
        return (label(entry) for entry in sorted_entries)


class AuthorYearStyle(PlainStyle):
    """The plain style of pybtex, sorted by author, with these labels."""

    default_label_style = AuthorYearLabels


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the style under the name that ``_config.yml`` uses."""
    register_plugin("pybtex.style.formatting", "authoryear", AuthorYearStyle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
