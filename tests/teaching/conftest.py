"""The programs of `teaching/` are not installed: they find each other beside each other."""

import sys

from tests.places import ROOT

TEACHING = ROOT / "teaching"
sys.path.insert(0, str(TEACHING))
