"""A time limit for a piece of work in this process."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


class TooLong(BaseException):
    """The work was stopped; no error of the work itself, which must not catch it as one."""


def limited(seconds: float | None) -> AbstractContextManager[None]:
    """Raise TooLong inside of the block when it takes longer.

    The main thread gets a signal, which ends waiting too. Another thread, and the main one where
    the system has no such signal (Windows), is stopped at its next step in Python.
    """
    if seconds is None:
        return nullcontext()
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _alarm(seconds)
    return _timer(seconds)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def stop(number, frame):
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    thread = ctypes.c_ulong(threading.get_ident())
    done, lock = False, threading.Lock()

    def stop():
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TooLong))

    timer = threading.Timer(seconds, stop)
    timer.start()
    try:
        yield
    finally:
        with lock:
            done = True
        timer.cancel()
