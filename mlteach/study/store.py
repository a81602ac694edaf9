"""A simulation study in a folder, batch by batch, so that it can be stopped and taken up again.

The folder has a ``study.json``, which says whose study it is (seed, functions, conditions) and
which versions began it, and one ``.npz`` file a batch. A file appears under its name when it is
complete and on the disk, so a run that is killed leaves whole batches behind and loses those it was
working on. The files say which replications are done; neither the number of replications nor the
size of a batch belongs to the study's identity, and a study can grow in both directions. Each batch
carries the mark of its study and accounts for each of its replications, so that a file that is
damaged or comes from elsewhere is found out. To read a finished study, nothing is written.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlteach.errors import ModelError
from mlteach.study.batches import Batch, Plan, is_too_long, of_condition, run_batch

HEAD = "study.json"
DRAFT = ".part"
FORMAT = 1
# Another machine may differ in the last digits of an estimate; another function differs in more.
SAME = 1e-6
# Seconds after which a draft is no longer being written.
STALE = 3600.0
ABSENT = "\N{NULL}missing"


@dataclass(frozen=True)
class Store:
    """The folder of a study.

    Attributes
    ----------
    path : Path
    plan : Plan
    head : dict
        What study.json says, or is to say.
    is_new : bool
        Whether that is not written yet.
    """

    path: Path
    plan: Plan
    head: dict[str, Any]
    is_new: bool

    def prepare(self) -> None:
        """Make the folder ready to be written to: before the first batch that is run."""
        if self.is_new:
            _write(self.path / HEAD, lambda file: file.write(json.dumps(self.head).encode()))
        for draft in self.path.glob(f"*{DRAFT}"):
            # Another process may be at work here; a draft takes a moment.
            if time.time() - draft.stat().st_mtime > STALE:
                draft.unlink(missing_ok=True)

    def write(self, batch: Batch) -> Batch:
        """Store a batch that has run, and return it as it will be read again."""
        first, last = min(batch.replications), max(batch.replications)
        part = "" if batch.condition is None else f"c{batch.condition:05d}-"
        path = self.path / f"{part}r{first:06d}-{last:06d}.npz"
        arrays = _to_arrays(batch) | {"study": np.array(_mark(self.head))}
        _write(path, lambda file: np.savez_compressed(file, **arrays))
        return self._read(path)

    def batches(self) -> Iterator[Batch]:
        """What of the plan is in the folder, in the order of its files; each replication once."""
        left = self.plan.keys
        for path in sorted(self.path.glob("*.npz")):
            batch = self._read(path)
            # Two runs at once may have done the same work twice.
            new = batch.only({k for _, k in batch.keys & left})
            left -= batch.keys
            if new.replications:
                yield new

    def _read(self, path: Path) -> Batch:
        batch, mark = _from_file(path)
        conditions = {None} if not self.head["conditions"] else {*map(int, self.head["conditions"])}
        # Batches of older versions bear no mark.
        if mark not in ("", _mark(self.head)) or batch.condition not in conditions:
            raise ModelError(
                f"{path} is a batch of another study. Take it away, and if replications are missing"
                " then, they run again."
            )
        return batch

    def check_same_code(self, stored: Sequence[Batch]) -> None:
        """Run one stored replication of each condition again: functions change under a name."""
        first = {}
        for batch in stored:
            # One that was stopped by a time limit says nothing.
            ran = [k for k in batch.replications if not is_too_long(batch.failures.get(k, ""))]
            if ran:
                first.setdefault(batch.condition, (ran[0], batch))
        for k, batch in first.values():
            new = run_batch(replace(self.plan, limit=None), Batch(batch.condition, (k,)))
            if not _agree(batch.only({k}), new):
                raise ModelError(
                    f"Replication {k}{of_condition(batch.condition)} of the study in {self.path} "
                    "gives another result now than when it was stored: draw, analyse or what they "
                    "call has changed since. Use another folder, or the functions as they were."
                )


def open_store(folder: str | os.PathLike, plan: Plan) -> Store:
    """Make the folder of a study, or find that the folder holds this study.

    Raises
    ------
    ModelError
        If the folder holds another study, or other files, or its study.json is damaged.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise ModelError(f"folder={str(folder)!r} is a file; a study needs a folder of its own.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"folder={str(folder)!r} cannot be made: {error}.") from error
    wanted = _identity(plan)
    if (path / HEAD).exists():
        found = _read_head(path / HEAD)
        _check_same_study(path, found, wanted)
        # New conditions may join; those that were there before stay on record.
        wanted["conditions"] = found["conditions"] | wanted["conditions"]
        wanted["begun_with"] = found["begun_with"]
        return Store(path, plan, wanted, wanted != found)
    files = [file for file in path.iterdir() if file.suffix != DRAFT]
    # Without its head a folder of marked batches still says whose they are.
    if any(file.suffix != ".npz" or _from_file(file)[1] != _mark(wanted) for file in files):
        raise ModelError(
            f"The folder {path} holds other files and no {HEAD}; give a study a folder of its own."
        )
    return Store(path, plan, wanted, True)


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


def _mark(head: dict[str, Any]) -> str:
    """What tells the batches of a study from those of others."""
    return json.dumps([head[key] for key in ("seed", "draw", "analyse")])


def _read_head(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found["conditions"], dict) or not isinstance(found["begun_with"], dict):
            raise TypeError("conditions and begun_with are no tables")
        [int(number) for number in found["conditions"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{path} is damaged ({type(error).__name__}: {error}). Delete it: the batches beside it"
            " say whose they are, and the study goes on with them."
        ) from error
    return found


def _check_same_study(path: Path, found: dict, wanted: dict) -> None:
    differences = [
        f"{key} is {found.get(key)!r} there and {wanted[key]!r} here"
        for key in ("mlteach_study", "seed", "draw", "analyse")
        if found.get(key) != wanted[key]
    ]
    if bool(found["conditions"]) != bool(wanted["conditions"]):
        differences.append("only one of the two has conditions")
    differences += [
        f"condition {c} is {found['conditions'][c]} there and {settings} here"
        for c, settings in wanted["conditions"].items()
        if found["conditions"].get(c, settings) != settings
    ]
    if differences:
        raise ModelError(
            f"The folder {path} holds another study: {'; '.join(differences[:3])}. Use another "
            f"folder, or the settings of that study.{_moved(found, wanted)}"
        )


def _moved(found: dict, wanted: dict) -> str:
    """Why a study of functions of mlteach that have moved since cannot be taken up."""
    for key in ("draw", "analyse"):
        there, here = (str(head.get(key, "")).partition("(")[0] for head in (found, wanted))
        ours = there.startswith("mlteach.") and here.startswith("mlteach.")
        if ours and there != here and there.split(".")[-1] == here.split(".")[-1]:
            began = found.get("begun_with", {}).get("mlteach", "?")
            return (
                f" {there} has become {here} since mlteach {began}, and with the module its "
                "numbers may have changed: finish that study with the version that began it."
            )
    return ""


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
    """Numbers or texts as an array that needs no pickle; a text that is missing as ABSENT."""
    array = values.to_numpy()
    if array.dtype.kind in "biuf":
        return array
    listed = pd.Series(values).astype(object).fillna(ABSENT).tolist()
    odd = next((value for value in listed if not isinstance(value, str)), None)
    if odd is not None:
        raise ModelError(
            f"The table of analyse cannot be stored: {name!r} has the value {odd!r}, and a column "
            "or level must be all numbers or all texts."
        )
    return np.array(listed, dtype=np.str_)


def _from_file(path: Path) -> tuple[Batch, str]:
    """A batch as it was stored, and the mark of its study ("" if it has none).

    Raises
    ------
    ModelError
        If the file is none of ours, or damaged.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            batch = _to_batch(arrays)
            mark = str(arrays["study"]) if "study" in arrays else ""
        _check_accounts(batch)
    except Exception as error:  # readers of zip files and arrays trip over bytes in many ways
        raise ModelError(
            f"{path} is damaged, or no batch of a study ({type(error).__name__}: {error}). "
            "Delete it, or take it away if it is something else, and its replications run again."
        ) from error
    return batch, mark


def _to_batch(arrays) -> Batch:
    condition = arrays["condition"].tolist()
    failed = zip(arrays["failed"].tolist(), arrays["failures"].tolist(), strict=True)
    return Batch(
        condition[0] if condition else None,
        tuple(arrays["replications"].tolist()),
        _table(arrays) if "columns" in arrays else None,
        dict(failed),
    )


def _check_accounts(batch: Batch) -> None:
    """Each replication has estimates or a reason why it has none."""
    found = set(batch.failures)
    if batch.estimates is not None:
        found |= set(batch.estimates.index.get_level_values("replication"))
    if found != set(batch.replications) or not found:
        raise ValueError("it does not account for its replications")


def _table(arrays) -> pd.DataFrame:
    levels, columns = arrays["levels"].tolist(), arrays["columns"].tolist()
    index = pd.MultiIndex.from_arrays(
        [_values(arrays[f"level_{k}"]) for k in range(len(levels))], names=levels
    )
    values = {name: _values(arrays[f"column_{k}"]) for k, name in enumerate(columns)}
    return pd.DataFrame(values, index=index)


def _values(array: np.ndarray) -> np.ndarray | list[str]:
    if array.dtype.kind != "U":
        return array
    return [np.nan if value == ABSENT else value for value in array.tolist()]


def _write(path: Path, write: Callable) -> None:
    """Write under another name first, so that a file under its own name is complete."""
    draft = path.with_name(f"{path.name}.{os.getpid()}{DRAFT}")
    with open(draft, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _agree(old: Batch, new: Batch) -> bool:
    a, b = old.estimates, new.estimates
    if a is None or b is None:
        return a is b and dict(old.failures) == dict(new.failures)
    # Replications may differ in their columns; in a batch, one that lacks some has them empty.
    a, b = a.align(b, axis="columns")
    try:
        pd.testing.assert_frame_equal(
            a, b, rtol=SAME, atol=SAME, check_dtype=False, check_index_type=False
        )
    except AssertionError:
        return False
    return True
