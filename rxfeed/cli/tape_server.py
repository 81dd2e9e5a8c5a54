"""The server of a tape, from the options of a command. Its URL may have a password, so no text here repeats it."""

from __future__ import annotations

import argparse
import logging
import os
import ssl
from collections.abc import Mapping

from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret
from rxfeed.tape import TapeAddress

log = logging.getLogger("rxfeed.cli")

VARIABLE = "RXFEED_NATS_URL"
_DEFAULT = "nats://127.0.0.1:4222"


def address_of(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> TapeAddress:
    """The address of `--nats`, `--nats-file` or the environment; raises `ConfigError`."""
    return TapeAddress(url_of(options, environment), credentials=options.creds, tls=tls_of(options))


def url_of(options: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> Secret:
    if options.nats is not None:
        if "@" in options.nats:
            log.warning("--nats: the list of processes shows the URL's password or token; use --nats-file")
        return Secret(options.nats)
    if options.nats_file is not None:
        try:
            return Secret(options.nats_file.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"--nats-file: {options.nats_file} cannot be read: {reason}") from None
    return Secret(environment.get(VARIABLE) or _DEFAULT)


def tls_of(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls_ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=str(options.tls_ca))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"--tls-ca: {options.tls_ca} cannot be used: {error}") from None
