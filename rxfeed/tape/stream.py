"""The stream of a tape: made if it is missing, with its retention."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from rxfeed.errors import ConfigError
from rxfeed.tape.envelope import HEADER_SPACE
from rxfeed.tape.library import nats_py

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import StreamInfo

log = logging.getLogger("rxfeed.tape")

NAME_IN_USE = 10058
DAY = 86_400.0


class StreamSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The stream *name*, and how it is made. `None`: the default for a new stream, and no change of one that exists."""

    name: str
    max_age: float | None = None
    """Seconds."""
    max_bytes: int | None = None
    replicas: int | None = None
    duplicate_window: float | None = None
    """Seconds within which the server refuses a second message with an identity."""


_DEFAULTS: dict[str, object] = {"max_age": 7 * DAY, "max_bytes": -1, "num_replicas": 1, "duplicate_window": 120.0}


def check_name(name: object) -> str:
    """*name*, if it can be the name of a stream and the first token of its subjects."""
    valid = isinstance(name, str) and name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    if not valid or not isinstance(name, str) or len(name) > 32:
        raise ConfigError(f"stream: {name!r} is not a name of letters, digits, - and _ with at most 32 characters")
    return name


async def ensure_stream(js: JetStreamContext, settings: StreamSettings, *, known: bool) -> StreamInfo:
    """The stream, which is made if it is missing, and changed if a setting differs. *known*: it was there before."""
    nats = nats_py()
    api = nats.js.api
    given: dict[str, object] = {
        "max_age": settings.max_age,
        "max_bytes": settings.max_bytes,
        "num_replicas": settings.replicas,
        "duplicate_window": settings.duplicate_window,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    try:
        info = await js.stream_info(settings.name)
    except nats.js.errors.NotFoundError:
        log.log(
            logging.WARNING if known else logging.INFO,
            "tape %s: the stream %s; it is made",
            settings.name,
            "was deleted, with its messages" if known else "is missing",
        )
        config = api.StreamConfig(
            name=settings.name,
            subjects=[f"{settings.name}.>"],
            storage=api.StorageType.FILE,
            allow_direct=True,
            **{**_DEFAULTS, **wanted},
        )
        try:
            return await js.add_stream(config)
        except nats.js.errors.BadRequestError as error:
            if error.err_code != NAME_IN_USE:  # another publisher has made it meanwhile
                raise
            info = await js.stream_info(settings.name)
    config = info.config
    if f"{settings.name}.>" not in (config.subjects or ()):
        raise ConfigError(
            f"stream: {settings.name} exists with the subjects {', '.join(config.subjects or ())}, and a tape needs "
            f"{settings.name}.>: choose another name"
        )
    changed = {name: value for name, value in wanted.items() if getattr(config, name) != value}
    if changed:
        log.info("tape %s: the stream's settings are changed: %s", settings.name, changed)
        for name, value in changed.items():
            setattr(config, name, value)
        info = await js.update_stream(config)
    return info


def payload_limit(max_payload: int, info: StreamInfo) -> int:
    """The bytes of a message's payload, at most: of the server and of the stream."""
    limits = [each for each in (max_payload, info.config.max_msg_size) if each is not None and each > 0]
    return max(1_000, min(limits) - HEADER_SPACE)
