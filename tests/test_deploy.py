"""The files for operators: systemd accepts the unit, and the commands in the files are those of the program."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from rxfeed.cli.arguments import parser

ROOT = Path(__file__).parents[1]
UNIT, EXPORT, TIMER = (
    ROOT / "deploy" / name for name in ("rxfeed-record.service", "rxfeed-export.service", "rxfeed-export.timer")
)
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
CONFIG = ROOT / "deploy" / "record.toml"


def unit(section: str, path: Path = UNIT) -> dict[str, str]:
    found = ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    found.read(path)
    return dict(found[section])


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed: scripts/tools installs it"
)
def test_units_are_valid(tmp_path: Path) -> None:
    """With a command that exists on this machine, since that is verified, too."""
    command = unit("Service")["ExecStart"].split()[0]
    for path in (UNIT, EXPORT, TIMER):
        (tmp_path / path.name).write_text(path.read_text().replace(command, "/bin/true"))
    for path in (UNIT, TIMER):  # the timer's service, too
        here = tmp_path / path.name
        verified = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(here)], capture_output=True, text=True, check=False
        )
        complaints = [line for line in verified.stderr.splitlines() if "rxfeed-" in line]
        assert complaints == []
        assert verified.returncode == 0, verified.stderr
    here = tmp_path / UNIT.name
    here.write_text(here.read_text().replace("Restart=always", "Restart=perhaps"))
    verified = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False)
    assert "perhaps" in verified.stderr  # so a wrong line is detected


def test_unit_agrees_with_the_command() -> None:
    service = unit("Service")
    program, *args = shlex.split(service["ExecStart"])
    assert Path(program).name == "rxfeed"
    args[args.index("--config") + 1] = str(CONFIG)
    options = parser().parse_args(args)
    assert str(options.to).startswith(service["WorkingDirectory"])
    assert (service["Type"], service["SuccessExitStatus"]) == ("notify", "3")
    assert int(service["TimeoutStopSec"]) > 5


def test_export_reads_the_folder_of_the_recorder() -> None:
    recorder, service = unit("Service"), unit("Service", EXPORT)
    program, *args = shlex.split(service["ExecStart"])
    assert program == shlex.split(recorder["ExecStart"])[0]
    options = parser().parse_args(args)
    config = parser().parse_args(["record", "--config", str(CONFIG)])
    assert [Path(each) for each in options.path] == [config.to]
    assert all(service[name] == recorder[name] for name in ("User", "UMask", "StateDirectory", "StateDirectoryMode"))


def test_dockerfile_installs_and_starts_the_command() -> None:
    entry, arguments = (
        json.loads(re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)[0]) for name in ("ENTRYPOINT", "CMD")
    )
    assert entry[0] == "rxfeed"
    arguments[arguments.index("--config") + 1] = str(CONFIG)
    assert parser().parse_args([*entry[1:], *arguments]).log_format == "json"
    (extras,) = re.findall(r'pip install .*"/src\[(.*)\]"', DOCKERFILE)
    known = ConfigParser(interpolation=None)
    known.read(ROOT / "setup.cfg")
    assert set(extras.split(",")) <= set(known["options.extras_require"])
    uid = re.findall(r"useradd .*--uid (\d+)", DOCKERFILE)
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == uid
    assert re.findall(r"^VOLUME (.*)$", DOCKERFILE, re.MULTILINE) == [unit("Service")["WorkingDirectory"]]


def test_dockerfile_copies_all_that_the_installation_needs() -> None:
    """And no more than that goes to the builder."""
    lines = re.findall(r"^COPY (.*) (\S+)$", DOCKERFILE, re.MULTILINE)
    copied = {name for names, _ in lines for name in names.split()}
    assert all((ROOT / name).exists() for name in copied)
    known = ConfigParser(interpolation=None)
    known.read(ROOT / "setup.cfg")
    needed = set(re.findall(r"^[\w-]+ = file: *(\S+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE))
    needed |= set(known["metadata"].get("license_files", "").split())
    assert copied == {"setup.cfg", "pyproject.toml", "rxfeed", *needed}
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed: scripts/tools installs it")
def test_hadolint_accepts_the_dockerfile() -> None:
    checked = subprocess.run(["hadolint", ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
