"""MyST turned into Markdown and HTML that every notebook program shows: Jupyter, Colab, VS Code.

The book's pages use a small part of MyST: labels, six roles, labelled equations and boxes. Here a
role becomes words with a link, an equation carries the number of the website, a box becomes a
frame, and a box that folds becomes ``<details>``. Code is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from bibliography import Work
from labels import Labels, Place

FENCE = re.compile(r"^(`{3,}|:{3,}|~{3,})(?:\{([\w-]+)\})?[ ]*(.*)$")
OPTION = re.compile(r"^:([\w-]+):[ ]*(.*)$")
TARGET = re.compile(r"^\([\w-]+\)=$")
CHOICE = re.compile(r"^[-*] \[[ xX]\] ")
EQUATION_END = re.compile(r"^\$\$ *\(([\w-]+)\) *$")
#: A role, or code, in which a role is no role; or a link to a page or a label.
INLINE = re.compile(
    r"\{(?P<role>[\w:]+)\}`(?P<content>[^`]+)`"
    r"|(?P<code>(?P<ticks>`+)(?!`).*?(?<!`)(?P=ticks)(?!`))"
    r"|\[(?P<words>[^\]]*)\]\((?P<link>#[\w-]+|[\w/-]+\.(?:md|ipynb)(?:#[\w-]+)?)\)",
    re.DOTALL,
)
WORDS_AND_TARGET = re.compile(r"^(.*?)\s*<([^>]+)>$", re.DOTALL)
#: Code and emphasis in a line, and formulas, in which no star is emphasis.
EMPHASIS = re.compile(r"(?P<maths>\$[^$]*\$)|(?P<sign>`|\*{1,2})(?P<words>[^`*]+)(?P=sign)")
FRAME = "border-left: 3px solid #3b78ab; padding: 0 0 0 1em; margin: 1em 0"
#: TeX in a hover text, which shows text only.
SIGNS = {
    r"\alpha": "α", r"\gamma": "γ", r"\lambda": "λ", r"\rho": "ρ", r"\sigma": "σ", r"\tau": "τ",
    r"\chi": "χ", r"\boldsymbol": "", r"\Omega": "Ω", r"\Sigma": "Σ", r"\sqrt": "√",
    r"\log": "log ",
    r"\mid": "|", "^2": "²",
}  # fmt: skip


def spoken(text: str) -> str:
    """Return Markdown as one line of plain text, for hover texts and excerpts."""
    text = re.sub(
        r"\{[\w:]+\}`([^`]+)`", lambda m: WORDS_AND_TARGET.sub(r"\1", m[1]), " ".join(text.split())
    )

    def signs(found: re.Match[str]) -> str:
        tex = found[1]
        for command, sign in SIGNS.items():
            tex = tex.replace(command, sign)
        return re.sub(r"[{}\\]", "", tex)

    return re.sub(r"[*`]", "", re.sub(r"\$([^$]*)\$", signs, text))


@dataclass(frozen=True)
class Plain:
    """Turns the texts of one page into plain Markdown."""

    page: str
    labels: Labels
    works: dict[str, Work]
    address: str = ""  # of the website, or nothing: then links lead to notebooks only
    pages: frozenset[str] = frozenset()  # those that are notebooks

    def __call__(self, text: str) -> str:
        """Turn Markdown with MyST into Markdown without."""
        return "\n".join(self._lines(text.split("\n")))

    def inline(self, text: str) -> str:
        """Turn a piece of text within a paragraph."""
        return INLINE.sub(self._inline, text)

    # ------------------------------------------------------------------------------------ blocks

    def _lines(self, lines: list[str]) -> Iterator[str]:
        at, text = 0, []
        while at < len(lines):
            fence = FENCE.match(lines[at])
            if fence is None:
                text.append(lines[at])
                at += 1
                continue
            yield from self._text(text)
            end = next((k for k in range(at + 1, len(lines)) if closes(lines[k], fence[1])), at)
            if fence[2]:
                yield from self._box(fence[3], lines[at + 1 : end])
            else:
                yield from lines[at : end + 1]
            at, text = end + 1, []
        yield from self._text(text)

    def _text(self, lines: list[str]) -> Iterator[str]:
        kept = []
        for line in lines:
            if found := EQUATION_END.match(line):
                kept += [rf"\tag{{{self.labels.equations[found[1]][1]}}}", "$$"]
            elif not TARGET.match(line):
                kept.append(line)
        if kept:
            yield self.inline("\n".join(kept))

    def _box(self, title: str, lines: list[str]) -> Iterator[str]:
        options = {}
        while lines and (option := OPTION.match(lines[0])):
            options[option[1]] = option[2]
            lines = lines[1:]
        title, body = self.inline(title), "\n".join(self._lines(lines)).strip("\n")
        if "dropdown" not in options.get("class", ""):
            yield framed(title, body)
        elif CHOICE.match(body):
            choices, _, answer = body.partition("\n\n")
            plainly = "<br>\n".join(CHOICE.sub("\u2610 ", line) for line in choices.split("\n"))
            yield framed(title, f"{plainly}\n\n{folded('The answer', answer)}")
        else:
            yield folded(as_html(title), body)

    # ------------------------------------------------------------------------------------ inline

    def _inline(self, found: re.Match[str]) -> str:
        if found["code"]:
            return found["code"]
        if found["link"]:
            return linked(found["words"], self._address(found["link"]))
        words, target = found["content"], found["content"]
        if named := WORDS_AND_TARGET.match(words):
            words, target = named[1], named[2]
        turn = getattr(self, "_" + found["role"].replace(":", "_"))
        return turn(" ".join(target.split()), " ".join(words.split()))

    def _term(self, target: str, words: str) -> str:
        sentence = spoken(self.labels.terms[target.lower()])
        if self.address:
            anchor = f"{self.address}/glossary.html#term-{target.replace(' ', '-')}"
            return f'[{words}]({anchor} "{quoted(sentence)}")'
        return f'<abbr title="{escape(sentence)}">{words}</abbr>'

    def _work(self, key: str, words: str) -> str:
        work = self.works[key]
        if work.address:
            return f'[{words}]({work.address} "{quoted(work.sentence)}")'
        return f'<abbr title="{escape(work.sentence)}">{words}</abbr>'

    def _cite_p(self, target: str, words: str) -> str:
        keys = [key.strip() for key in target.split(",")]
        cited = (self._work(k, f"{self.works[k].who}, {self.works[k].year}") for k in keys)
        return f"({'; '.join(cited)})"

    def _cite_t(self, target: str, words: str) -> str:
        keys = [key.strip() for key in target.split(",")]
        return ", ".join(self._work(k, f"{self.works[k].who} ({self.works[k].year})") for k in keys)

    def _eq(self, target: str, words: str) -> str:
        page, number = self.labels.equations[target]
        return linked(f"({number})", self._link(page) if page != self.page else "")

    def _numref(self, target: str, words: str) -> str:
        page, number = self.labels.figures[target]
        return linked(f"Fig. {number}", self._link(page) if page != self.page else "")

    def _ref(self, target: str, words: str) -> str:
        place = self.labels.places[target]
        words = place.title if words == target else words
        return linked(words, self._place(place))

    def _doc(self, target: str, words: str) -> str:
        words = self.labels.titles[target] if words == target else words
        return linked(words, self._link(target))

    # ------------------------------------------------------------------------------------- links

    def _link(self, page: str) -> str:
        if page in self.pages:
            return f"{page}.ipynb"
        return f"{self.address}/{page}.html" if self.address else ""

    def _place(self, place: Place) -> str:
        anchor = f"#{place.heading.replace(' ', '-')}" if place.heading else ""
        if place.page != self.page:
            page = self._link(place.page)
            anchor = page and page + (anchor if page.endswith(".ipynb") else "")
        return anchor.replace("(", "%28").replace(")", "%29")

    def _address(self, link: str) -> str:
        page, _, label = link.partition("#")
        if label in self.labels.places:
            return self._place(self.labels.places[label])
        return self._link(page.rpartition(".")[0]) if page else link


def framed(title: str, body: str) -> str:
    """Return a box."""
    return f'<div style="{FRAME}">\n\n**{title}**\n\n{body}\n\n</div>'


def folded(title: str, body: str) -> str:
    """Return a box that opens by its title, which is HTML."""
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"


def as_html(text: str) -> str:
    """Return a line of Markdown as HTML, for a place in which Markdown is not read."""

    def mark(found: re.Match[str]) -> str:
        if found["maths"]:
            return found[0]
        tag = {"`": "code", "*": "em", "**": "b"}[found["sign"]]
        return f"<{tag}>{escape(found['words']) if tag == 'code' else found['words']}</{tag}>"

    return EMPHASIS.sub(mark, text)


def linked(words: str, address: str) -> str:
    """Return words as a link; without an address they stay words."""
    return f"[{words}]({address})" if address else words


def closes(line: str, fence: str) -> bool:
    """Whether a line ends the block that a fence began."""
    return line.startswith(fence) and not line.strip(fence[0]).strip()


def quoted(sentence: str) -> str:
    """Return a sentence as it may stand between quotation marks in Markdown."""
    return sentence.replace("\\", "").replace('"', "'")
