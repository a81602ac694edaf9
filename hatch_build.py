"""What a build of the wheel does beside copying: make the notebooks that it carries."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Notebooks(BuildHookInterface):
    """Resolves the chapters into readers' notebooks, without their outputs."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the notebooks, unless the package stays where it is, beside its book."""
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "book" / "_ext"))
        import notebooks

        self.made = tempfile.TemporaryDirectory()
        notebooks.Book(Path(self.root)).write(Path(self.made.name), outputs=False)
        build_data["force_include"][self.made.name] = "mlteach/_workbook"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was made for the wheel."""
        if version != "editable":
            self.made.cleanup()
