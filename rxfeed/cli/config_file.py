"""Reads the options of a command from a TOML file; the command line has precedence.

The names are those of the options, without the dashes before them, and `products`. An option that may be repeated is a
list; an option without a value is `true` or `false`.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from rxfeed.errors import ConfigError

_LEFT_OUT = ("help", "config")


def apply_config(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    reparse: Callable[[argparse.Namespace], argparse.Namespace],
) -> None:
    """Set the *options* that the file `options.config` has and the command line does not.

    *reparse* parses the command line once more, into a given namespace. Raises `ConfigError` for a file that cannot be
    read, an unknown name, and a value that the option does not take.
    """
    actions = {_name(action): action for action in parser._actions if _name(action) not in _LEFT_OUT}
    given = _given(actions, reparse)
    for name, value in _read(options.config).items():
        if name not in actions:
            known = ", ".join(sorted(actions))
            raise ConfigError(f"--config {options.config}: {name!r} is no option; the options are: {known}")
        action = actions[name]
        if action.dest in given:
            continue
        try:
            setattr(options, action.dest, _value(action, value))
        except argparse.ArgumentTypeError as error:
            raise ConfigError(f"--config {options.config}: {name}: {error}") from None


def _name(action: argparse.Action) -> str:
    return action.option_strings[-1].lstrip("-") if action.option_strings else action.dest


def _given(
    actions: dict[str, argparse.Action], reparse: Callable[[argparse.Namespace], argparse.Namespace]
) -> set[str]:
    """The destinations of the options that the command line has."""
    marker: list[object] = []
    namespace = reparse(argparse.Namespace(**{action.dest: marker for action in actions.values()}))
    return {name for name, value in vars(namespace).items() if value is not marker and value != []}


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--config: {file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"--config: {file} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--config: {file} is not TOML: {error}") from None


def _value(action: argparse.Action, value: object) -> object:
    """*value* as the command line would give it."""
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise argparse.ArgumentTypeError(f"{value!r} is neither true nor false")
        return value or action.default
    if action.nargs in ("*", "+") or isinstance(action, argparse._AppendAction):
        values: Sequence[object] = value if isinstance(value, list) else [value]
        return [_single(action, each) for each in values]
    return _single(action, value)


def _single(action: argparse.Action, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise argparse.ArgumentTypeError(f"{value!r} is neither a text nor a number")
    converted: object = str(value)
    if action.type is not None:
        assert callable(action.type)
        converted = action.type(str(value))
    if action.choices is not None and converted not in action.choices:
        raise argparse.ArgumentTypeError(f"{value!r} is none of {', '.join(map(str, action.choices))}")
    return converted
