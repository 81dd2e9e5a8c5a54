"""Each implementation in the sink's benchmark writes every document, and the ratios are reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import sink, streams


@pytest.fixture
def payloads() -> list[bytes]:
    return [message.raw for message in [*streams.trades(1, 40), *streams.tickers(1, 40)]]


def test_repeated_frames_are_distinct_messages(payloads: list[bytes]) -> None:
    messages = sink.messages_of(payloads * 3)
    assert len(messages) == 3 * len(payloads)
    assert len({message.raw for message in messages}) == len(messages)
    assert {type(message) for message in messages[:80]} == {type(message) for message in messages[160:]}


def test_each_way_writes_every_document(collection: Any, payloads: list[bytes], tmp_path: Path) -> None:
    messages = sink.messages_of(payloads)
    report = sink.run(messages, 10, 2, collection, tmp_path / "spill.db")
    assert {row["way"]: row["documents"] for row in report.rows} == {
        "insert_one": 10,
        "insert_many raw": 80,
        "sink raw": 80,
        "insert_many typed": 80,
        "sink typed": 80,
        "durable typed": 80,
    }
    assert [verdict["goal"].rpartition(" ")[2] for verdict in report.verdicts] == ["0.8", "0.5", "0.5", "40", "40"]
    rates = {row["way"]: row["a_second"] for row in report.rows}
    assert report.verdicts[0]["value"] == pytest.approx(rates["sink raw"] / rates["insert_many raw"], rel=0.02)


def test_missing_documents_stop_the_benchmark(collection: Any, payloads: list[bytes], tmp_path: Path) -> None:
    twice = sink.messages_of(payloads)
    with pytest.raises(SystemExit, match="sink raw: documents are missing"):
        sink.run([*twice, *twice], 10, 1, collection, tmp_path / "spill.db")
