"""Sphinx extension: no page of the book asks another site for anything.

Jupyter Book always adds sphinx-thebe, whose configuration script names a CDN and is written twice
on every page (so each page throws a SyntaxError), and which writes a stranger's repository into
each chapter. There is no setting that removes it; this extension takes its traces out, just before
the page is written.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

#: Later than sphinx-thebe and the theme, which use the default 500.
AFTER_ALL_OTHERS = 900
#: How the blocks begin that sphinx-thebe appends to a chapter.
THEBE_BLOCKS = ('<script type="text/x-thebe-config">', "<script>kernelName =")


def belongs_to_thebe(script: Any) -> bool:
    """Tell whether a script of the page context was put there by sphinx-thebe."""
    filename = str(getattr(script, "filename", script) or "")
    body = str(getattr(script, "attributes", {}).get("body", ""))
    return "sphinx-thebe" in filename or "THEBE_JS_URL" in body


def drop_thebe_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Remove the scripts of sphinx-thebe from one page."""
    scripts = context.get("script_files", [])
    context["script_files"] = [script for script in scripts if not belongs_to_thebe(script)]


def drop_thebe_blocks(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Remove the configuration that sphinx-thebe appends to a chapter."""
    for raw in list(doctree.findall(nodes.raw)):
        if raw.astext().strip().startswith(THEBE_BLOCKS):
            raw.parent.remove(raw)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("html-page-context", drop_thebe_scripts, priority=AFTER_ALL_OTHERS)
    app.connect("doctree-resolved", drop_thebe_blocks, priority=AFTER_ALL_OTHERS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
