"""What is built of the project: a source distribution with which the tests can be run, and a wheel without them."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# What work in a clone leaves behind.
_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv*", "*.egg-info", "__pycache__", ".*cache", ".hypothesis", ".bench", "build", "dist", "*.png"
)
PINNED = re.compile(r"^[\w.-]+\s*==")
BUILD = "import setuptools.build_meta as build; print(build.build_sdist({!r}))"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("sdist")
    copy = folder / "project"
    shutil.copytree(ROOT, copy, ignore=_NOT_COPIED)
    built = subprocess.run(
        [sys.executable, "-c", BUILD.format(str(folder))], cwd=copy, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        content.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return unpacked


def test_source_distribution_is_complete(unpacked: Path) -> None:
    project = unpacked.parent.parent / "project"
    made_by_the_build = {"PKG-INFO", "setup.cfg"}
    there = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    expected = {
        str(path.relative_to(project))
        for path in project.rglob("*")
        if path.is_file() and ".egg-info" not in str(path.relative_to(project))
    }
    assert expected - there - {".gitignore"} == set()
    assert {path for path in there - expected if ".egg-info" not in path} <= made_by_the_build


@pytest.mark.timeout(180)  # it imports every module of the tests
def test_tests_of_the_source_distribution_can_be_collected(unpacked: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--assert=plain",  # nothing is run
        "tests",
    ]
    collected = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, timeout=150, check=False)
    assert collected.returncode == 0, collected.stdout + collected.stderr


def test_minimum_of_every_requirement_can_be_installed() -> None:
    """`scripts/lowest` installs the floors; what has none is not tested."""
    script = runpy.run_path(str(ROOT / "scripts" / "lowest"))
    lines = [line for line in script["requirements"]() if not PINNED.match(line)]
    assert len(lines) > 15
    assert [line for line in lines if not script["FLOOR"].match(line)] == []
    assert set(script["floors"]()) >= {"reactivex", "websocket-client", "pymongo", "msgspec", "websockets", "polars"}


def test_fast_part_names_tests_that_exist() -> None:
    fast = runpy.run_path(str(ROOT / "scripts" / "lowest"))["FAST"]
    assert [path for path in fast if not path.startswith("--") and not (ROOT / path).exists()] == []
