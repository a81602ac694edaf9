"""The static twin: the panel of the website, which works with no kernel and no network.

Its controls are a browser's own (``input type=range``, ``select``), so keyboard and screen reader
need no help. The figure at the start is part of the page. All others lie beside it in chunks, each
a script that hands its frames to ``twin.js`` when the page asks for it: a page opened from a disk
may load a script, but not a file of data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from mlteach.errors import ModelError
from mlteach.widgets import page
from mlteach.widgets.base import Values, Widget
from mlteach.widgets.catalogue import in_module
from mlteach.widgets.controls import Control, Slider
from mlteach.widgets.frames import Frames, draw_frames, frames_hash

#: What every page with a twin loads.
ASSETS = ("widget.css", "twin.js")
WITHOUT = (
    "To move this figure the page needs JavaScript, which your browser does not run. It shows the "
    "start; in Jupyter the figure moves, too."
)


@dataclass(frozen=True)
class Twin:
    """A widget with all its figures.

    Attributes
    ----------
    widget : Widget
    key : str
        Name and fingerprint; another key means other figures.
    frames : Frames
    """

    widget: Widget
    key: str
    frames: Frames

    @property
    def files(self) -> dict[str, str]:
        """Names and texts of the scripts that hold the chunks."""
        return {
            f"{self.key}-{k}.js": f'mlteachFrames("{self.key}-{k}","{chunk}");\n'
            for k, chunk in enumerate(self.frames.chunks)
        }


def kept_twin(module: str, name: str, cache: Path) -> Twin | None:
    """Take a twin from a folder, if it was drawn before and nothing has changed since."""
    widget, stored = _place(module, name, cache)
    if not stored.is_file():
        return None
    return Twin(widget, stored.stem, Frames(**json.loads(stored.read_text(encoding="utf-8"))))


def make_twin(module: str, name: str, cache: Path) -> Twin:
    """Take a twin from a folder, or draw it and keep it there.

    Parameters
    ----------
    module, name : str
        Where the widget is: :func:`mlteach.widgets.catalogue.in_module`.
    cache : Path
        Folder of stored frames; what belongs to an older state of the widget is removed.

    Returns
    -------
    Twin

    Raises
    ------
    ModelError
        If the widget was defined in a notebook, where a later build cannot find it.
    """
    if kept := kept_twin(module, name, cache):
        return kept
    widget, stored = _place(module, name, cache)
    made = Twin(widget, stored.stem, draw_frames(widget))
    cache.mkdir(parents=True, exist_ok=True)
    for old in cache.glob(f"{name}-*.json"):
        old.unlink()
    # A build that is stopped half-way through leaves no half of a file under this name.
    unfinished = stored.with_suffix(".part")
    unfinished.write_text(json.dumps(asdict(made.frames)), encoding="utf-8")
    unfinished.replace(stored)
    return made


def _place(module: str, name: str, cache: Path) -> tuple[Widget, Path]:
    """A widget, and where its frames of today are stored."""
    if module == "__main__":
        raise ModelError(
            f"Widget {name!r} is defined in a notebook. Move its drawing function to a module, so "
            "that the website can draw it too."
        )
    widget = in_module(module, name)
    return widget, cache / f"{name}-{frames_hash(widget)}.json"


# --------------------------------------------------------------------------------------- its panel


def panel(twin: Twin, values: Values, prefix: str, folder: str) -> str:
    """Write the HTML of a twin.

    Parameters
    ----------
    twin : Twin
    values : dict
        Where the controls stand at first, as :meth:`Widget.values` gives them.
    prefix : str
        Begins every id; another one for every widget of a page.
    folder : str
        Address of the folder with the chunks, as seen from the page, with a slash at its end.

    Returns
    -------
    str

    Raises
    ------
    ModelError
        If a value is not among those that the website offers.
    """
    widget, frames = twin.widget, twin.frames
    shown, room = frames.panel(widget.place(values)), frames.longest()
    solved = page.solved(widget.found(int(shown.solved)), widget.answer)
    controls = "\n".join(_control(c, values[c.name], f"{prefix}-{c.name}") for c in widget.controls)
    surprise = '<button type="button" data-do="surprise" disabled>Surprise me</button>'
    facts = {
        "class": "mlteach-widget mlteach-twin", "role": "group", "data-widget": widget.name,
        "aria-labelledby": f"{prefix}-title", "data-prefix": prefix, "data-key": twin.key,
        "data-folder": folder, "data-chunk-size": frames.chunk_size,
        "data-ways": widget.ways, "data-answer": widget.answer,
    }  # fmt: skip
    return f"""<div {_attributes(facts)}>
{page.head(widget, f"{prefix}-title")}
<div class="mlteach-widget-controls">
{controls}
</div>
<div class="mlteach-widget-figure">
{shown.figure.element(f"{prefix}-", shown.description)}
</div>
<div class="mlteach-widget-live" aria-live="polite">\
{page.readouts(shown.readouts, room[:-1])}</div>
<div class="mlteach-widget-said">{page.words(shown.description, room[-1])}</div>
<div class="mlteach-widget-buttons"><button type="button" data-do="reset" disabled>Reset</button>\
{surprise if widget.surprise else ""}<span class="mlteach-widget-state" role="status"></span></div>
<div class="mlteach-widget-said">{solved}</div>
<noscript><p>{WITHOUT}</p></noscript>
</div>"""


def _control(control: Control, value: float | str, name: str) -> str:
    """Write one control with its label; it counts places in the grid, not values."""
    index = control.values.index(value)
    texts = [control.text(v) for v in control.values]
    if isinstance(control, Slider):
        facts = {
            "id": name, "type": "range", "min": 0, "max": len(texts) - 1, "step": 1, "value": index,
            "aria-valuetext": texts[index], "data-texts": json.dumps(texts, ensure_ascii=False),
        }  # fmt: skip
        output = f'<output for="{name}">{escape(texts[index])}</output>'
        field = f"<input {_attributes(facts)} disabled>{output}"
    else:
        options = (
            f'<option value="{k}"{" selected" if k == index else ""}>{escape(text)}</option>'
            for k, text in enumerate(texts)
        )
        field = f'<select id="{name}" disabled>{"".join(options)}</select>'
    label = f'<label for="{name}">{escape(control.label)}</label>'
    return f'<div class="mlteach-widget-control">{label}{field}</div>'


def _attributes(facts: Mapping[str, object]) -> str:
    return " ".join(f'{key}="{escape(str(value))}"' for key, value in facts.items())
