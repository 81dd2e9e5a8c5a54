"""Loaded by Python at its start: the exchange's hosts are the local servers of the environment.

So a script with no URL, or with that of a retired host, runs as it stands: on rxfeed.compat and on cbpro's wheel.
"""

import os

HOSTS = ("wss://ws-feed.pro.coinbase.com", "wss://ws-feed.gdax.com")
REST = ("https://api.pro.coinbase.com", "https://api.gdax.com")


def local(url, hosts, server):
    for host in hosts:
        if url.startswith(host):
            return server + url[len(host) :]
    return url


def redirect_wheel(feed, rest):
    import requests  # pyright: ignore[reportMissingModuleSource]
    import websocket

    connect, request = websocket.create_connection, requests.Session.request
    websocket.create_connection = lambda url, *args, **named: connect(local(url, HOSTS, feed), *args, **named)

    def local_request(self, method, url, **named):
        return request(self, method, local(url, REST, rest), **named)

    setattr(requests.Session, "request", local_request)  # noqa: B010  # it is not of that type


def redirect_rxfeed(feed, rest):
    from rxfeed import Credentials
    from rxfeed.compat.hosts import Servers, redirect

    redirect(Servers(feed, rest, Credentials("key", "c2VjcmV0", "phrase")))


if "LOCAL_FEED" in os.environ:
    servers = os.environ["LOCAL_FEED"], os.environ["LOCAL_REST"]
    (redirect_wheel if "LOCAL_WHEEL" in os.environ else redirect_rxfeed)(*servers)
