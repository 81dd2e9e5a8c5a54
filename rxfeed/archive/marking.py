"""Marks the segments that an archive has completely, so that a recorder may delete them: see `rxfeed.recording`."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from rxfeed.archive.tables import OF_MESSAGES
from rxfeed.recording import Part, Recording, mark_segments, marked_segments

log = logging.getLogger("rxfeed.archive")


def is_complete(options: dict[str, object]) -> bool:
    """True if an export with *options* has all messages that an archive can have."""
    tables = options["tables"]
    chosen = isinstance(tables, list) and OF_MESSAGES.keys() <= set(tables)
    return chosen and all(options[name] is None for name in ("products", "since", "until"))


def mark_exported(parts: Iterable[Part]) -> None:
    """Mark the segments among *parts* as exported, unless they are. A folder that refuses is logged."""
    paths = [Path(part.path) for part in parts if isinstance(part.found, Recording) and part.found.header is not None]
    for folder, several in groupby(sorted(paths), lambda path: path.parent):
        try:
            marked = marked_segments(folder, "exported")
            fresh = [path for path in several if marked.get(path.name) != _size(path)]
            mark_segments(folder, "exported", fresh, missing_ok=True)
        except OSError as error:
            log.warning(
                "export: the segments in %s cannot be marked as exported, so that a recorder that waits for that does "
                "not delete them: %s",
                folder,
                error.strerror or error,
            )


def _size(path: Path) -> int | None:
    """The size of *path*; `None` if it was deleted meanwhile."""
    return path.stat().st_size if path.exists() else None
