"""Make the readers' notebooks: each chapter as any Jupyter, Colab and VS Code shows it well.

    python book/_ext/notebooks.py        writes _build/notebooks/*.ipynb

The authors' notebooks in ``book/`` are written in MyST, for the website. Here roles and boxes are
turned into plain Markdown and HTML, figures and equations carry the numbers of the site, computed
prose is prose, hints and solutions are closed. Nothing but Python is needed, so that a wheel can be
built anywhere (``hatch_build.py``). Cells that a reader does not see go, unless others need them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import bibliography
import labels
from needed_code import needed, without_last_expression
from plain_myst import Plain

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "_build" / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SOLUTION = re.compile(r"\d+\.\d+$")
#: A role in an f-string, where braces are doubled.
ROLE_IN_CODE = re.compile(r"\{\{([\w:]+)\}\}`([^`]+)`")
CITED = re.compile(r"\{cite:[pt]\}`([^`]+)`")
SETTING = re.compile(r'^\s*(project|site)_address:\s*"?([^"\s#]*)"?', re.MULTILINE)
INSTALL = """# mlteach, where it is not installed yet
import importlib.util
if importlib.util.find_spec("mlteach") is None:
    %pip install --quiet "mlteach[book] @ git+{address}\""""
INSTALL_BY_HAND = """# Where mlteach is not installed: put the project's folder for FOLDER, and run
# %pip install --quiet "FOLDER[book]\""""


def addresses(config: Path) -> dict[str, str]:
    """Read where the project and its website are; both may be empty."""
    found = dict(SETTING.findall(config.read_text(encoding="utf-8")))
    return {name: found.get(name, "").rstrip("/") for name in ("project", "site")}


class Book:
    """The chapters of the book, and what they refer to."""

    def __init__(self, root: Path = ROOT) -> None:
        self.folder = root / "book"
        self.labels = labels.read(self.folder, root / "_toc.yml")
        self.works = bibliography.works(self.folder / "references.bib")
        self.addresses = addresses(root / "_config.yml")
        with_code = [p for p in self.labels.chapters if (self.folder / f"{p}.ipynb").is_file()]
        self.pages = [page for page in with_code if "/" not in page]

    def notebook(self, page: str, outputs: bool = True) -> dict:
        """The readers' notebook of a page, as the JSON that is stored."""
        plain = Plain(page, self.labels, self.works, self.addresses["site"], frozenset(self.pages))
        made = list(self._cells(page, plain))
        if not outputs:
            for cell in made:
                if cell["cell_type"] == "code":
                    cell |= {"outputs": [], "execution_count": None}
        return {"cells": made, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}

    def _cells(self, page: str, plain: Plain) -> Iterator[dict]:
        title, *cells = labels.cells(self.folder / f"{page}.ipynb")
        number = self.labels.chapters[page]
        text = plain(title["source"])
        yield markdown(
            "title", re.sub("^# ", f"# {number}. " if number else "# ", text, flags=re.M)
        )
        yield code("install", self._install(), [])
        keep = iter(needed([(c["source"], left_out(c)) for c in cells if is_code(c)]))
        for cell in cells:
            if not is_code(cell):
                yield markdown(cell["id"], plain(cell["source"]))
            else:
                yield from self._code(cell, next(keep), plain)
        keys = {
            k.strip()
            for c in cells
            for found in CITED.findall(labels.prose(c) + caption(c))
            for k in found.split(",")
        }
        if keys:
            yield markdown("references", self._references(keys))

    def _code(self, cell: dict, keep: bool, plain: Plain) -> Iterator[dict]:
        tags = cell["metadata"].get("tags", [])
        source = ROLE_IN_CODE.sub(lambda m: plain.inline(f"{{{m[1]}}}`{m[2]}`"), cell["source"])
        outputs = [resolved(output, plain) for output in cell["outputs"]]
        folded, shut = "hide-input" in tags, "hide-output" in tags
        if prose := is_prose(cell):
            yield markdown(cell["id"], plain(labels.prose(cell)).strip())
            source, outputs = without_last_expression(source), []
        if left_out(cell):
            source, folded = "# For the cells below\n" + source, True
            outputs = [] if prose else outputs
        if "hide-cell" in tags:
            shown = SOLUTION.search(cell["metadata"]["mystnb"]["code_prompt_show"])
            # Its verdict would stand below the student's own, after Run All.
            source, folded, shut = f"# Solution of {shown[0]}\n{source};", True, True
            outputs = [out for out in outputs if out["output_type"] != "execute_result"]
        if keep:
            name = f"{cell['id']}-code" if prose else cell["id"]
            yield code(name, source, outputs, folded, shut, cell.get("execution_count"))
        if shown := labels.figure(cell):
            number = self.labels.figures[shown["name"]][1]
            text = plain.inline(shown["caption"])
            yield markdown(f"{cell['id']}-caption", f"**Fig. {number}** {text}")

    def _install(self) -> str:
        address = self.addresses["project"]
        return INSTALL.format(address=address) if address else INSTALL_BY_HAND

    def _references(self, keys: set[str]) -> str:
        cited = sorted((self.works[key] for key in keys), key=lambda w: (w.who.lower(), w.year))
        lines = [f"* {w.sentence}" + (f" <{w.address}>" if w.address else "") for w in cited]
        return "\n".join(["## References", "", *lines])

    def write(self, folder: Path, outputs: bool = True) -> list[Path]:
        """Write all notebooks into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for page in self.pages:
            text = json.dumps(self.notebook(page, outputs), ensure_ascii=False, indent=1)
            paths.append(folder / f"{page}.ipynb")
            paths[-1].write_text(text + "\n", encoding="utf-8", newline="\n")
        return paths


def resolved(output: dict, plain: Plain) -> dict:
    """Return an output whose Markdown, if it has any, is plain."""
    data = output.get("data", {})
    if "text/markdown" not in data:
        return output
    text = plain("".join(data["text/markdown"]))
    return output | {"data": data | {"text/markdown": lines(text)}}


def is_code(cell: dict) -> bool:
    """Whether a cell holds code."""
    return cell["cell_type"] == "code"


def is_prose(cell: dict) -> bool:
    """Whether what a code cell shows is text, and its code is not."""
    return "remove-input" in cell["metadata"].get("tags", []) and bool(labels.prose(cell))


def left_out(cell: dict) -> bool:
    """Whether a reader need not see the code of a cell."""
    tags = cell["metadata"].get("tags", [])
    return "remove-cell" in tags or "remove-input" in tags


def caption(cell: dict) -> str:
    """The caption of the figure of a cell, or nothing."""
    return labels.figure(cell).get("caption", "")


def markdown(name: str, source: str) -> dict:
    """A cell of text."""
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": lines(source)}


def code(
    name: str,
    source: str,
    outputs: list[dict],
    folded: bool = False,
    shut: bool = False,
    count: int | None = None,
) -> dict:
    """A cell of code; a folded one shows its first line, a shut one no output."""
    jupyter = {k: True for k, on in (("source_hidden", folded), ("outputs_hidden", shut)) if on}
    # Colab folds by a setting of its own.
    metadata = ({"jupyter": jupyter} if jupyter else {}) | ({"cellView": "form"} if folded else {})
    return {
        "cell_type": "code", "execution_count": count, "id": name, "metadata": metadata,
        "outputs": outputs, "source": lines(source),
    }  # fmt: skip


def lines(text: str) -> list[str]:
    """Cut a text into lines, as notebooks are stored."""
    return text.splitlines(keepends=True)


def main(folder: Path = TARGET) -> int:
    """Make all notebooks and say where they are."""
    made = Book().write(folder)
    print(f"{len(made)} notebooks for readers: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
