"""A simulation study in a folder, batch by batch, so that it can be stopped and taken up again.

The folder has a ``study.json``, which says whose study it is (seed, functions, conditions) and
which versions began it, and one ``.npz`` file a batch. A file appears under its name when it is
complete, so a run that is killed leaves whole batches behind and loses those it was working on. The
files say which replications are done; neither the number of replications nor the size of a batch
belongs to the study's identity, and a study can grow in both directions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mlteach.core.lazy import lazy_import
from mlteach.errors import ModelError
from mlteach.study.batches import Batch, Plan, run_batch

pd = lazy_import("pandas")

HEAD = "study.json"
DRAFT = ".part"
FORMAT = 1
# Another machine may differ in the last digits of an estimate; another function differs in more.
SAME = 1e-6


def open_store(folder: str | os.PathLike, plan: Plan) -> Path:
    """Make the folder of a study, or find that the folder holds this study.

    Raises
    ------
    ModelError
        If the folder holds another study, or other files.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise ModelError(f"folder={str(folder)!r} is a file; a study needs a folder of its own.")
    path.mkdir(parents=True, exist_ok=True)
    wanted = _identity(plan)
    if (path / HEAD).exists():
        found = json.loads((path / HEAD).read_text(encoding="utf-8"))
        _check_same_study(path, found, wanted)
        # New conditions may join; those that were there before stay on record.
        wanted["conditions"] = found["conditions"] | wanted["conditions"]
        wanted["begun_with"] = found["begun_with"]
    elif any(file.suffix != DRAFT for file in path.iterdir()):
        raise ModelError(
            f"The folder {path} holds other files and no {HEAD}; give a study a folder of its own."
        )
    _write(path / HEAD, lambda file: file.write(json.dumps(wanted, indent=1).encode()))
    return path


def write_batch(folder: Path, batch: Batch) -> Batch:
    """Store a batch that has run, and return it as it will be read again."""
    first, last = min(batch.replications), max(batch.replications)
    part = "" if batch.condition is None else f"c{batch.condition:05d}-"
    path = folder / f"{part}r{first:06d}-{last:06d}.npz"
    _write(path, lambda file: np.savez_compressed(file, **_to_arrays(batch)))
    return _read(path)


def read_batches(folder: Path) -> Iterator[Batch]:
    """All batches of the folder, in the order of their names; each replication once."""
    seen: dict[int | None, set[int]] = {}
    for path in sorted(folder.glob("*.npz")):
        batch = _read(path)
        known = seen.setdefault(batch.condition, set())
        # Two runs at once may have done the same work twice.
        new = batch.only(set(batch.replications) - known)
        known |= set(new.replications)
        if new.replications:
            yield new


def check_same_code(folder: Path, plan: Plan, batch: Batch) -> None:
    """Run one stored replication again: functions may change and keep their names."""
    k = batch.replications[0]
    old = batch.only({k})
    new = run_batch(plan, Batch(batch.condition, (k,)))
    if not _agree(old, new):
        where = "" if batch.condition is None else f" of condition {batch.condition}"
        raise ModelError(
            f"Replication {k}{where} of the study in {folder} gives another result now than when "
            "it was stored: draw, analyse or what they call has changed since. Use another folder, "
            "or the functions as they were."
        )


# ---------------------------------------------------------------------------------- whose study


def _identity(plan: Plan) -> dict[str, Any]:
    conditions = {str(c): settings for c, settings in plan.conditions.items() if c is not None}
    return {
        "mlteach_study": FORMAT,
        "seed": int(plan.seed),
        "draw": _name(plan.draw),
        "analyse": _name(plan.analyse),
        "conditions": conditions,
        "begun_with": {name: version(name) for name in ("mlteach", "numpy")},
    }


def _name(function: Callable) -> str:
    """Full name of a function, with the settings that ``functools.partial`` has bound to it."""
    if isinstance(function, partial):
        bound = [_text(value) for value in function.args]
        bound += [f"{key}={_text(value)}" for key, value in function.keywords.items()]
        return f"{_name(function.func)}({', '.join(bound)})"
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '')}.{name}"


def _text(value: Any) -> str:
    return _name(value) if callable(value) else repr(value)


def _check_same_study(path: Path, found: dict, wanted: dict) -> None:
    differences = [
        f"{key} is {found.get(key)!r} there and {wanted[key]!r} here"
        for key in ("mlteach_study", "seed", "draw", "analyse")
        if found.get(key) != wanted[key]
    ]
    if not differences and bool(found["conditions"]) != bool(wanted["conditions"]):
        differences.append("only one of the two has conditions")
    elif not differences:
        differences = [
            f"condition {c} is {found['conditions'][c]} there and {settings} here"
            for c, settings in wanted["conditions"].items()
            if found["conditions"].get(c, settings) != settings
        ]
    if differences:
        raise ModelError(
            f"The folder {path} holds another study: {'; '.join(differences[:3])}. Use another "
            "folder, or the settings of that study."
        )


# --------------------------------------------------------------------------------- batch and file


def _to_arrays(batch: Batch) -> dict[str, np.ndarray]:
    arrays = {
        "condition": np.array([] if batch.condition is None else [batch.condition], dtype=np.int64),
        "replications": np.array(batch.replications, dtype=np.int64),
        "failed": np.array(list(batch.failures), dtype=np.int64),
        "failures": np.array(list(batch.failures.values()), dtype=np.str_),
    }
    if batch.estimates is None:
        return arrays
    index, table = batch.estimates.index, batch.estimates
    arrays["levels"] = np.array(index.names, dtype=np.str_)
    arrays["columns"] = np.array([str(name) for name in table.columns], dtype=np.str_)
    for k, name in enumerate(index.names):
        arrays[f"level_{k}"] = _plain(index.get_level_values(k), name)
    for k, name in enumerate(table.columns):
        arrays[f"column_{k}"] = _plain(table.iloc[:, k], name)
    return arrays


def _plain(values: pd.Index | pd.Series, name: str) -> np.ndarray:
    """Numbers or texts as an array that needs no pickle."""
    array = values.to_numpy()
    if array.dtype.kind in "biuf":
        return array
    listed = values.tolist()
    odd = next((value for value in listed if not isinstance(value, str)), None)
    if odd is not None or None in listed:
        raise ModelError(
            f"The table of analyse cannot be stored: {name!r} has the value {odd!r}, and a column "
            "or level must be all numbers or all texts."
        )
    return np.array(listed, dtype=np.str_)


def _read(path: Path) -> Batch:
    with np.load(path, allow_pickle=False) as arrays:
        condition = arrays["condition"].tolist()
        failed = zip(arrays["failed"].tolist(), arrays["failures"].tolist(), strict=True)
        return Batch(
            condition[0] if condition else None,
            tuple(arrays["replications"].tolist()),
            _table(arrays) if "columns" in arrays else None,
            dict(failed),
        )


def _table(arrays) -> pd.DataFrame:
    levels, columns = arrays["levels"].tolist(), arrays["columns"].tolist()
    index = pd.MultiIndex.from_arrays(
        [_values(arrays[f"level_{k}"]) for k in range(len(levels))], names=levels
    )
    values = {name: _values(arrays[f"column_{k}"]) for k, name in enumerate(columns)}
    return pd.DataFrame(values, index=index)


def _values(array: np.ndarray) -> np.ndarray | list[str]:
    return array.tolist() if array.dtype.kind == "U" else array


def _write(path: Path, write: Callable) -> None:
    """Write under another name first, so that a file under its own name is complete."""
    draft = path.with_name(f"{path.name}.{os.getpid()}{DRAFT}")
    with open(draft, "wb") as file:
        write(file)
    os.replace(draft, path)


def _agree(old: Batch, new: Batch) -> bool:
    if old.estimates is None or new.estimates is None:
        return old.estimates is new.estimates and dict(old.failures) == dict(new.failures)
    a, b = old.estimates, new.estimates
    if list(a.columns) != list(b.columns) or a.index.tolist() != b.index.tolist():
        return False
    return all(_equal(a.iloc[:, k], b.iloc[:, k]) for k in range(a.shape[1]))


def _equal(a: pd.Series, b: pd.Series) -> bool:
    if a.dtype.kind in "biuf" and b.dtype.kind in "biuf":
        return bool(np.allclose(a, b, rtol=SAME, atol=SAME, equal_nan=True))
    return a.tolist() == b.tolist()
