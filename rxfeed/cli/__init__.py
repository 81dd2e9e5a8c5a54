"""The `rxfeed` command: `rxfeed demo`, `rxfeed watch`, `rxfeed record`, `rxfeed products`, `rxfeed ls`,
`rxfeed export`, `rxfeed replay`."""

from __future__ import annotations

from collections.abc import Sequence

from rxfeed.cli.arguments import parser
from rxfeed.cli.logs import logs_on_stderr
from rxfeed.cli.streams import OutputClosed, prepared_streams, write_error
from rxfeed.errors import ConfigError, RxfeedError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of the command with *argv* (default: the arguments of the process).

    0: success; 1: failure, or the demo's counts do not agree; 2: bad usage, or a package is not installed;
    3: recorded, but data may be missing; 130: interrupted twice, or before the command began.
    """
    command = "rxfeed"
    with prepared_streams(), logs_on_stderr():
        try:
            options = parser().parse_args(argv)
            command = f"rxfeed {options.command}"
            return options.run(options)
        except ConfigError as error:
            return _failed(command, error, 2)
        except OutputClosed:
            return 1
        except RxfeedError as error:
            return _failed(command, error, 1)
        except KeyboardInterrupt:
            return 130


def _failed(command: str, error: Exception, status: int) -> int:
    write_error(f"{command}: {error}")
    return status
