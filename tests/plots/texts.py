"""What a reader can read in a figure, and whether any of it lies over another."""

from matplotlib.axes import Axes
from matplotlib.text import Text


def legend_texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def visible_texts(ax: Axes) -> list[Text]:
    """Tick labels within the limits, titles, numbers, names, axis labels, legend entries."""
    texts = [*ax.texts, ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label]
    for k, (ticks, limits) in enumerate(
        [(ax.get_xticklabels(), ax.get_xlim()), (ax.get_yticklabels(), ax.get_ylim())]
    ):
        texts += [t for t in ticks if min(limits) <= t.get_position()[k] <= max(limits)]
    if ax.get_legend():
        texts += ax.get_legend().get_texts()
    return [text for text in texts if text.get_text()]


def overlapping(ax: Axes) -> list[tuple[Text, Text]]:
    """Pairs of texts whose boxes share a point, after the layout is final."""
    ax.figure.canvas.draw()
    # An annotation's own extent would include its leader line.
    boxes = [(text, Text.get_window_extent(text)) for text in visible_texts(ax)]
    return [
        (text, other)
        for k, (text, box) in enumerate(boxes)
        for other, around in boxes[k + 1 :]
        if box.overlaps(around)
    ]
