"""Solutions of what is graded are in no page of the site; the wheel is looked at in test_wheel."""

import json
import re
from pathlib import Path

import yaml

from tests.places import ROOT

TEACHING = ROOT / "teaching"
READABLE = {".html", ".js", ".json", ".txt", ".ipynb", ".md", ".py", ".inv", ".xml"}


def secrets() -> set[str]:
    """Sentences that only graders may see: of each model answer, rubric and explanation, a line."""
    found = set()
    for path in sorted(TEACHING.glob("ps*.py")):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"^# \*\*Rubric\.\*\* (.{40,80}?) 1 point", text, re.MULTILINE))
        found |= set(re.findall(r"\*\*A model answer\*\*.*?\"(.{50})", text))
    for entry in yaml.safe_load((TEACHING / "exam.yml").read_text(encoding="utf-8")):
        found |= {why for _, why in entry.get("options", []) if len(why) > 40}
        found |= {line for line in entry.get("rubric", []) if len(line) > 30}
        found |= {entry[k][:60] for k in ("answer", "explain") if len(entry.get(k, "")) > 60}
    return found


def leaks(folder: Path) -> list[str]:
    """Say where in a folder a secret stands, as it is or escaped."""
    wanted = secrets()
    escaped = {json.dumps(text)[1:-1] for text in wanted}
    names = {path.name for path in TEACHING.iterdir()} - {"__pycache__"}
    found = []
    for path in sorted(folder.rglob("*")):
        if path.name in names:
            found.append(f"{path.relative_to(folder)}: a file of teaching/")
        elif path.is_file() and path.suffix in READABLE:
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [f"{path.name}: {s}" for s in wanted | escaped if s in text]
    return found


def test_secrets_are_found(tmp_path: Path) -> None:
    assert len(secrets()) > 60
    (tmp_path / "a.html").write_text(f"<p>{sorted(secrets())[0]}</p>", encoding="utf-8")
    (tmp_path / "exam.yml").write_text("", encoding="utf-8")
    assert len(leaks(tmp_path)) == 2


def test_no_solution_in_the_site(site: Path) -> None:
    assert leaks(site) == []
