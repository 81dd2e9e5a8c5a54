"""Ctrl-C in main, caught as in every README."""

import os
import signal
import sys
import threading
import time

import rxfeed.compat as cbpro

client = cbpro.WebsocketClient(url=sys.argv[1], channels=["ticker"], should_print=False)
client.start()
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    while True:
        time.sleep(1)
except KeyboardInterrupt:
    client.close()
print("interrupted", client.error)
sys.exit(1 if client.error else 0)
