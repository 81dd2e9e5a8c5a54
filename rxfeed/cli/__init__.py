"""The `rxfeed` command: `rxfeed demo`, `rxfeed watch`, `rxfeed record`, `rxfeed ls`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from rxfeed.cli.arguments import parser
from rxfeed.cli.streams import silence_stdout
from rxfeed.errors import ConfigError, RxfeedError

__all__ = ["main"]

# The commands show the status of a connection by themselves: without a handler its warnings would be there twice.
_NOWHERE = logging.NullHandler()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with *argv* (the process's own arguments); the exit status.

    0: as asked; 1: it failed, or the demo's sums do not agree; 2: bad usage, or something is not installed;
    3: recorded, but something did not come; 130: interrupted twice, or before anything had begun.
    """
    options = parser().parse_args(argv)
    logging.getLogger("rxfeed.feed.status").addHandler(_NOWHERE)
    try:
        return options.run(options)
    except ConfigError as error:
        return _failed(options.command, error, 2)
    except RxfeedError as error:
        return _failed(options.command, error, 1)
    except BrokenPipeError:
        silence_stdout()
        return 1
    except KeyboardInterrupt:
        return 130


def _failed(command: str, error: Exception, status: int) -> int:
    sys.stderr.write(f"rxfeed {command}: {error}\n")
    return status
