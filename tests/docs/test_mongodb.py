"""What docs/how_to/mongodb.md shows runs, on a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pymongo
import pytest

from tests.support.doc_pages import DOCS, local_market, run_page


def test_mongodb_blocks_run_and_print_what_the_page_shows(
    collection: Any, mongod: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    client = pymongo.MongoClient

    def local(url: str) -> Any:
        assert url == "mongodb://127.0.0.1:27017"
        return client(mongod.uri)

    monkeypatch.setattr(pymongo, "MongoClient", local)
    names: dict[str, Any] = {"__name__": "__main__"}
    with local_market(monkeypatch, faster=8):
        run_page(DOCS / "how_to" / "mongodb.md", names, capsys)
    names["collection"].database.client.drop_database("rxfeed")
    names["collection"].database.client.close()
