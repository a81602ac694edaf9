"""Sphinx extension: chapters run again when the package or the data changed.

jupyter-cache looks at the code cells of a chapter and at nothing else, and Sphinx looks at the
chapter's file: a mended fitter would leave the old numbers on the site. Here the content of
``mlteach/`` and ``data/`` (and the pinned environment) is hashed; when the hash differs from the
one beside the cache, the cache is dropped and every chapter counts as changed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("mlteach", "data", "uv.lock")


def source_files() -> Iterator[Path]:
    """Yield the files on which the output of a chapter depends, in a fixed order."""
    for name in SOURCES:
        path = ROOT / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def fingerprint() -> str:
    """Hash the names and the content of the sources."""
    digest = hashlib.sha256()
    for file in source_files():
        digest.update(file.relative_to(ROOT).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def drop_stale_cache(app: Sphinx, config: Config) -> None:
    """Compare with the last build; on a difference forget the stored runs."""
    config.mlteach_sources = fingerprint()  # rebuild="env": a new value makes Sphinx read all again
    cache = Path(app.outdir).parent / ".jupyter_cache"
    record = cache / "mlteach_sources"
    if cache.is_dir() and (not record.is_file() or record.read_text() != config.mlteach_sources):
        shutil.rmtree(cache)
    cache.mkdir(parents=True, exist_ok=True)
    record.write_text(config.mlteach_sources)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_config_value("mlteach_sources", "", "env")
    app.connect("config-inited", drop_stale_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
