"""Figures as text: nothing that is seen gets lost, nothing of the session gets in."""

import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from mlteach.core.palette import PALETTE
from mlteach.widgets import look
from mlteach.widgets.svg import DECIMALS, drawing

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'


def drawn(draw, widths=(1,)):
    with look.style():
        figure, axes = look.figure(widths)
        for ax in axes:
            ax.set(xlim=(0, 10), ylim=(0, 10))
        draw(*axes)
        return drawing(figure)


def elements(result, tag):
    text = result.element("p-", "words").replace("<svg ", f"<svg {NAMESPACE} ", 1)
    return list(ElementTree.fromstring(text).iter(f"{{http://www.w3.org/2000/svg}}{tag}"))


def test_points_are_where_they_belong() -> None:
    """Every point of the data comes out at its place, to a tenth of a unit."""
    x, y = np.random.default_rng(5).uniform(1, 9, (2, 30))
    with look.style():
        figure, (ax,) = look.figure()
        ax.set(xlim=(0, 10), ylim=(0, 10), xticks=[], yticks=[])
        ax.plot(x, y, "o", color=PALETTE["blue"])
        figure.set_dpi(72)
        expected = ax.transData.transform(np.column_stack([x, y]))
        result = drawing(figure)
    used = [(float(e.get("x")), float(e.get("y"))) for e in elements(result, "use")]
    expected[:, 1] = result.height - expected[:, 1]
    assert np.allclose(used, expected, atol=0.51 * 10**-DECIMALS)


def test_letters_stay_letters_without_a_font() -> None:
    result = drawn(lambda ax: ax.set(xlabel="τ² & <ρ>", title="Scores"))
    texts = [e.text for e in elements(result, "text")]
    assert {"τ² & <ρ>", "Scores"} <= set(texts)
    assert "font-family" not in "\n".join(result.lines)


def test_colours_are_variables() -> None:
    result = drawn(lambda ax: [ax.axhline(k, color=c) for k, c in enumerate(PALETTE.values())])
    text = "\n".join(result.lines)
    assert set(PALETTE) <= set(re.findall(r"var\(--mlteach-(\w+)\)", text))
    assert not re.search(r"#[0-9a-f]{6}\b", text)


def test_a_colour_of_its_own_stays() -> None:
    assert "#123456" in "\n".join(drawn(lambda ax: ax.axhline(1, color="#123456")).lines)


def test_the_ground_is_transparent() -> None:
    assert not [
        e for e in elements(drawn(lambda ax: None), "path") if e.get("style") == "fill:none"
    ]


def test_ids_are_the_page_s_own_and_lead_somewhere() -> None:
    result = drawn(lambda ax: ax.plot([1, 2], [3, 4], "o-"))
    text = result.element("p-", "words")
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert ids and all(name.startswith("p-") for name in ids)
    assert set(re.findall(r"[\"(]#([\w-]+)", text)) <= set(ids)
    assert len(set(ids)) == len(ids)


def test_description_is_the_name() -> None:
    text = drawn(lambda ax: None).element("p-", 'A "line" < 3.')
    assert text.startswith('<svg viewBox="0 0 460.8 252" role="img" aria-label=')
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == 'A "line" < 3.'


def test_the_same_figure_is_the_same_text_in_any_session() -> None:
    def draw(ax):
        ax.plot([1, 5], [2, 8], "o--", label="line")
        ax.fill_between([1, 5], [1, 1], [2, 8], alpha=0.3)
        ax.legend()

    first = drawn(draw)
    with mpl.rc_context(
        {"font.size": 30, "figure.constrained_layout.use": True, "axes.grid": True}
    ):
        assert drawn(draw) == first


def test_axes_share_the_width() -> None:
    with look.style():
        _, (left, right) = look.figure((2, 1))
    inches = [ax.get_position().width * look.WIDTH for ax in (left, right)]
    assert inches[0] == pytest.approx(2 * inches[1])
    assert right.get_position().x1 * look.WIDTH == pytest.approx(look.WIDTH - look.RIGHT)
