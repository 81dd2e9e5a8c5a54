"""Whether a picture shows something."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy


def assert_drawn(path: Path) -> None:
    """It is a PNG of some size, with something in the upper, the middle and the lower third."""
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    image = numpy.asarray(matplotlib.image.imread(path))
    height, width, _ = image.shape
    assert height > 500
    assert width > 800
    for third in numpy.array_split(image[:, :, :3], 3):
        assert third.std() > 0.05


def ground(path: Path) -> float:
    """The lightness of the picture's most frequent color, from 0 (black) to 1."""
    pixels = numpy.asarray(matplotlib.image.imread(path))[::4, ::4, :3].reshape(-1, 3)
    colors, counts = numpy.unique(pixels, axis=0, return_counts=True)
    return float(colors[counts.argmax()].mean())
