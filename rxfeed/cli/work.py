"""`rxfeed work`: runs a study on a share of the products of a tape."""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path
from typing import cast

from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import write_error, write_line
from rxfeed.cli.tape_server import address_of, tls_of, url_of
from rxfeed.errors import ConfigError
from rxfeed.tape import NatsFeed, Since, Study, Worker
from rxfeed.venues import DEFAULT_VENUE
from rxfeed.venues import venue as venue_of


def run(options: argparse.Namespace) -> int:
    """Work until the options or a signal end it; returns the exit status."""
    url, tls = url_of(options), tls_of(options)

    def feed(products: tuple[str, ...], since: Since) -> NatsFeed:
        return NatsFeed(
            url,
            products,
            options.channel,
            since=since,
            stream=options.stream,
            venue=options.venue,
            credentials=options.creds,
            tls=tls,
        )

    worker = Worker(
        address_of(options),
        study_of(options.study),
        options.group,
        stream=options.stream,
        venue=venue_of(options.venue or DEFAULT_VENUE),
        shards=options.shards,
        products=options.products,
        warmup=options.warmup,
        make_feed=feed,
    )
    ended: list[bool] = []
    deadline = None if options.seconds is None else time.monotonic() + options.seconds
    shown: list[int] | None = None
    worker.start()
    with on_signals(lambda: ended.append(True)):
        while not ended and not worker.wait(0.2) and (deadline is None or time.monotonic() < deadline):
            if worker.shards != shown:
                shown = worker.shards
                write_error(f"shards: {', '.join(map(str, shown)) or 'none'}")
        worker.stop()
        worker.wait(10)
    write_line(f"{worker.emitted:,} results published")
    if worker.error is not None:
        raise worker.error
    return 0


def study_of(text: str) -> Study:
    """The function of `FILE:FUNCTION`; raises `ConfigError`."""
    file, _, name = text.rpartition(":")
    path = Path(file)
    if not file or not name.isidentifier():
        raise ConfigError(f"study: {text!r} is not FILE:FUNCTION, such as study.py:study")
    if not path.is_file():
        raise ConfigError(f"study: there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"study: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"study: {path} has no function {name}")
    return cast("Study", function)
