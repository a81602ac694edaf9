"""Sphinx extension: what the front page says that is not written in it.

``{{ front_widget }}`` is a widget to begin with; ``{{ get_project }}`` and
``{{ install_mlteach }}`` say how a reader comes by the project: with its address, which
``_config.yml`` holds in one place, or without, as long as it has none.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config

from mlteach.widgets import explore

#: A widget that says at once what the book is about, and is light.
WIDGET = "design_effect"


def ways(address: str) -> dict[str, str]:
    """The sentences and commands that depend on the address of the project."""
    if not address:
        return {
            "get_project": "Take the folder of the whole project, from where you have this book.",
            "install_mlteach": '`pip install ".[book]"` in the folder of the project',
        }
    return {
        "get_project": f"The project is at <{address}>: download it, or `git clone {address}`.",
        "install_mlteach": f'`pip install "mlteach[book] @ git+{address}"`',
    }


def substitute(app: Sphinx, config: Config) -> None:
    """Give the pages what they say."""
    widget = explore(WIDGET)._repr_mimebundle_()["text/html"]
    config.myst_substitutions |= ways(config.project_address.rstrip("/"))
    config.myst_substitutions["front_widget"] = widget


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the two settings and the extension."""
    app.add_config_value("project_address", "", "env")
    app.add_config_value("site_address", "", "env")
    # Before MyST reads what there is to substitute.
    app.connect("config-inited", substitute, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
