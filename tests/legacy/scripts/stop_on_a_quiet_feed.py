"""stop = 1 from another thread, where no message will come for a minute."""

import sys
import threading
import time

import rxfeed.compat as cbpro

acknowledged = threading.Event()
client = cbpro.WebsocketClient(url=sys.argv[1], channels=["auctionfeed"], should_print=False)
client.on_message = lambda msg: acknowledged.set()
client.start()
assert acknowledged.wait(10)
began = time.monotonic()
client.stop = 1
client.thread.join()
print("prompt", time.monotonic() - began < 2, "stop", client.stop)
