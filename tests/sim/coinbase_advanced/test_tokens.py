"""Tokens that sign requests, and key pairs."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from rxfeed.errors import ConfigError
from rxfeed.sim import Exchange, KeyPair, key_pair
from rxfeed.sim.coinbase_advanced import TokenVerifier
from tests.sim.coinbase_advanced.conftest import Client, token

Make = Callable[..., tuple[Exchange, Client]]
NOW = int(time.time())


def verifier(pairs: dict[str, KeyPair], now: float | None = None) -> TokenVerifier:
    keys = {pair.name: pair.public_key for pair in pairs.values()}
    return TokenVerifier(keys) if now is None else TokenVerifier(keys, lambda: now)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_token_of_each_algorithm_opens_a_private_channel(make: Make, pairs: dict[str, KeyPair], algorithm: str) -> None:
    _, client = make()
    refused = [{"type": "error", "message": "authentication failure"}]
    assert client.subscribe("user") == refused
    assert client.subscribe("user", jwt="a.b.c") == refused
    assert client.subscribe("user", jwt=token(pairs[algorithm]))[-1]["channel"] == "subscriptions"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "organizations/a/apiKeys/other"},
        {"iss": "coinbase"},
        {"iss": None},
        {"nbf": NOW + 3600, "exp": NOW + 3720},
        {"nbf": NOW - 180, "exp": NOW - 60},
        {"exp": NOW + 3600},
        {"exp": None},
        {"nbf": "soon"},
        {"uri": "GET api.coinbase.com/"},
        {"NONCE": None},
        {"NONCE": ""},
        {"KID": "organizations/a/apiKeys/other"},
        {"KID": None},
    ],
)
def test_wrong_claims_are_not_accepted(pairs: dict[str, KeyPair], algorithm: str, changes: dict[str, Any]) -> None:
    check = verifier(pairs)
    assert check.accepts(token(pairs[algorithm]))
    assert not check.accepts(token(pairs[algorithm], **changes))


def test_token_lasts_two_minutes(pairs: dict[str, KeyPair]) -> None:
    text = token(pairs["ES256"], nbf=NOW, exp=NOW + 120)
    assert [verifier(pairs, NOW + age).accepts(text) for age in (-6, -4, 0, 119, 120)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_foreign_key_under_a_known_name_is_not_accepted(pairs: dict[str, KeyPair]) -> None:
    for algorithm in ("ES256", "EdDSA"):
        for other in pairs.values():
            forged = KeyPair(other.name, key_pair(algorithm).private_key, "")  # type: ignore[arg-type]
            assert not verifier(pairs).accepts(token(forged))


@pytest.mark.parametrize("text", [None, 7, "", "a", "a.b", "a.b.c", "....", "\ud800", ["a"]])
def test_text_that_is_no_token_is_not_accepted(pairs: dict[str, KeyPair], text: object) -> None:
    assert not verifier(pairs).accepts(text)


def test_exchange_without_keys_accepts_no_token(pairs: dict[str, KeyPair]) -> None:
    assert not TokenVerifier({}).accepts(token(pairs["ES256"]))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_key_pair_has_the_forms_of_key_files(algorithm: Any) -> None:
    pair = key_pair(algorithm)
    if algorithm == "ES256":
        assert pair.private_key.startswith("-----BEGIN EC PRIVATE KEY-----\n")
    else:
        assert len(base64.b64decode(pair.private_key)) == 64
    pkcs8 = key_pair(algorithm, pkcs8=True, name="organizations/b/apiKeys/c")
    assert pkcs8.private_key.startswith("-----BEGIN PRIVATE KEY-----\n")
    load_pem_private_key(pkcs8.private_key.encode(), None)
    assert pkcs8.name == "organizations/b/apiKeys/c"
    assert pair.private_key not in repr(pair)
    assert pair.private_key != key_pair(algorithm).private_key


def test_key_pair_of_another_algorithm_is_an_error() -> None:
    with pytest.raises(ConfigError, match="algorithm: 'RS256' is none of 'ES256', 'EdDSA'"):
        key_pair("RS256")  # type: ignore[arg-type]


def test_public_keys_may_be_objects(pairs: dict[str, KeyPair]) -> None:
    private = load_pem_private_key(pairs["ES256"].private_key.encode(), None)
    check = TokenVerifier({pairs["ES256"].name: private.public_key()})
    assert check.accepts(token(pairs["ES256"]))
