"""Pictures of certificates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rxfeed.audit import audit, draw
from rxfeed.errors import ConfigError
from tests.audit.test_certificate import HOUR, SECOND, match, opening
from tests.support.pictures import ground
from tests.support.segments import NS, write


def test_picture_has_a_row_for_each_product(tmp_path: Path) -> None:
    """A gap of a minute is visible in a year."""
    year = 365 * 24 * HOUR
    lines = [*opening("matches"), *(match(1 + at, NS + at * year // 50) for at in range(25))]
    lines += [match(30 + at, NS + year // 2 + at * year // 50) for at in range(25)]
    write(tmp_path, lines)
    draw(audit(tmp_path), tmp_path / "year.png")
    from matplotlib.image import imread

    pixels = (imread(tmp_path / "year.png")[..., :3] * 255).round().astype(int)
    seen = {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}
    assert {(0x00, 0x9E, 0x73), (0xD5, 0x5E, 0x00)} <= seen  # verified, and missing
    draw(audit(tmp_path), tmp_path / "dark.png", dark=True)
    assert ground(tmp_path / "year.png") > 0.9
    assert ground(tmp_path / "dark.png") < 0.1
    with pytest.raises(ConfigError, match="png"):
        draw(audit(tmp_path, products="ETH-USD"), tmp_path / "none.png")


@pytest.mark.parametrize("name", ["A\nB", "$x^2$", "\u6bd4\u7279\u5e01", "A" * 5000, "\x1b[31m", ""])
def test_picture_of_an_instant_and_of_any_name(name: str, tmp_path: Path) -> None:
    """Without a warning, which is an error here."""
    escaped = json.dumps(name)[1:-1]
    write(tmp_path, [*opening("matches", products=[name]), match(1, NS, escaped), match(2, NS, escaped)])
    draw(audit(tmp_path), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 5000


def test_picture_of_many_gaps_has_few_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to draw it does not depend on the number of gaps."""
    from matplotlib.axes import Axes

    marks: list[int] = []
    bars = Axes.broken_barh

    def counted(self: Axes, xranges: Any, yrange: Any, **options: Any) -> Any:
        marks.append(len(xranges))
        return bars(self, xranges, yrange, **options)

    monkeypatch.setattr(Axes, "broken_barh", counted)
    lines = [match(2 * each, NS + each * 1800 * SECOND) for each in range(1, 1000)]
    write(tmp_path, [*opening("matches"), *lines])
    found = audit(tmp_path)
    assert len(found.missing) == 998
    draw(found, tmp_path / "picture.png")
    assert len(marks) <= 6
    assert sum(marks) < 360
