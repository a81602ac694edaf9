"""Names that chapters import from ``mlteach.published`` are loaded only when asked for."""

import subprocess
import sys


def test_importing_it_loads_none_of_the_studies() -> None:
    code = (
        "import sys, mlteach.published;"
        "print([m for m in sys.modules if m.startswith('mlteach.published.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
