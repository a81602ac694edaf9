"""Taking turns with the cells of a notebook.

matplotlib's settings, and much else, belong to the whole process, and JupyterLab delivers what a
reader does to widgets in a thread of their own, at times in two. What is called here runs in the
thread of the cells: a figure drawn beside it would lend its style to a cell that is drawing, or to
another panel. While a cell runs, it waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from IPython import get_ipython


def in_turn(task: Callable[[], None]) -> None:
    """Call a task now, or as soon as the thread of the cells is free."""
    loop = getattr(getattr(get_ipython(), "kernel", None), "io_loop", None)
    if loop is None or threading.current_thread() is threading.main_thread():
        task()
    else:
        loop.add_callback(task)
