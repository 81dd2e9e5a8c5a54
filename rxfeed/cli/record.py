"""`rxfeed record`: records a live feed into files."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from rxfeed.cli.logs import LEVELS, timed_logs
from rxfeed.cli.notify import ServiceManager
from rxfeed.cli.progress import RecordSummary
from rxfeed.cli.record_disk import RecordingDisk
from rxfeed.cli.record_mongo import MongoStore
from rxfeed.cli.record_options import required_marks
from rxfeed.cli.record_screen import RecordScreen, report_failed_output
from rxfeed.cli.record_service import RecordParts, RecordService, RecordSignals
from rxfeed.cli.signals import has_terminal, on_signals
from rxfeed.cli.streams import OutputFailed, write_line
from rxfeed.cli.text import printable
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.metrics import MetricsServer, serve
from rxfeed.recording import KeepLimits, Recorder, Retention, make_folder, record

log = logging.getLogger("rxfeed.cli")


def run(options: argparse.Namespace) -> int:
    """Record until the options, a signal or the feed end it; returns the exit status."""
    with timed_logs(LEVELS[options.log_level], options.log_format):
        manager = ServiceManager(os.environ)
        parts = _parts(options, manager)
        signals = RecordSignals()
        try:
            with (
                on_signals(signals.end, None if has_terminal() else signals.rotate),
                RecordScreen(options) as screen,
            ):
                if parts.mongo is not None:
                    parts.mongo.recover()
                summary = RecordService(options, parts, signals, screen).run()
        except RxfeedError as error:
            if isinstance(error, ConfigError):
                raise
            log.error("%s", error)
            return 1
        finally:
            if parts.mongo is not None:
                parts.mongo.close()
            if parts.metrics is not None:
                parts.metrics.close()
        _report(summary, in_log=options.log_format == "json" or (manager.present and not sys.stdout.isatty()))
        return summary.exit_status


def _parts(options: argparse.Namespace, manager: ServiceManager) -> RecordParts:
    sync = options.flush_seconds if options.sync is None else options.sync
    recorder = record(
        options.to,
        segment_bytes=max(1, round(options.segment_mb * 1e6)),
        segment_seconds=options.segment_minutes * 60,
        level=options.level,
        flush_seconds=min(sync, options.flush_seconds),
        mode=options.mode,
    )
    _check_folder(options.to)
    if options.mongo is not None or options.mongo_file is not None:
        make_folder(options.to, options.mode)  # for the spill
    mongo = MongoStore.of(options, sync)
    limits = KeepLimits(days=options.keep_days, bytes=options.keep_bytes, after=required_marks(options))
    return RecordParts(
        recorder,
        mongo,
        RecordingDisk(options.to, options.min_free, options.mode),
        Retention(options.to, limits),
        manager,
        _metrics(options, recorder, mongo),
    )


def _metrics(options: argparse.Namespace, recorder: Recorder, mongo: MongoStore | None) -> MetricsServer | None:
    """The endpoint of `--metrics`, which the feeds are added to; `None` without it."""
    if options.metrics is None:
        return None
    host, port = options.metrics
    server = serve(recorder, *(() if mongo is None else (mongo.sink,)), port=port, host=host)
    log.info("metrics at %s", server.url)
    return server


def _check_folder(folder: Path) -> None:
    """Raise `ConfigError` if *folder* cannot be written, which the recorder would detect only when connected."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir():
        raise ConfigError(f"--to: {folder} cannot be created: {there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"--to: {folder} cannot be written: {there} is not writable")


def _report(summary: RecordSummary, *, in_log: bool) -> None:
    """Report the counts on standard output, or in one log line, and the error that ended the recording."""
    if in_log:
        log.log(logging.ERROR if summary.exit_status == 1 else logging.INFO, "%s", summary.line())
    elif summary.feed.connections:
        try:
            write_line("\n".join(printable(line) for line in summary.text().splitlines()))
        except OutputFailed as error:
            report_failed_output(error)
    if summary.problem is not None:
        log.error("%s", summary.problem)
