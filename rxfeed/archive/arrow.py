"""The optional pyarrow, which only an archive needs, and the errors of the file system."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from rxfeed.errors import SinkError, needs_extra

Arrow = Any
"""A table, an array or a type of pyarrow, which has no types of its own."""


@functools.cache
def pyarrow() -> ModuleType:
    """The module `pyarrow`, with `compute` and `parquet`; raises `ExtraMissing` if it is not installed."""
    with needs_extra("arrow", "an archive"):
        import pyarrow as arrow
        import pyarrow.compute
        import pyarrow.parquet
    return arrow


@contextlib.contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Raises an `OSError` as a `SinkError` with *path*."""
    try:
        yield
    except OSError as error:  # also the one that pyarrow makes, which has the path and no text of the system
        text = os.strerror(error.errno) if error.errno else str(error)
        raise SinkError(f"{path}: {text}", 0) from error


def sync(path: Path) -> None:
    """Wait until the file or folder at *path* is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError) if path.is_dir() else contextlib.nullcontext():  # not of every system
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
