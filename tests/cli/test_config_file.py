"""The file of `--config`: the names of the options, their checks, and the precedence of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from rxfeed import ConfigError
from rxfeed.cli import main
from rxfeed.cli.arguments import parser
from rxfeed.recording import MinFree

FULL = """
products = ["BTC-USD", "ETH-USD"]
to = "from-file"
venue = "coinbase_exchange"
channel = ["matches", "heartbeat"]
url = "ws://127.0.0.1:1"
rest-url = "http://127.0.0.1:2"
auth = true
seconds = 5
segment-mb = 1.5
segment-minutes = 30
level = 7
flush-seconds = 0.5
sync = 0.25
mode = "640"
keep-days = 30
keep-bytes = "200GB"
after = ["export", "audit"]
min-free = "5%"
mongo = "mongodb://localhost"
mongo-collection = "here.there"
log-level = "warning"
log-format = "json"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "record.toml"
    file.write_text(FULL)
    return file


def parsed(*args: str | Path) -> argparse.Namespace:
    return parser().parse_args(["record", *map(str, args)])


def test_config_equals_the_same_options_of_the_command_line(config: Path) -> None:
    options = parsed("--config", config)
    same = parsed(
        *("BTC-USD", "ETH-USD", "--to", "from-file", "--venue", "coinbase_exchange", "--channel", "matches"),
        *(
            "--channel",
            "heartbeat",
            "--url",
            "ws://127.0.0.1:1",
            "--rest-url",
            "http://127.0.0.1:2",
            "--auth",
            "--seconds",
            "5",
            "--segment-mb",
            "1.5",
        ),
        *("--segment-minutes", "30", "--level", "7", "--flush-seconds", "0.5", "--sync", "0.25", "--mode", "640"),
        *("--keep-days", "30", "--keep-bytes", "200GB", "--after", "export", "--after", "audit", "--min-free", "5%"),
        *("--mongo", "mongodb://localhost", "--mongo-collection", "here.there", "--log-level", "warning"),
        *("--log-format", "json"),
    )
    assert vars(options) | {"config": None} == vars(same)


def test_command_line_has_precedence_over_the_config(config: Path) -> None:
    options = parsed("SOL-USD", "--config", config, "--to", "x", "--channel", "ticker", "--level", "3")
    assert (options.products, options.to, options.channel, options.level) == (["SOL-USD"], Path("x"), ["ticker"], 3)
    assert (options.min_free, options.segment_mb, options.mode) == (MinFree(percent=5), 1.5, 0o640)


def test_config_may_be_a_part_of_the_options(tmp_path: Path) -> None:
    (tmp_path / "part.toml").write_text('to = "x"\nauth = false\nchannel = "ticker"\n')
    options = parsed("BTC-USD", "--config", tmp_path / "part.toml")
    assert (options.to, options.auth, options.channel, options.segment_mb) == (Path("x"), None, ["ticker"], 64.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("segment_mb = 3", "'segment_mb' is no option; the options are: after, auth, channel, "),
        ('config = "other"', "'config' is no option"),
        ("[record]\nto = 3", "'record' is no option"),
        ("segment-mb = 0", "segment-mb: '0' is not a number above 0"),
        ("segment-mb = true", "segment-mb: True is neither a text nor a number"),
        ("auth = 1", "auth: 1 is neither true nor false"),
        ('venue = "nasdaq"', "venue: 'nasdaq' is none of coinbase_exchange, coinbase_advanced"),
        ('after = ["export", "later"]', "after: 'later' is none of export, audit"),
        ('keep-bytes = "many"', "keep-bytes: 'many' is not a size such as 500MB"),
        ('min-free = "100%"', "min-free: '100%' is not a percentage from 0 to below 100"),
        ("to = ", "is not TOML: "),
    ],
)
def test_config_errors_name_the_file_and_the_option(
    text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "record.toml"
    file.write_text(text)
    assert main(["record", "BTC-USD", "--to", "x", "--config", str(file)]) == 2
    err = capsys.readouterr().err
    assert str(file) in err
    assert reason in err


def test_config_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        parsed("--config", tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b'to = "\xff"')
    with pytest.raises(ConfigError, match="is not UTF-8"):
        parsed("--config", tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("args", "missing"),
    [
        (["--to", "x"], "the following arguments are required: PRODUCT"),
        (["BTC-USD"], "the following arguments are required: --to"),
        (["BTC-USD", "--to", "x", "--after", "export"], "--after: needs --keep-days or --keep-bytes"),
        (["BTC-USD", "--to", "x", "--mongo", "a", "--mongo-file", "b"], "--mongo-file: not allowed with"),
    ],
)
def test_options_are_checked_together(args: list[str], missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*args)
    assert ended.value.code == 2
    assert missing in capsys.readouterr().err
