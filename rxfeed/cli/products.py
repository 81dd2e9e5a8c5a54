"""`rxfeed products`: the products of a venue."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from http import HTTPStatus

from rxfeed.cli.streams import OutputClosed, write_error, write_line
from rxfeed.cli.text import plain_number, printable
from rxfeed.errors import AddressNotFound, FrameMalformed, ProxyFailed, RequestRejected, RxfeedError
from rxfeed.feed import ProductsRest
from rxfeed.secrets import Secret
from rxfeed.transport import Endpoint
from rxfeed.venues import RestProduct, venue

_TIMEOUT = 30.0  # seconds, with retries
_NONE = "-"  # in place of an alias or an increment that the venue does not name
_HEAD = ("id", "alias", "base incr.", "quote incr.", "status")


def run(options: argparse.Namespace) -> int:
    """Print the products that match the patterns; returns 1 if there is none."""
    named = venue(options.venue)
    if options.rest_url is not None:
        Endpoint.of(Secret(options.rest_url), ("http", "https"), "--rest-url")
    client = ProductsRest(options.rest_url, venue=named, timeout=_TIMEOUT)
    try:
        everything = client.products()
    except RxfeedError as error:
        raise RxfeedError(f"{printable(str(error))}: {_remedy(error)}") from None
    found = sorted(_matching(everything, options.pattern), key=lambda product: product.id)
    if not found:
        what = " or ".join(options.pattern) or "any id"
        write_error(
            f"rxfeed products: none of the {len(everything):,} products of {named.name} matches {what}: "
            "a pattern has * for any text, such as 'BTC-*'"
        )
        return 1
    with contextlib.suppress(OutputClosed):  # a reader that has seen enough (`| head`) changes nothing of the result
        write_line(_json(found) if options.json else "\n".join(map(printable, _table(found))))
    return 0


def _matching(products: Sequence[RestProduct], patterns: Sequence[str]) -> Iterator[RestProduct]:
    upper = [pattern.upper() for pattern in patterns]
    for product in products:
        if not upper or any(fnmatchcase(product.id.upper(), pattern) for pattern in upper):
            yield product


def _json(products: Sequence[RestProduct]) -> str:
    rows = [
        {
            "id": product.id,
            "alias": product.alias,
            "base_increment": None if product.base_increment is None else plain_number(product.base_increment),
            "quote_increment": None if product.quote_increment is None else plain_number(product.quote_increment),
            "status": product.status,
            "trading_disabled": product.trading_disabled,
        }
        for product in products
    ]
    return json.dumps(rows, indent=2)  # ASCII, so that it is JSON in every encoding


def _table(products: Sequence[RestProduct]) -> Iterator[str]:
    rows = [_HEAD, *map(_row, products)]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for product, alias, base, quote, status in rows:
        yield f"{product:<{wide[0]}}  {alias:<{wide[1]}}  {base:>{wide[2]}}  {quote:>{wide[3]}}  {status}".rstrip()


def _row(product: RestProduct) -> tuple[str, str, str, str, str]:
    base, quote = (
        _NONE if each is None else plain_number(each) for each in (product.base_increment, product.quote_increment)
    )
    traded = () if not product.trading_disabled else ("not traded",)
    return product.id, product.alias or _NONE, base, quote, ", ".join(filter(None, (product.status, *traded))) or _NONE


def _remedy(error: RxfeedError) -> str:
    match error:
        case RequestRejected(status=HTTPStatus.TOO_MANY_REQUESTS):
            return "the server limits requests; try again later"
        case RequestRejected(status=status) if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "the server fails; try again later"
        case RequestRejected() | FrameMalformed():
            return "check --rest-url and --venue"
        case AddressNotFound():
            return "check the host name in --rest-url, and this machine's network"
        case ProxyFailed():
            return "check the proxy in the environment"
    return "check --rest-url, and this machine's network"
