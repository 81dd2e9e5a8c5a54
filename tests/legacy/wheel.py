"""cbpro's wheel, for the comparison: installed once for all runs of the tests, where pip can get it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "1.1.4"
_PLACE = Path(tempfile.gettempdir()) / f"rxfeed-tests-cbpro-{VERSION}-{os.getuid() if hasattr(os, 'getuid') else 0}"


class WheelMissing(Exception):
    """The wheel cannot be installed; the text has the reason."""


@functools.cache
def wheel() -> Path:
    """The folder of the installed wheel; raises `WheelMissing`."""
    if (_PLACE / "cbpro").is_dir():
        return _PLACE
    made = Path(tempfile.mkdtemp(dir=_PLACE.parent))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(made)]
    try:
        # Its other requirements, in versions of 2018, are those that rxfeed and its tests have, of today.
        for wanted in (["--no-deps", f"cbpro=={VERSION}"], ["requests"], ["sortedcontainers"]):
            subprocess.run([*pip, *wanted], check=True, capture_output=True, text=True, timeout=50)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(made)
        raise WheelMissing(f"pip cannot get cbpro {VERSION}: {error.stderr.strip().splitlines()[-1:]}") from None
    except subprocess.TimeoutExpired:
        shutil.rmtree(made)
        raise WheelMissing(f"pip cannot get cbpro {VERSION}: no answer") from None
    with contextlib.suppress(OSError):  # another process was first
        made.rename(_PLACE)
    return _PLACE if (_PLACE / "cbpro").is_dir() else made
