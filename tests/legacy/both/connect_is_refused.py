"""A bot that connects itself, and handles what refuses it."""

import rxfeed.compat as cbpro

bot = cbpro.WebsocketClient(url="ws://127.0.0.1:9", products=["BTC-USD"], channels=["ticker"], should_print=False)
try:
    bot._connect()
except Exception as error:
    print("refused", isinstance(error, Exception), bot.error, bot.stop, bot.products)
