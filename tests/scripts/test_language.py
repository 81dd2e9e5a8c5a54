"""The list of doubtful sentences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "language.py"


def listed(file: Path) -> list[str]:
    """The rules that sentences of *file* break, each with its word."""
    found = subprocess.run([sys.executable, SCRIPT, file], check=True, capture_output=True, text=True).stdout
    return [line.partition("[")[2].partition("]")[0] for line in found.splitlines() if "[" in line]


def test_verbs_and_persons_are_listed_and_names_are_not(tmp_path: Path) -> None:
    file = tmp_path / "text.md"
    lines = "The server wishes it.", "The client wished it.", "The `message_filter` accepts it.", "A peer who sends."
    file.write_text("\n".join(lines))
    assert listed(file) == ["verb: wishes", "verb: wished", "person: who"]
