"""Sphinx extension: guesses before a result that answer on the website, as the exercises do.

A box ``Your guess: ...?`` that folds and begins with a task list, ``- [x]`` before what is right,
becomes a question with choices: the first pick is answered at once, and the rest of the box opens.
``_static/exercises.js`` does it and keeps what was picked. Digests say which choices are right, so
that a look at the page's source does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from docutils import nodes
from sphinx.application import Sphinx

TITLE = "Your guess"
BEGIN = """<form class="mlteach-guess-form" data-guess="{key}" data-right="{right}"><fieldset>
<legend>"""
KEYS = """<span class="mlteach-hidden"> Arrow keys move between the choices, Space picks one.</span>
</legend>"""
CHOICE = '<label><input type="radio" name="{key}" disabled> <span>'
END = """</fieldset><p class="mlteach-exercise-verdict" role="status"></p>
<details><summary>The answer</summary>"""


def guesses(doctree: nodes.document) -> Iterator[tuple[nodes.admonition, nodes.bullet_list]]:
    """Find the boxes with choices, and their lists."""
    for box in list(doctree.findall(nodes.admonition)):
        second = box[1].get("classes", ()) if len(box) > 1 else ()
        if "dropdown" in box["classes"] and "contains-task-list" in second:
            yield box, box[1]


def digest(text: str) -> str:
    """The first bytes of a digest, as the script of the page makes it."""
    return sha256(text.encode()).hexdigest()[:8]


def put_choices(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make forms of the guesses of a page."""
    if app.builder.format != "html":
        return
    for box, choices in guesses(doctree):
        title = box[0]
        # What was picked belongs to these very words: others are another guess.
        key = f"guess-{digest('|'.join((docname, title.astext(), choices.astext())))}"
        ticked = [item for item in choices if "checked=" in item[0][0].astext()]
        right = " ".join(digest(f"{key}|{choices.index(item)}") for item in ticked)
        made = [html(BEGIN.format(key=key, right=right)), *question(title), html(KEYS)]
        for item in choices:
            made += [html(CHOICE.format(key=key)), *words(item), html("</span></label>")]
        box["classes"] = [name for name in box["classes"] if name != "dropdown"] + ["mlteach-guess"]
        answer = box[2:]
        box.clear()
        box += [nodes.title("", TITLE), *made, html(END), *answer, html("</details></form>")]


def html(text: str) -> nodes.raw:
    """A piece of HTML."""
    return nodes.raw("", text, format="html")


def question(title: nodes.title) -> list[nodes.Node]:
    """What is asked: the title of the box, without the words that all have."""
    first, *rest = title.children
    asked = first.astext().removeprefix(f"{TITLE}:").lstrip()
    return [nodes.Text(asked[:1].upper() + asked[1:]), *rest]


def words(item: nodes.list_item) -> list[nodes.Node]:
    """A choice, without its box."""
    (_, first, *rest), *_ = item
    return [nodes.Text(first.astext().lstrip()), *rest]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("doctree-resolved", put_choices)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
