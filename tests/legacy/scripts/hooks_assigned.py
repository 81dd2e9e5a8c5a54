"""No subclass at all: functions put on the instance, one of them while it runs."""

import sys
import threading

import rxfeed.compat as cbpro

second = threading.Event()
client = cbpro.WebsocketClient(url=sys.argv[1], channels=["ticker"], should_print=False)


def first_handler(msg):
    print("first:", msg["type"] in ("subscriptions", "ticker"))
    client.on_message = lambda msg: second.set()


client.on_message = first_handler
client.on_close = lambda: print("closed")
client.start()
assert second.wait(10)
client.close()
