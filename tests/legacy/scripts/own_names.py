"""A subclass that uses many common names for its own attributes."""

import queue
import sys
import threading

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def __init__(self, url):
        self._lock = threading.Lock()
        self._queue = queue.Queue()
        self._running = self._stop = self._closed = False
        self._feed = self._session = self._thread = self._state = self._life = None
        self.feed = self.data = self.queue = []
        self.status = self.running = self.connected = "mine"
        super().__init__(url=url, channels=["ticker"], should_print=False)

    def connect(self):
        self.start()

    def send(self, text):
        self.data.append(text)

    def run(self):
        return self._queue.get(timeout=15)

    def on_message(self, msg):
        with self._lock:
            self.send(msg)
            self._queue.put(msg)


client = Client(sys.argv[1])
client.connect()
client.run()
client.close()
print("mine", client.feed is client.data, client.status, client.error)
