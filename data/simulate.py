"""Run the stored simulation of chapter 16 again: 36 conditions, 1,000 replications of each.

    python data/simulate.py

Writes ``wf_simulation.npz``: every estimate and standard error, and the processor time that it
took. The same seed gives the same numbers; with more replications the first thousand stay as they
are.
"""

import os
from time import perf_counter

from mlteach.published.wf_simulation import SEED, conditions, draw_groups, fit_groups, store_run
from mlteach.study.study import run_study

REPLICATIONS = 1000
WORKERS = 2


def processor_seconds() -> float:
    """Of this process and of all that it started and that have ended."""
    return sum(os.times()[:4])


def main() -> None:
    """Run, store, tell the time."""
    grid, start = conditions(), perf_counter()
    study = run_study(
        draw_groups,
        fit_groups,
        REPLICATIONS,
        SEED,
        conditions=grid,
        workers=WORKERS,
        progress=True,
    )
    seconds = processor_seconds()
    store_run(study, seconds)
    print(
        f"{study}: {perf_counter() - start:.0f} seconds on {WORKERS} processes, "
        f"{seconds:.0f} seconds of processor time"
    )


if __name__ == "__main__":
    main()
