"""Sphinx extension: exercises that answer on the website, with no kernel and no network.

A chapter asks with a cell that ends in ``mt.check("3.1", ...)``, and a folded solution follows.
Here the cell becomes a form inside the box of the exercise, with the exercise as data that do not
show the answer (``mlteach.exercises.sealed``); ``_static/exercises.js`` judges and keeps the
progress. What the data are computed from takes seconds a chapter: it is done in processes beside,
and kept beside the built site until the exercises change.
"""

from __future__ import annotations

import json
import multiprocessing
import re
from concurrent.futures import Future, ProcessPoolExecutor
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from mlteach.data.fingerprint import fingerprint
from mlteach.exercises.exercise import chapter_exercises
from mlteach.exercises.sealed import sealed

#: The line of a chapter that asks for an answer, and nothing but the end of its cell after it.
ASKS = re.compile(r'(?P<before>(?s:.*?))mt\.check\("(?P<key>(?P<chapter>\d+)\.\d+)", \.\.\.\)\s*\Z')
WITHOUT = (
    "Checking an answer here needs JavaScript, which your browser does not run. A solution is "
    "folded below; in Jupyter, mt.check() answers."
)


class Desk:
    """Makes data of the exercises of each chapter, once, in processes of its own."""

    def __init__(self, app: Sphinx) -> None:
        self.cache = Path(app.outdir).parent / ".exercises"
        self.made: dict[int, Future[dict[str, Any]]] = {}
        # Sphinx has threads; a fork of it might wait for one of them for ever.
        self.pool = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))

    def order(self, chapter: int) -> Future[dict[str, Any]]:
        """Have the data of a chapter made, if nobody has yet."""
        if chapter not in self.made:
            self.made[chapter] = self.pool.submit(data_of, chapter, self.cache)
        return self.made[chapter]


def data_of(chapter: int, cache: Path) -> dict[str, Any]:
    """Take the data of a chapter's exercises from a folder, or compute them and keep them there."""
    module = f"mlteach.exercises.chapter_{chapter:02d}"
    stored = cache / f"{chapter}-{fingerprint([module])}.json"
    if stored.is_file():
        return json.loads(stored.read_text(encoding="utf-8"))
    data = {key: sealed(exercise) for key, exercise in chapter_exercises(chapter).items()}
    cache.mkdir(parents=True, exist_ok=True)
    for old in cache.glob(f"{chapter}-*.json"):
        old.unlink()
    unfinished = stored.with_suffix(".part")
    unfinished.write_text(json.dumps(data), encoding="utf-8")
    unfinished.replace(stored)
    return data


# ----------------------------------------------------------------------------- cells become forms


def questions(doctree: nodes.document) -> list[tuple[nodes.Element, nodes.literal_block, re.Match]]:
    """Find the cells that ask: cell, source, match."""
    found = []
    for block in doctree.findall(nodes.literal_block):
        match = ASKS.match(block.astext())
        if match and "cell_input" in block.parent.get("classes", ()):
            found.append((block.parent.parent, block, match))
    return found


def order_data(app: Sphinx, doctree: nodes.document) -> None:
    """Note the exercises of a page, and begin with their data while the others are read."""
    found = [match for *_, match in questions(doctree)]
    kept_pages(app.env)[app.env.docname] = [match["key"] for match in found]
    for match in found:
        app.mlteach_desk.order(int(match["chapter"]))


def kept_pages(env: BuildEnvironment) -> dict[str, list[str]]:
    """The keys of the exercises by page; Sphinx keeps them with what it knows of the pages."""
    if not hasattr(env, "mlteach_exercises"):
        env.mlteach_exercises = {}
    return env.mlteach_exercises


def put_forms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put a form in the box of each exercise, in place of the cell that asks."""
    if app.builder.format != "html":
        return
    for cell, block, match in questions(doctree):
        siblings, place = cell.parent.children, cell.parent.index(cell)
        box = siblings[place - 1]
        if "exercise" not in box.get("classes", ()):
            raise ExtensionError(f"{docname}: mt.check({match['key']!r}, ...) follows no exercise.")
        data = app.mlteach_desk.order(int(match["chapter"])).result()[match["key"]]
        box += nodes.raw("", form(match["key"], data), format="html")
        siblings[place + 1]["ids"].append(f"solution-{match['key'].replace('.', '-')}")
        keep_code(cell, block, match["before"].strip())


def keep_code(cell: nodes.Element, block: nodes.literal_block, code: str) -> None:
    """Leave what a cell does before it asks; without that, nothing of it."""
    if not code:
        cell.parent.remove(cell)
        return
    block.children, block.rawsource = [nodes.Text(code)], code
    cell.children = [child for child in cell if "cell_input" in child["classes"]]


def form(key: str, data: dict[str, Any]) -> str:
    """Write the form of an exercise."""
    name = f"exercise-{key.replace('.', '-')}"
    labels = data["parts"] or ["Your answer"]
    fields = "".join(
        field(f"{name}-{place}", label, kind, data["choices"])
        for place, (label, kind) in enumerate(zip(labels, data["kinds"], strict=True), start=1)
    )
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return f"""<form class="mlteach-exercise" data-exercise="{key}" id="{name}" novalidate>
<div class="mlteach-exercise-fields" role="group" aria-label="Answer to exercise {key}">{fields}
<span class="mlteach-exercise-buttons"><button type="submit" disabled>Check</button>
<button type="button" data-do="hint" disabled>Hint</button>
<button type="button" data-do="solution" hidden>Show the solution</button></span></div>
<p class="mlteach-exercise-verdict" role="status"></p>
<noscript><p>{WITHOUT}</p></noscript>
<script type="application/json">{text}</script>
</form>"""


def field(name: str, label: str, kind: str, choices: list[str]) -> str:
    """Write the field of one value, with its label."""
    if choices and kind == "text":
        options = "".join(f"<option>{escape(word)}</option>" for word in ("", *choices))
        control = f'<select id="{name}" disabled>{options}</select>'
    else:
        plainly = 'autocomplete="off" autocapitalize="off" spellcheck="false"'
        control = f'<input id="{name}" type="text" size="12" {plainly} disabled>'
    named = f'<label for="{name}">{escape(label)}</label>{control}'
    return f'<span class="mlteach-exercise-field">{named}</span>'


# ------------------------------------------------------------------------ what every page is told


def tell_pages(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Tell the script which exercises belong to which page, for its counters."""
    pages = sorted(kept_pages(app.env).items())
    told = {f"{name.rpartition('/')[2]}.html": keys for name, keys in pages if keys}
    app.add_js_file(None, body=f"window.mlteachExercises = {json.dumps(told)};")


def begin(app: Sphinx) -> None:
    """Open the desk."""
    app.mlteach_desk = Desk(app)


def end(app: Sphinx, exception: Exception | None) -> None:
    """Close the desk."""
    app.mlteach_desk.pool.shutdown(cancel_futures=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("builder-inited", begin)
    app.connect("doctree-read", order_data)
    app.connect("doctree-resolved", put_forms)
    app.connect("html-page-context", tell_pages)
    app.connect("build-finished", end)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
