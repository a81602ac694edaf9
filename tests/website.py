"""The pages of the website, by the table of contents."""

import re
from pathlib import Path

import yaml

from tests.places import ROOT

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CHAPTERS = [entry["file"] for part in TOC["parts"] for entry in part["chapters"]]
PAGES = [TOC["root"], *CHAPTERS, "genindex", "search"]
#: Where the pages are, in the site.
FOLDERS = sorted({name.rpartition("/")[0] + "/" * ("/" in name) for name in PAGES})
NOTEBOOKS = [name for name in CHAPTERS if (ROOT / "book" / f"{name}.ipynb").is_file()]


def widgets_of(page: Path) -> list[str]:
    """Names of the widgets that a page of the website shows."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r'class="mlteach-widget mlteach-twin" [^>]*data-widget="(\w+)"', text)
