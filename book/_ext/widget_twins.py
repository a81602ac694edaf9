"""Sphinx extension: widgets that work on the website, with no kernel and no network.

A chapter's output holds a placeholder that names the widget (``mlteach.explore`` wrote it). While
the chapters are read, the figures of their widgets are drawn in processes beside; when a page is
written, each placeholder becomes a panel, and the page loads the script and the styles for it.
Drawn figures are kept beside the built site and are drawn again only if the widget has changed.

For other books: name this extension in ``conf.py``, and give text/html the precedence over live
widgets, ``nb_mime_priority_overrides = [["*", "text/html", 5]]``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
from concurrent.futures import Future, ProcessPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.osutil import relative_uri
from tqdm import tqdm

from mlteach.errors import ModelError
from mlteach.widgets import page
from mlteach.widgets.twin import ASSETS, Twin, kept_twin, make_twin, panel

FOLDER = "_static/widgets/"
PLACEHOLDER = re.compile(
    r'<div class="mlteach-widget-placeholder" data-widget="(?P<name>\w+)" '
    r'data-module="(?P<module>[\w.]+)" data-values="(?P<values>[^"]*)">.*?</div>',
    re.DOTALL,
)
#: Under which the widgets of a page stand in its metadata.
SHOWN = "mlteach_widgets"
#: Before myst-nb collects the scripts of a page.
EARLY = 100


class Workshop:
    """Draws the widgets of a book, each once, in processes of its own."""

    def __init__(self, app: Sphinx) -> None:
        self.cache = Path(app.outdir).parent / ".widgets"
        self.twins: dict[tuple[str, str], Future[Twin]] = {}
        self.pool: ProcessPoolExecutor | None = None
        self.bar = tqdm(desc="widgets", total=0, unit="widget", leave=False, delay=1)

    def order(self, module: str, name: str) -> Future[Twin]:
        """Have a twin made, if it is not already; one that was drawn before needs no process."""
        if (module, name) not in self.twins:
            if kept := kept_twin(module, name, self.cache):
                self.twins[module, name] = Future()
                self.twins[module, name].set_result(kept)
            else:
                drawn = self._processes().submit(make_twin, module, name, self.cache)
                self.bar.total += 1
                drawn.add_done_callback(lambda _: self.bar.update())
                self.twins[module, name] = drawn
        return self.twins[module, name]

    def _processes(self) -> ProcessPoolExecutor:
        if self.pool is None:
            # Sphinx has threads; a fork of it might wait for one of them for ever.
            context = multiprocessing.get_context("spawn")
            self.pool = ProcessPoolExecutor(os.cpu_count(), mp_context=context)
        return self.pool

    def close(self) -> None:
        """End the processes."""
        self.bar.close()
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)


def placeholders(doctree: nodes.document) -> list[tuple[nodes.raw, re.Match[str]]]:
    """Find the outputs that stand for a widget."""
    raw = [(node, PLACEHOLDER.search(node.astext())) for node in doctree.findall(nodes.raw)]
    return [(node, match) for node, match in raw if match]


def order_twins(app: Sphinx, doctree: nodes.document) -> None:
    """Begin to draw the widgets of a chapter; drop the state of its live ones."""
    doctree.get("nb_js_files", {}).pop("ipywidgets_state", None)
    shown = [(match["module"], match["name"]) for _, match in placeholders(doctree)]
    app.env.metadata[app.env.docname][SHOWN] = shown
    for one in shown:
        app.mlteach_workshop.order(*one)


def drawn_otherwise(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """The pages that stay as they are, while a widget of theirs has changed."""
    cache, stay = app.mlteach_workshop.cache, env.found_docs - added - changed
    return [
        name
        for name in sorted(stay)
        if not all(kept_twin(*one, cache) for one in env.metadata[name].get(SHOWN, ()))
    ]


def put_twins(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the twins of a page in the places of their placeholders."""
    folder = relative_uri(app.builder.get_target_uri(docname), FOLDER)
    for k, (node, match) in enumerate(placeholders(doctree), start=1):
        twin = app.mlteach_workshop.order(match["module"], match["name"]).result()
        values = json.loads(unescape(match["values"]))
        try:
            html = panel(twin, values, f"widget-{k}", folder)
        except ModelError as error:
            raise ModelError(f"Page {docname}: {error}") from error
        node.replace_self(nodes.raw("", html, format="html", classes=["output", "text_html"]))
        store(twin, Path(app.outdir) / FOLDER)


def store(twin: Twin, folder: Path) -> None:
    """Write the chunks of a twin into the site, and remove those of its older state."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{twin.widget.name}-*.js"):
        if old.name not in twin.files:
            old.unlink()
    for name, text in twin.files.items():
        (folder / name).write_text(text, encoding="utf-8")


def load_assets(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Have a page with a widget load the script and the styles, and no other page."""
    if "mlteach-twin" not in context.get("body", ""):
        return
    folder = Path(app.outdir) / FOLDER
    for name in ASSETS:
        shutil.copyfile(page.ASSETS / name, folder / name)
    app.add_css_file("widgets/widget.css")
    app.add_js_file("widgets/twin.js", loading_method="defer")


def begin(app: Sphinx) -> None:
    """Open the workshop."""
    app.mlteach_workshop = Workshop(app)


def end(app: Sphinx, exception: Exception | None) -> None:
    """Close the workshop."""
    app.mlteach_workshop.close()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("builder-inited", begin)
    app.connect("env-get-outdated", drawn_otherwise)
    app.connect("doctree-read", order_twins, priority=EARLY)
    app.connect("doctree-resolved", put_twins)
    app.connect("html-page-context", load_assets)
    app.connect("build-finished", end)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
