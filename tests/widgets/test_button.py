"""The button that runs a calculation: pressed without a browser."""

import pandas as pd
import pytest

import mlteach as mt
from mlteach.widgets.button import live_button
from mlteach.widgets.explorer import WIDGET_VIEW


def test_each_press_runs_the_task_and_shows_what_it_returns() -> None:
    presses = []

    def task(press: int) -> object:
        presses.append((press, face.disabled, face.description))
        return pd.DataFrame({"press": [press]}) if press < 3 else "<three>"

    face, place = live_button(mt.run_button("Run", task)).children
    assert (face.description, face.disabled, place.value) == ("Run", False, "")
    face.click()
    assert "<td>1</td>" in place.value
    face.click()
    assert "<td>2</td>" in place.value
    face.click()
    assert "<pre>&lt;three&gt;</pre>" in place.value
    assert presses == [(k, True, "Run: running …") for k in (1, 2, 3)]
    assert (face.description, face.disabled) == ("Run", False)


def test_an_error_is_shown_and_the_button_stays() -> None:
    def task(press: int) -> None:
        raise ValueError("no <data>")

    face, place = live_button(mt.run_button("Run", task)).children
    face.click()
    assert place.value == '<pre role="alert">ValueError: no &lt;data&gt;</pre>'
    assert not face.disabled


def test_what_is_stored_says_what_the_button_does() -> None:
    bundle = mt.run_button("Run 1 < 2", str)._repr_mimebundle_()
    assert bundle["text/plain"].endswith("a button stands here: Run 1 < 2")
    assert "Run 1 &lt; 2" in bundle["text/html"]
    assert bundle[WIDGET_VIEW]["model_id"]


@pytest.mark.parametrize(
    ("text", "task", "message"),
    [(" ", str, "words on it"), (3, str, "words on it"), ("Run", 3, "function of the number")],
)
def test_bad_buttons_are_refused(text: object, task: object, message: str) -> None:
    with pytest.raises(mt.ModelError, match=message):
        mt.run_button(text, task)
