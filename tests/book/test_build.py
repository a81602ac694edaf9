"""The programs that run chapters and build the site: what is out of date, what counts as made."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import build
import chapters
import nbformat
import pytest
import surroundings

from tests.places import ROOT

CODE = "from IPython.display import Markdown\nMarkdown('one')"


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of one chapter, in a path with a space and an umlaut."""
    folder = tmp_path / "Bücher und mehr"
    folder.mkdir()
    monkeypatch.setattr(chapters, "BOOK", folder)
    return folder


def chapter(book: Path, *sources: str, name: str = "03_test") -> Path:
    cells = [nbformat.v4.new_code_cell(text, id=f"cell-{k}") for k, text in enumerate(sources)]
    path = book / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def edit(path: Path, change) -> None:
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def test_a_chapter_is_out_of_date_until_it_is_run(book: Path) -> None:
    path = chapter(book, CODE)
    assert chapters.out_of_date() == [path]
    assert chapters.execute(path)
    assert chapters.out_of_date() == []
    stored = path.read_bytes()
    assert not chapters.execute(path), "an equal chapter is not stored again"
    assert path.read_bytes() == stored


def set_source(notebook) -> None:
    notebook.cells[0].source += "\n"


def add_prose(notebook) -> None:
    notebook.cells.append(nbformat.v4.new_markdown_cell("Words.", id="words"))


@pytest.mark.parametrize(("change", "counts"), [(set_source, True), (add_prose, False)])
def test_code_counts_and_prose_does_not(book: Path, change, counts: bool) -> None:
    path = chapter(book, CODE)
    chapters.execute(path)
    edit(path, change)
    assert (chapters.out_of_date() == [path]) == counts


def test_versions_in_the_lock_count(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = chapter(book, CODE)
    chapters.execute(path)
    monkeypatch.setattr(chapters, "locked_versions", lambda: "numpy 1")
    assert chapters.out_of_date() == [path]


def test_lock_knows_the_packages_that_count() -> None:
    named = {line.split()[0] for line in chapters.locked_versions().splitlines()}
    assert named == set(chapters.PACKAGES)


def test_a_chapter_depends_on_its_own_exercises_and_lessons() -> None:
    code = 'mt.explore("icc", tau2=1.0)\nmt.check("3.1", 2)'
    assert chapters.leaves_of("further_03_test", code) == [
        "mlteach.exercises.chapter_03",
        "mlteach.widgets.lessons.icc",
    ]


@pytest.mark.parametrize(
    ("source", "fault"),
    [("1 / 0", "a cell fails"), ("import sys; print('oh', file=sys.stderr)", "warns:\noh")],
)
def test_a_chapter_that_fails_or_warns_is_not_stored(book: Path, source: str, fault: str) -> None:
    path = chapter(book, CODE, source)
    before = path.read_bytes()
    with pytest.raises(chapters.ChapterError, match=f"03_test was not stored, because .*{fault}"):
        chapters.execute(path)
    assert path.read_bytes() == before
    assert [p.name for p in book.iterdir()] == [path.name]


def test_pictures_that_look_the_same_stay() -> None:
    from base64 import b64encode
    from io import BytesIO

    from PIL import Image

    def stored(level: int, colour: str = "red") -> nbformat.NotebookNode:
        data = BytesIO()
        Image.new("RGB", (40, 30), colour).save(data, "png", compress_level=level)
        picture = {"image/png": b64encode(data.getvalue()).decode()}
        cell = nbformat.v4.new_code_cell("", id="a")
        cell.outputs = [nbformat.v4.new_output("display_data", picture)]
        return nbformat.v4.new_notebook(cells=[cell])

    old, same, other = stored(9), stored(0), stored(0, "blue")
    assert same.cells[0].outputs != old.cells[0].outputs
    chapters.keep_pictures(same, old)
    chapters.keep_pictures(other, old)
    assert same.cells[0].outputs == old.cells[0].outputs != other.cells[0].outputs


def test_every_page_with_code_is_a_chapter() -> None:
    assert {path.name for path in chapters.chapters()} == {
        path.name for path in (ROOT / "book").glob("*.ipynb")
    }


def test_chapters_are_named_by_number_name_or_path() -> None:
    path = ROOT / "book" / "03_empty_model.ipynb"
    assert {chapters.named(name) for name in ("03", "03_empty_model", str(path))} == {path}
    with pytest.raises(chapters.ChapterError, match="no chapter '77'; there are 01_structures, "):
        chapters.named("77")


# -------------------------------------------------------------------------------- the user's home


HOSTILE = {
    ".config/matplotlib/matplotlibrc": "figure.dpi: 31\naxes.facecolor: red\n",
    ".ipython/profile_default/startup/00.py": "print('hello from start-up')\n",
    ".ipython/profile_default/ipython_config.py": "c.InlineBackend.figure_formats = {'svg'}\n",
    ".jupyter/jupyter_config.json": '{"KernelManager": {"shutdown_wait_time": -1}}',
    ".local/share/jupyter/kernels/python3/kernel.json": json.dumps(
        {"argv": ["/nonexistent/python"], "display_name": "mine", "language": "python"}
    ),
}
LOOK = """
import locale, time
import matplotlib.pyplot as plt
print(plt.rcParams["axes.facecolor"], time.tzname[0], locale.localeconv()["decimal_point"])
plt.plot([1, 2])
figure = plt.gcf()
"""
RUN = "import sys, chapters; from pathlib import Path; chapters.main(sys.argv[1:])"


def run_program(program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], env=os.environ | variables, check=False,
        cwd=surroundings.ROOT / "book" / "_ext", capture_output=True, text=True,
    )  # fmt: skip


def hostile_home(folder: Path, *, writable: bool) -> dict[str, str]:
    home = folder / "home"
    for name, text in HOSTILE.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    if not writable:
        for part in sorted(home.rglob("*"), reverse=True):
            part.chmod(0o555 if part.is_dir() else 0o444)
        home.chmod(0o555)
    return {
        "HOME": str(home), "TZ": "Asia/Kolkata", "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8",
        "MPLBACKEND": "pdf", "PYTHONSTARTUP": str(home / "nowhere.py"), "PYTHONWARNINGS": "error",
        "IPYTHONDIR": str(home / ".ipython"), "JUPYTER_CONFIG_DIR": str(home / ".jupyter"),
    }  # fmt: skip


@pytest.mark.parametrize("writable", [True, False])
def test_a_chapter_does_not_see_the_users_home(tmp_path: Path, book: Path, writable: bool) -> None:
    """Configuration, language, time zone, and a home that cannot be written."""
    path = chapter(book, LOOK)
    variables = hostile_home(tmp_path, writable=writable)
    done = run_program(RUN, str(path), **variables)
    assert done.returncode == 0, done.stderr
    stream, picture = nbformat.read(path, as_version=4).cells[0].outputs
    assert stream.text == "white UTC .\n"
    assert "image/png" in picture.data
    assert sorted(p.name for p in (tmp_path / "home").iterdir()) == sorted(
        {Path(name).parts[0] for name in HOSTILE}
    ), "nothing is written into the user's home"


def test_arviz_has_nothing_to_announce(tmp_path: Path) -> None:
    """On the day's first import of a new user, in whatever session asks for a Bayesian fit."""
    quiet = (
        "from mlteach.location_scale.bayes.announcement import note_announcement\n"
        "note_announcement()\nimport arviz"
    )
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    (tmp_path / "cache").mkdir()
    done = run_program(quiet, PYTHONWARNINGS="error::FutureWarning", **home)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------ what counts as made


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a site; Sphinx is stood in for, and writes as the test says."""
    for name, path in {
        "BUILD": tmp_path, "SITE": tmp_path / "html", "STAMP": tmp_path / "made",
        "ASIDE": tmp_path / "aside",
    }.items():  # fmt: skip
        monkeypatch.setattr(build, name, path)
    monkeypatch.setattr(chapters, "out_of_date", list)
    monkeypatch.setattr(build, "settle", lambda: None)
    monkeypatch.setattr(build, "make_sheets", lambda: True)
    return tmp_path / "html"


def sphinx(outcome, calls: list[bool]):
    """Write half a page or a whole one; note whether an earlier record was found."""

    def run(source: str, target: str, **settings: object) -> int:
        calls.append((build.ASIDE / ".doctrees").is_dir())
        for folder in (Path(target), build.ASIDE / ".doctrees"):
            folder.mkdir(parents=True, exist_ok=True)
        (Path(target) / "index.html").write_text("half")
        if outcome == 0:
            (Path(target) / "index.html").write_text("whole")
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return run


def test_a_build_that_fails_fails_again(site: Path, monkeypatch, capsys) -> None:
    calls: list[bool] = []
    monkeypatch.setattr("jupyter_book.sphinx.build_sphinx", sphinx(1, calls))
    said = []
    for _ in range(2):
        assert build.make() == 1
        said.append(capsys.readouterr().err)
        assert not site.exists() and not build.STAMP.exists()
    assert said[0] == said[1] and "not built" in said[0]
    assert calls == [False, False], "the second does not trust what the first remembered"


def test_an_interrupted_build_leaves_the_old_site_unstamped(site: Path, monkeypatch) -> None:
    calls: list[bool] = []
    states = iter("aab")
    monkeypatch.setattr(build, "made_from", lambda: next(states))
    monkeypatch.setattr("jupyter_book.sphinx.build_sphinx", sphinx(0, calls))
    assert build.make() == 0 and build.make() == 0
    assert calls == [False], "what is made is not made again"
    assert (site / "index.html").read_text() == "whole"
    monkeypatch.setattr("jupyter_book.sphinx.build_sphinx", sphinx(KeyboardInterrupt(), calls))
    with pytest.raises(KeyboardInterrupt):
        build.make()
    assert (site / "index.html").read_text() == "whole"
    assert not build.is_made("a") and not build.is_made("b")


def test_an_old_chapter_stops_the_build(site: Path, monkeypatch, capsys) -> None:
    old = ROOT / "book" / "03_empty_model.ipynb"
    monkeypatch.setattr(chapters, "out_of_date", lambda: [old])
    monkeypatch.setattr("jupyter_book.sphinx.build_sphinx", sphinx(0, []))
    assert build.make() == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "book/03_empty_model.ipynb" in sentence and "`make chapters`" in sentence
    assert build.make(draft=True) == 0


def test_the_site_depends_on_all_that_it_shows() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in build.sources()}
    assert {"_toc.yml", "book/03_empty_model.ipynb", "book/references.bib"} <= names
    assert {"book/_ext/finish.py", "mlteach/widgets/assets/twin.js", "uv.lock"} <= names
    assert not [name for name in names if "__pycache__" in name]


# ---------------------------------------------------------------------------------------- serving


def test_serving_takes_the_next_port_and_stops_quietly(tmp_path: Path) -> None:
    (tmp_path / "html").mkdir()
    program = (
        "import sys, serve, webbrowser; from pathlib import Path\n"
        "serve.BUILD = Path(sys.argv[2]); webbrowser.open = lambda address: None\n"
        "serve.subprocess.run = lambda *a, **k: serve.subprocess.CompletedProcess(a, 0)\n"
        "sys.exit(serve.main())"
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = subprocess.Popen(
            [sys.executable, "-c", program, str(port), str(tmp_path)], text=True,
            cwd=ROOT / "book" / "_ext", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        line = running.stdout.readline()
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert line.startswith("The book: http://127.0.0.1:") and f":{port}/" not in line
    assert f"Port {port} is taken." in errors and "Traceback" not in errors
    assert running.returncode == 0


def test_two_builds_in_one_folder_take_turns(site: Path, monkeypatch) -> None:
    said = Queue()
    monkeypatch.setattr(build, "arguments", argparse.Namespace)
    monkeypatch.setattr(build, "make", lambda: 0)
    # Not capsys, which may lose what another thread prints while it is read.
    monkeypatch.setattr(build, "print", lambda text, **_: said.put(text), raising=False)
    with ThreadPoolExecutor() as pool:
        with build.alone():
            second = pool.submit(build.main)
            assert "waits" in said.get(timeout=60)
            assert not second.done()
        assert second.result(timeout=60) == 0
    assert said.get(timeout=60).startswith("The book: file:")
