"""The session of the public client, and the signer, as scripts use them beside the calls."""

import sys

import rxfeed.compat as cbpro
from rxfeed.compat.cbpro_auth import get_auth_headers


class Request:
    method, path_url, body = "GET", "/time", None

    def __init__(self):
        self.headers = {}


client = cbpro.PublicClient(sys.argv[2])
client.session.headers.update({"User-Agent": "bot"})
answer = client.session.get(client.url + "/products/BTC-USD/ticker")
print(answer.status_code, answer.ok, sorted(answer.json()))
missing = client.session.get(client.url + "/products/NOPE/ticker", params={"a": 1}, timeout=5)
print(missing.status_code, missing.ok, missing.json(), missing.headers["content-type"].split(";")[0])
print(sorted(client._send_message("get", "/products/BTC-USD/stats")))
request = cbpro.CBProAuth("key", "c2VjcmV0", "phrase")(Request())
print(sorted(request.headers), request.headers["CB-ACCESS-KEY"])
print(get_auth_headers("1", "1GET/time", "key", "c2VjcmV0", "phrase")["CB-ACCESS-SIGN"])
client.session.close()
