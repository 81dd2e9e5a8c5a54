"""An extension of Griffe for the reference pages: the doctests in docstrings become blocks of code.

A docstring has its examples as doctests, indented or not. In Markdown `>>>` begins a quotation.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

# A first line with `>>>`, and all lines up to the next empty one.
_EXAMPLE = re.compile(r"^( *)>>> .*(?:\n(?! *$).*)*", re.MULTILINE)
_DIRECTIVE = re.compile(r"\s+# doctest: .*")


class DocstringExamples(Extension):
    """Encloses each doctest in a fence of the language `pycon`."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """*text* with each doctest in a fence, without indentation and directives."""

    def fence(found: re.Match[str]) -> str:
        lines = (_DIRECTIVE.sub("", line.removeprefix(found[1])) for line in found[0].splitlines())
        return "\n".join(["```pycon", *lines, "```"])

    return _EXAMPLE.sub(fence, text)
