"""A client that is pickled, copied, and started in a process that spawn has made."""

import copy
import multiprocessing
import pickle
import sys

import rxfeed.compat as cbpro


class Bot(cbpro.WebsocketClient):
    def __init__(self, url, limit):
        super().__init__(url=url, products=["BTC-USD"], channels=["ticker"], should_print=False, mongo_collection=False)
        self.limit = limit
        self.prices = []

    def on_message(self, msg):
        super().on_message(msg)
        self.prices.append(msg["type"])
        if len(self.prices) == self.limit:
            print("limit", self.limit, "ticker" in self.prices, flush=True)
            self.stop = True


if __name__ == "__main__":
    bot = Bot(sys.argv[1], 4)
    for other in (pickle.loads(pickle.dumps(bot)), copy.copy(bot), copy.deepcopy(bot)):
        print(type(other).__name__, other.limit, other.url == bot.url, other.channels, other.stop, other is not bot)
        other.prices = []
        other.start()
        other.thread.join()
        print(len(other.prices), bot.prices, bot.stop, bot.thread)
    process = multiprocessing.get_context("spawn").Process(target=bot.start)
    process.start()
    process.join(30)
    print("child", process.exitcode, bot.prices)
