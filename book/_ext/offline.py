"""Sphinx extension: no page of the book asks another site for anything.

Jupyter Book always adds sphinx-thebe, whose configuration script names a CDN and is written twice on
every page (so each page throws a SyntaxError). There is no setting that removes it; this extension
takes its scripts out of the page context, just before the page is written.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

#: Later than sphinx-thebe and the theme, which use the default 500.
AFTER_ALL_OTHERS = 900


def belongs_to_thebe(script: Any) -> bool:
    """Tell whether a script of the page context was put there by sphinx-thebe."""
    filename = str(getattr(script, "filename", script) or "")
    body = str(getattr(script, "attributes", {}).get("body", ""))
    return "sphinx-thebe" in filename or "THEBE_JS_URL" in body


def drop_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Remove the scripts of sphinx-thebe from one page."""
    scripts = context.get("script_files", [])
    context["script_files"] = [script for script in scripts if not belongs_to_thebe(script)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("html-page-context", drop_thebe, priority=AFTER_ALL_OTHERS)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
