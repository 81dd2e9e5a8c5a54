"""Without an extra, each entry that needs it names what to install; the rest works."""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from rxfeed import ConfigError, errors
from rxfeed.errors import ExtraMissing, install_command, needs_extra

ROOT = Path(__file__).parents[1]
WITHOUT = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
try:
    {statement}
except ImportError as error:
    print(type(error).__name__, error)
"""


def without(missing: list[str], statement: str) -> str:
    """What is printed where *missing* are not installed."""
    text = WITHOUT.format(missing=missing, statement=statement)
    ran = subprocess.run(
        [sys.executable, "-c", text], check=True, timeout=60, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    return ran.stdout.strip()


ADVANCED = f"from rxfeed.venues.coinbase_advanced import AdvancedCredentials as A; A('key', '{'A' * 43}=')"
ENTRIES = [
    ("from rxfeed.sim import Exchange", "websockets", "rxfeed.sim", "sim"),
    ("from rxfeed.sim import faults", "websockets", "rxfeed.sim", "sim"),
    ("import rxfeed.sim.pytest_plugin", "websockets", "rxfeed.sim", "sim"),
    ("import rxfeed.sim.server", "websockets", "rxfeed.sim", "sim"),
    ("from rxfeed.sim import key_pair; key_pair()", "cryptography", "a key pair", "sim"),
    (
        "from rxfeed.sim import Exchange; Exchange(venue='coinbase_advanced', public_keys={'a': 'b'})",
        "jwt",
        "the verification of tokens",
        "sim",
    ),
    (ADVANCED, "jwt", "AdvancedCredentials", "advanced"),
    ("import rxfeed; rxfeed.record('folder')", "zstandard", "a recording", "record"),
    ("import rxfeed; rxfeed.to_frames(10, 'polars')", "polars", "a frame", "frame"),
    ("import rxfeed; rxfeed.to_dataframe([], 'arrow')", "pyarrow", "a frame", "arrow"),
    ("from rxfeed.archive import export; export('recordings', 'archive')", "pyarrow", "an archive", "arrow"),
    ("from rxfeed.archive import to_parquet; to_parquet('archive')", "pyarrow", "an archive", "arrow"),
]


@pytest.mark.parametrize(("statement", "package", "needed_by", "extra"), ENTRIES)
def test_entry_without_its_extra_names_the_command(statement: str, package: str, needed_by: str, extra: str) -> None:
    hint = f'pip install "rxfeed[{extra}]" (in a clone of rxfeed: pip install ".[{extra}]")'
    said = without([package], statement)
    assert said == f"ExtraMissing {package} is not installed, and {needed_by} needs it: {hint}"


@pytest.mark.parametrize("script", ["plot_volume", "plot_candles", "plot_imbalance", "research"])
def test_plot_without_matplotlib_has_help_and_names_the_command(script: str, tmp_path: Path) -> None:
    """The help needs no extra; the script itself ends before it records or reads anything."""
    missing = ["matplotlib", "websockets", "zstandard"]
    run = f"import runpy\ntry:\n    runpy.run_path('examples/{script}.py', run_name='__main__')\n"
    run += "except SystemExit as end:\n    print(end)"
    code = f"import sys\nsys.modules.update(dict.fromkeys({missing}))\nsys.path.insert(0, 'examples')\n"
    printed: list[str] = []
    for argument in ("--help", f"--output={tmp_path / 'none.png'}"):
        text = f"{code}sys.argv[1:] = [{argument!r}]\n{run}"
        command = [sys.executable, "-c", text]
        ran = subprocess.run(command, check=True, timeout=60, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        printed.append(ran.stdout)
    assert "--dark" in printed[0]
    assert printed[1] == f"matplotlib is not installed, and this picture needs it: {install_command('plot')}\n"


def test_rxfeed_needs_no_extra() -> None:
    assert (
        without(["websockets", "zstandard", "polars", "pandas", "pyarrow", "rich"], "import rxfeed, rxfeed.cli") == ""
    )


def extras() -> set[str]:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    return set(config["options.extras_require"])


def test_commands_name_extras_that_exist() -> None:
    """In code, docs and examples; each with a spelling that works in every shell."""
    files = [
        *ROOT.glob("*.md"),
        *(path for name in ("rxfeed", "docs", "examples") for path in (ROOT / name).rglob("*")),
    ]
    named = {
        (path.name, extra)
        for path in files
        if path.suffix in (".py", ".md")
        for found in re.findall(r"""pip install\s+(?:-e )?["'](?:rxfeed|\.)\[([\w,]+)\]""", path.read_text())
        for extra in found.split(",")
    }
    assert named
    assert {each for each in named if each[1] not in extras()} == set()


def test_docs_name_commands_that_work_from_a_clone() -> None:
    """The package index may not have rxfeed: docs and examples install the clone."""
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*")]:
        if path.suffix in (".py", ".md") and "pip install" in (text := path.read_text()):
            from_index = re.findall(r"pip install\s+[\"']?rxfeed", text)
            from_clone = re.findall(r"pip install\s+(?:-e )?[\"']\.\[", text)
            assert len(from_index) <= len(from_clone), path


def test_extra_within_an_extra_is_named_by_the_outer_one() -> None:
    with pytest.raises(ExtraMissing) as caught, needs_extra("demo", "the demo"), needs_extra("sim", "rxfeed.sim"):
        import no_such_package  # type: ignore  # noqa: F401
    assert str(caught.value) == (f"no_such_package is not installed, and the demo needs it: {install_command('demo')}")
    assert isinstance(caught.value, ConfigError)


def test_missing_module_of_rxfeed_is_no_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"rxfeed\.none"), needs_extra("demo", "the demo"):
        import rxfeed.none  # type: ignore  # noqa: F401
    assert issubclass(errors.ExtraMissing, ImportError)
