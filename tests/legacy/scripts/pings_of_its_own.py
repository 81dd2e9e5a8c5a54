"""A keepalive thread, as many scripts have it against the loss of quiet channels."""

import sys
import threading
import time

import rxfeed.compat as cbpro

client = cbpro.WebsocketClient(url=sys.argv[1], channels=["heartbeat"], should_print=False)


def keepalive():
    while not (client.ws and client.ws.connected):
        time.sleep(0.01)
    for _ in range(3):
        client.ws.ping("keepalive")
        time.sleep(0.3)


client.start()
pinger = threading.Thread(target=keepalive)
pinger.start()
pinger.join()
client.close()
print("error", client.error)
