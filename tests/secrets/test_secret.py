"""A `Secret` is shown nowhere, and returns its text on request."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from rxfeed import ConfigError, Credentials, Secret
from tests.support.tracker import recorded_of

SESAME = Secret("open sesame")


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        format,
        lambda secret: f"{secret}{secret!r}{secret:>20}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  # as logging does it
        lambda secret: str([secret, {"password": secret}, (secret,)]),
        lambda secret: repr(copy.deepcopy({"password": secret})),
        lambda secret: repr(dataclasses.asdict(Credentials("key", "c2VjcmV0", secret))),
        lambda secret: repr(Credentials("key", "c2VjcmV0", secret)),
    ],
)
def test_secret_is_not_in_its_texts(show: Callable[[Secret], str]) -> None:
    assert "sesame" not in show(SESAME)


def test_secret_is_not_in_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("rxfeed").warning("password %s, %r", SESAME, SESAME)
    assert caplog.messages == ["password [redacted], Secret('[redacted]')"]


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, msgspec.json.encode, vars])
@pytest.mark.parametrize("what", [SESAME, Credentials("key", "c2VjcmV0", SESAME)], ids=["secret", "credentials"])
def test_secret_is_not_written(write: Callable[[Any], Any], what: Any) -> None:
    try:
        written = write(what)
    except TypeError as error:
        written = str(error)
    assert "sesame" not in str(written)


def test_pickle_is_rejected_with_a_remedy() -> None:
    with pytest.raises(TypeError, match="read it where it is used"):
        pickle.dumps(SESAME)


def test_secret_returns_its_text_and_compares() -> None:
    assert SESAME.reveal() == "open sesame"
    assert copy.copy(SESAME) == SESAME == copy.deepcopy(SESAME) == Secret("open sesame")
    assert len({SESAME, Secret("open sesame"), Secret("closed")}) == 2
    assert Secret("a") != Secret("b")
    assert SESAME != "open sesame"
    assert Secret("\ud800") == Secret("\ud800")
    assert bool(SESAME)
    assert not Secret("")


HIDDEN: Any = b"hidden"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Secret(HIDDEN),
        lambda: Credentials("key", "hidden is no base64", "hidden"),
        lambda: Credentials("key", "c2VjcmV0", HIDDEN),
        lambda: Credentials("key", HIDDEN, "hidden"),
        lambda: Credentials("key", "c2VjcmV0", "hidden\ud800"),
        lambda: Credentials("key", "hidden \u00fc", "hidden"),
    ],
)
def test_rejected_secret_is_in_no_traceback(make: Callable[[], Any]) -> None:
    with pytest.raises((TypeError, ConfigError)) as caught:
        make()
    assert "hidden" not in recorded_of(caught.value)


def test_missing_environment_variables_show_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINBASE_API_KEY", "hidden-key")
    monkeypatch.setenv("COINBASE_API_SECRET", "hidden-secret")
    monkeypatch.delenv("COINBASE_API_PASSPHRASE", raising=False)
    with pytest.raises(ConfigError, match="COINBASE_API_PASSPHRASE not set") as caught:
        Credentials.from_env()
    assert "hidden" not in recorded_of(caught.value)
