"""Print the figures that this project limits, each with its limit; exit status 1 where one is above it.

    python scripts/figures.py

They are: public names of `rxfeed`, modules and milliseconds of imports, uses of `Any` in the package, hits of
`scripts/language.py`, and test names that are too long. The times depend on the machine, so they have limits and are
printed, but do not fail the command. The numbers of modules do, and the time in percent of that of some modules of the
standard library, which a busy machine slows down alike.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import tokenize
from pathlib import Path

from language import hits

ROOT = Path(__file__).parents[1]
LIMITS = {
    "public names in rxfeed.__all__": 75,
    "uses of Any in rxfeed": 230,
    "language: rxfeed": 30,
    "language: tests": 20,
    "language: docs, examples, README.md, CONTRIBUTING.md": 10,
    "test names over 70 characters": 0,
    "modules of rxfeed loaded by from rxfeed import Feed": 180,
    "modules of other packages loaded by it": 300,
    "modules of rxfeed loaded by rxfeed --help": 95,
    "from rxfeed import Feed, in percent of a reference": 420,
    "milliseconds of import rxfeed": 130,
    "milliseconds of from rxfeed import Feed": 150,
}
REFERENCE = "import asyncio, ssl, logging, decimal, json, inspect, typing"
DEPENDS_ON_MACHINE = {"milliseconds of import rxfeed", "milliseconds of from rxfeed import Feed"}


def public_names() -> int:
    """The length of `rxfeed.__all__`."""
    return int(_python("import rxfeed; print(len(rxfeed.__all__))"))


def import_milliseconds(statement: str, runs: int = 15) -> int:
    """The time of the processor for a process that runs *statement*, less that for one that does nothing.

    It is the shortest of some *runs*, with compiled files, as an installed package has them.
    """

    def taken(code: str) -> float:
        began = _children_seconds()
        _python(code, environment)
        return _children_seconds() - began

    with tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, "PYTHONPYCACHEPREFIX": folder}
        for code in (statement, "pass"):  # compiles
            taken(code)
        pairs = [(taken(statement), taken("pass")) for _ in range(runs)]  # alternately: the load of the machine changes
        with_it, without = (min(times) for times in zip(*pairs, strict=True))
        return round(1000 * (with_it - without))


def loaded_modules(statement: str) -> tuple[int, int]:
    """How many modules of rxfeed, and how many others, a process loads with *statement*; it does not vary."""
    code = "import sys; before = set(sys.modules)\n" + statement + "\nprint(*(set(sys.modules) - before))"
    names = _python(code).splitlines()[-1].split()
    own = sum(name.partition(".")[0] == "rxfeed" for name in names)
    return own, len(names) - own


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def uses_of_any() -> int:
    """How often the package's code has the name `Any`; prose does not count."""
    count = 0
    for path in (ROOT / "rxfeed").rglob("*.py"):
        with path.open("rb") as file:
            count += sum(
                each.type == tokenize.NAME and each.string == "Any" for each in tokenize.tokenize(file.readline)
            )
    return count


def language_hits(*places: str) -> tuple[int, int]:
    """Sentences that break a rule in *places*, and test names that are too long."""
    found = hits([ROOT / place for place in places])
    names = sum(rule.startswith("test name") for _, _, rule, _ in found)
    return len(found) - names, names


def _python(code: str, environment: dict[str, str] | None = None) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=environment).stdout


def figures() -> dict[str, int]:
    """All of them, by the names of `LIMITS`."""
    in_tests, names = language_hits("tests")
    own, others = loaded_modules("from rxfeed import Feed")
    feed = import_milliseconds("from rxfeed import Feed")
    run = "from rxfeed.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"
    return {
        "public names in rxfeed.__all__": public_names(),
        "uses of Any in rxfeed": uses_of_any(),
        "language: rxfeed": language_hits("rxfeed")[0],
        "language: tests": in_tests,
        "language: docs, examples, README.md, CONTRIBUTING.md": language_hits(
            "docs", "examples", "README.md", "CONTRIBUTING.md"
        )[0],
        "test names over 70 characters": names,
        "modules of rxfeed loaded by from rxfeed import Feed": own,
        "modules of other packages loaded by it": others,
        "modules of rxfeed loaded by rxfeed --help": loaded_modules(run)[0],
        "from rxfeed import Feed, in percent of a reference": 100 * feed // import_milliseconds(REFERENCE),
        "milliseconds of import rxfeed": import_milliseconds("import rxfeed"),
        "milliseconds of from rxfeed import Feed": feed,
    }


def main() -> None:
    """Print the table."""
    above = False
    for name, value in figures().items():
        over = value > LIMITS[name]
        above = above or (over and name not in DEPENDS_ON_MACHINE)
        print(f"{value:6}  at most {LIMITS[name]:3}  {name}{'  ABOVE' if over else ''}")
    sys.exit(1 if above else 0)


if __name__ == "__main__":
    main()
