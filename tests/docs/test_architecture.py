"""The architecture page names files and packages that are there, all packages, and the layers that are tested."""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_layers import ORDER

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "understand" / "architecture.md").read_text()
PACKAGES = {name for layer in ORDER for name in layer if not name.startswith("_")}


def test_architecture_names_existing_paths() -> None:
    named = re.findall(r"`((?:rxfeed|docs|tests|benchmarks)/[\w./]*)`", PAGE)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_architecture_lists_each_package_once() -> None:
    listed = re.findall(r"^\| `rxfeed/(\w+)(?:/|\.py)` \|", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(PACKAGES)


def test_architecture_shows_the_tested_layers() -> None:
    (line,) = re.findall(r"^errors.* -> cli$", PAGE, re.MULTILINE)
    place = {name: n for n, layer in enumerate(line.split(" -> ")) for name in layer.split(", ")}
    tested = [sorted(place[name] for name in layer if name in PACKAGES) for layer in ORDER]
    assert [each for layer in tested for each in layer] == sorted(place.values())
