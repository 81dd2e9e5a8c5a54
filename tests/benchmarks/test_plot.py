"""The picture: a PNG of the measured parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib import image

from benchmarks.plot import main
from tests.benchmarks.results import results
from tests.support.pictures import ground


@pytest.mark.parametrize("parts", [("speed", "latency", "load"), ("latency",), ("load",)])
def test_picture_shows_the_measured_parts(tmp_path: Path, parts: tuple[str, ...]) -> None:
    found = {key: value for key, value in results().items() if key in (*parts, "source", "cores", "python")}
    saved, picture = tmp_path / "results.json", tmp_path / "docs" / "picture.png"
    saved.write_text(json.dumps(found))
    main(["--json", str(saved), "--into", str(picture)])
    height, width, _ = image.imread(picture).shape
    assert width == 1500
    assert height > 150 * len(parts)
    assert ground(picture) > 0.9
    main(["--json", str(saved), "--into", str(picture), "--dark"])
    assert ground(picture) < 0.1
