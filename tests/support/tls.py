"""TLS for a client that reads and writes in two threads."""

from __future__ import annotations

import ssl

import trustme


def contexts_of_two_threads() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, without session tickets, and a client's that trusts it.

    The client of `websockets.sync` reads in one thread and writes in another. OpenSSL does not allow both at once on
    one connection. Session tickets arrive right after the handshake, while the client writes its request: if a thread
    reads a ticket meanwhile, the request can be lost, and the server waits for it until its time limit.
    """
    authority = trustme.CA()
    client = ssl.create_default_context()
    authority.configure_trust(client)
    server = server_of_two_threads()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    return server, client


def server_of_two_threads() -> ssl.SSLContext:
    """A server's context without session tickets, and without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    return context
