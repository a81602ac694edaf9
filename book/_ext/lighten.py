"""What the theme brings and no page of the book uses, taken out of the written site.

The theme loads a script of 1.5 MB that draws some 20 icons, and .4 MB of styles for all that it
could be asked for. Here the script goes; the icons come from the theme's own font, cut down to the
signs that are left in the styles; and of the styles stay the rules whose classes occur in a page or
in a script. A class that a script puts together from parts would be missed: none does.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

# It tells each table that it leaves out.
logging.getLogger("fontTools.subset").setLevel(logging.WARNING)

#: What a style sheet is made of, as far as its blocks matter.
MARKS = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|url\((?!["'])[^)]*\)|[{};]""")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
FUNCTION = re.compile(r":[\w-]+\([^()]*\)")
NAME = re.compile(r"[.#](-?[A-Za-z_][\w-]*)")
#: Rules that hold rules.
NESTING = ("@media", "@supports", "@layer", "@container")
ATTRIBUTE = re.compile(r'\b(?:class|id)="([^"]*)"')
SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)
WORD = re.compile(r"[\w-]+")
SIGN = re.compile(r"\\([0-9a-f]{4,5})\b")
#: Styles of this project, of which slides use some that no page does.
OWN = ("mlteach", "exercises", "widget")
#: Scripts that add no class to a page: the one that goes, and texts.
DATA = ("fontawesome", "texts", "sections", "bootstrap")
#: What Bootstrap's script does add, of all that it knows: states, hover texts, menus that drop.
STATES = re.compile(r"\b(?:show|fade|collaps\w+|active|disabled|(?:bs-)?tooltip[\w-]*|drop[\w-]+)")
FONT = "fa-solid-900"
#: Where the styles find that font, in two formats.
SOURCE = re.compile(rf"url\(([^()]*){FONT}\.woff2\)[^;}}]*")


def blocks(css: str) -> Iterator[tuple[str, str | None]]:
    """Cut a style sheet into (head, body); a statement without a block has the body None."""
    depth, begin, brace = 0, 0, 0
    for mark in MARKS.finditer(css):
        if mark[0] == "{":
            depth += 1
            brace = mark.start() if depth == 1 else brace
        elif mark[0] == "}":
            depth -= 1
            if depth == 0:
                yield css[begin:brace].strip(), css[brace + 1 : mark.start()]
                begin = mark.end()
        elif mark[0] == ";" and depth == 0:
            yield css[begin : mark.end()].strip(), None
            begin = mark.end()


def selectors(head: str) -> list[str]:
    """Cut the head of a rule at the commas that lie outside of brackets."""
    parts, depth = [""], 0
    for sign in head:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def occurs(selector: str, words: set[str]) -> bool:
    """Whether all classes and ids that a selector asks for can be met."""
    before = None
    while before != selector:  # brackets in brackets
        before, selector = selector, FUNCTION.sub("", selector)
    return "\\" in selector or words.issuperset(NAME.findall(selector))


def pruned(css: str, words: set[str]) -> str:
    """Return a style sheet without the rules that no page can need."""
    kept = []
    for head, body in blocks(COMMENT.sub("", css)):
        if body is None:
            kept.append(head)
        elif head.startswith(NESTING):
            inner = pruned(body, words)
            kept += [f"{head}{{{inner}}}"] if inner else []
        elif head.startswith("@"):
            kept.append(f"{head}{{{body}}}")
        else:
            used = ",".join(s for s in selectors(head) if occurs(s, words))
            kept += [f"{used}{{{body}}}"] if used else []
    return "".join(kept)


def vocabulary(site: Path) -> set[str]:
    """All classes and ids of the pages, and all words of the scripts, which may add some."""
    words: set[str] = set()
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for found in (*ATTRIBUTE.findall(text), *SCRIPT.findall(text)):
            words.update(WORD.findall(found))
    for path in site.glob("_static/**/*.js"):
        if path.stem not in DATA and not re.search(r"-\d+$", path.stem):
            words.update(WORD.findall(path.read_text(encoding="utf-8")))
    for path in site.glob("_static/scripts/bootstrap.js"):
        words.update(STATES.findall(path.read_text(encoding="utf-8")))
    return words


def cut_font(folder: Path, signs: set[int]) -> None:
    """Write the font of the icons with these signs only, under the name that the styles ask for."""
    with TTFont(folder / f"{FONT}.ttf") as font:
        cutter = Subsetter(Options(layout_features=[], hinting=False, notdef_outline=False))
        cutter.populate(unicodes=signs)
        cutter.subset(font)
        font.flavor = "woff"
        font.save(folder / f"{FONT}.woff")


def lighten(site: Path) -> None:
    """Take the superfluous out of the style sheets, scripts and fonts of a written site."""
    words, signs = vocabulary(site), set()
    for path in site.glob("_static/**/*.css"):
        if path.stem in OWN:
            continue
        css = pruned(path.read_text(encoding="utf-8"), words)
        css = SOURCE.sub(rf'url(\1{FONT}.woff) format("woff")', css)
        signs |= {int(code, 16) for code in SIGN.findall(css)}
        path.write_text(css, encoding="utf-8")
    fonts = site / "_static" / "vendor" / "fontawesome" / "webfonts"
    if (fonts / f"{FONT}.ttf").is_file():
        cut_font(fonts, signs)
        for path in fonts.iterdir():
            if path.name != f"{FONT}.woff":
                path.unlink()
    for pattern in ("scripts/fontawesome*", "**/*.map", "sphinx-thebe.*"):
        for path in site.glob(f"_static/{pattern}"):
            path.unlink()
