"""The results of a benchmark: rows of figures, and whether the goals are met; printed, and saved as JSON."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec


@dataclass
class Report:
    """`{"name": ..., "rows": [...], "verdicts": [{"goal": ..., "value": ..., "met": ...}]}`, once it is saved."""

    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)

    def judge(self, goal: str, value: float, met: bool) -> None:
        self.verdicts.append({"goal": goal, "value": round(value, 3), "met": met})

    def at_least(self, goal: str, value: float, least: float) -> None:
        self.judge(f"{goal}: at least {least:g}", value, value >= least)

    def at_most(self, goal: str, value: float, most: float) -> None:
        self.judge(f"{goal}: at most {most:g}", value, value <= most)

    def show(self) -> None:
        """Print the verdicts."""
        for verdict in self.verdicts:
            print(f"{'met   ' if verdict['met'] else 'MISSED'} {verdict['value']:>8.2f}  {verdict['goal']}")

    def save(self, path: Path | None) -> None:
        if path is not None:
            content = {"name": self.name, "rows": self.rows, "verdicts": self.verdicts}
            path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def with_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="save rows and verdicts there")
