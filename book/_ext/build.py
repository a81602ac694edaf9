"""Build the book as a website, from the outputs that its chapters hold.

    python book/_ext/build.py              stops if a chapter is out of date
    python book/_ext/build.py --execute    runs all chapters first
    python book/_ext/build.py --draft      takes outputs that are out of date as they are

Invariants: what is not finished does not count. The site is made in a folder aside, takes its place
at the end, and the stamp that says what it was made from comes last; without a stamp nothing of an
earlier attempt is trusted, so that a build that failed fails again with the same words.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import chapters
import handouts
import notebooks
import slides
import stopwatch
from filelock import FileLock, Timeout
from stored import StoredError
from surroundings import BUILD, ROOT, settle

from mlteach.data.fingerprint import PACKAGE, fingerprint, leaf_files

SITE = BUILD / "html"
STAMP = BUILD / "made"
#: Where Sphinx works: its pages and, if the last build came to its end, what it remembers.
ASIDE = BUILD / "aside"
#: Beside the chapters' code: texts, settings and tools of the site.
SOURCES = ("book", "_config.yml", "_toc.yml", "mlteach/widgets/assets", "uv.lock")


def sources() -> Iterator[Path]:
    """The files that the site is made from, in a fixed order."""
    for name in SOURCES:
        path = ROOT / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (f for f in found if f.is_file() and not skipped(f.relative_to(ROOT)))


def skipped(path: Path) -> bool:
    """Whether a file is a by-product of work on the book."""
    return any(part == "__pycache__" or part[0] == "." for part in path.parts)


def made_from() -> str:
    """Hash all that the site depends on."""
    leaves = (path.relative_to(PACKAGE.parent).with_suffix("") for path in leaf_files())
    texts = (f"{f.relative_to(ROOT)} {sha256(f.read_bytes()).hexdigest()}" for f in sources())
    return fingerprint((".".join(leaf.parts) for leaf in leaves), *texts)


def is_made(state: str) -> bool:
    """Whether the site is there, whole, and was made from this state of things."""
    return STAMP.is_file() and STAMP.read_text() == state and (SITE / "index.html").is_file()


def complain(old: Iterable[Path]) -> None:
    """Say which chapters are out of date, one sentence each."""
    for path in old:
        print(
            f"The outputs stored in {path.relative_to(ROOT).as_posix()} are older than its code, "
            "the package, its data or the versions in uv.lock: run `make chapters` (without make: "
            "`uv run --extra book python book/_ext/chapters.py`).",
            file=sys.stderr,
        )


def make_pages() -> bool:
    """Let Sphinx write the pages aside; tell whether it had nothing to say against them."""
    from jupyter_book.sphinx import build_sphinx

    if not STAMP.is_file():
        shutil.rmtree(ASIDE / ".doctrees", ignore_errors=True)
        shutil.rmtree(ASIDE / "html", ignore_errors=True)
    STAMP.unlink(missing_ok=True)
    settings = {
        "external_toc_path": str(ROOT / "_toc.yml"),
        "latex_individualpages": False,  # jupyter_book asks for it
        "nitpicky": True,
    }
    result = build_sphinx(
        str(ROOT / "book"),
        str(ASIDE / "html"),
        noconfig=True,
        path_config=str(ROOT / "_config.yml"),
        confoverrides=settings,
        warningiserror=True,
        keep_going=True,
    )
    return result == 0


def make_sheets() -> bool:
    """Write the slides and the handouts beside the pages; tell whether all of them could be."""
    try:
        for kind in (slides, handouts):
            kind.write(ASIDE / "html", ASIDE / ".widgets")
    except StoredError as error:
        print(error, file=sys.stderr)
        return False
    stopwatch.lap("slides and handouts")
    return True


def make_notebooks() -> None:
    """Write the readers' notebooks; they are what the pages offer for download."""
    offered = ASIDE / "html" / "_sources"
    offered.mkdir(exist_ok=True)
    for path in notebooks.Book().write(BUILD / "notebooks"):
        shutil.copyfile(path, offered / path.name)


def put_in_place(state: str) -> None:
    """Give the finished pages their place, and stamp them."""
    new = BUILD / "html.new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(ASIDE / "html", new)
    shutil.rmtree(SITE, ignore_errors=True)
    new.rename(SITE)
    STAMP.write_text(state)


def make(execute: bool = False, draft: bool = False) -> int:
    """Bring the site up to date; return 0 if it is."""
    settle()
    if execute and chapters.main(["--all"]):
        return 1
    old = [] if draft else chapters.out_of_date()
    if old:
        complain(old)
        return 1
    state = made_from()
    stopwatch.lap("chapters run" if execute else "chapters looked through")
    if is_made(state):
        return 0
    if not make_pages():
        print("The book was not built: see the warnings above.", file=sys.stderr)
        return 1
    stopwatch.lap("last touches")
    if not make_sheets():
        return 1
    make_notebooks()
    put_in_place(state)
    print(stopwatch.table())
    return 0


def arguments(given: Iterable[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--execute", action="store_true", help="run all chapters first")
    parser.add_argument("--draft", action="store_true", help="take old outputs as they are")
    return parser.parse_args(None if given is None else list(given))


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other build is at work in this folder."""
    BUILD.mkdir(exist_ok=True)
    lock = FileLock(BUILD / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("Another build is at work here; this one waits for it.", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def main() -> int:
    """Build, and say where the book is."""
    options = arguments()
    try:
        with alone():
            failed = make(**vars(options))
    except KeyboardInterrupt:
        print("Stopped; nothing of this build counts.", file=sys.stderr)
        return 130
    if not failed:
        print(f"The book: {(SITE / 'index.html').as_uri()}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
