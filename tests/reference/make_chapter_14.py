"""Input of ``make_chapter_14.R``: the data of chapter 14, and its model as lavaan syntax.

Writes ``data/hsb_four.csv``, four students of each school of High School and Beyond as the chapter
draws them, and prints the syntax of the four hypotheses in both forms as JSON.
"""

import json
import sys
from itertools import product
from pathlib import Path

import mlteach as mt

VARIABLES, GROUPS, MEMBERS, SEED = ("math", "ses"), ("Catholic", "Public"), 4, 13

if __name__ == "__main__":
    four = mt.load("hsb").groupby("school").sample(MEMBERS, random_state=SEED)
    columns = ["school", "sector", *VARIABLES]
    four[columns].to_csv(Path(__file__).parent / "data" / "hsb_four.csv", index=False)
    models = [
        {
            "within": within,
            "between": between,
            "wide": mt.lavaan_syntax(VARIABLES, MEMBERS, GROUPS, within=within, between=between),
            "long": mt.lavaan_syntax(
                VARIABLES, groups=GROUPS, within=within, between=between, form="two-level"
            ),
        }
        for within, between in product(("equal", "free"), repeat=2)
    ]
    json.dump({"groups": GROUPS, "models": models}, sys.stdout)
