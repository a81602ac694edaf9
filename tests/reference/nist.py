"""NIST StRD one-way analysis-of-variance sets, as shipped in SciPy's own tests.

Source: National Institute of Standards and Technology, Statistical Reference Datasets, analysis of
variance (public domain). The files have 60 header lines, then treatment and response.
"""

from importlib import resources

NAMES = ["AtmWtAg", "SiRstv", *(f"SmLs0{k}" for k in range(1, 10))]
FIRST_DATA_LINE = 60


def text(name):
    """Return the text of one file."""
    folder = resources.files("scipy.stats.tests") / "data" / "nist_anova"
    return (folder / f"{name}.dat").read_text()


def rows(content):
    """Return (treatment, response) pairs, both as strings."""
    return [tuple(line.split()) for line in content.splitlines()[FIRST_DATA_LINE:] if line.strip()]


def certified(content):
    """Return the certified sums of squares (between, within) as strings."""
    fields = {
        line.split()[0]: line.split()
        for line in content.splitlines()[:FIRST_DATA_LINE]
        if line.startswith(("Between", "Within"))
    }
    return fields["Between"][3], fields["Within"][3]
