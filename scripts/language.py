"""List the sentences in comments, docstrings and prose that are not in plain technical language.

    python scripts/language.py [--count] PATH...

PATH: `*.py` and `*.md` files, or folders of them. A line of the output is `file:line: [rule] sentence`. The rules are
those of CONTRIBUTING.md: the subject of a sentence is a component or a value, its verb is technical, and in prose it
has at most 32 words. A hit can be right, for example a quoted wire message. So this is an aid for review, and only the
number of hits is limited.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

RULES = {
    "verb": re.compile(
        r"\b(says?|said|saying|tells?|told|telling|speaks?|spoke|spoken|hears?|heard|knows|wish(es|ed)?|wants?|wanted"
        r"|forg(i|e|a)ve\w*|believ\w+|goodbye|hopes?|minds|cares?)\b",
        re.IGNORECASE,
    ),
    "person": re.compile(
        r"\b(who|whoever|whose|nobody|somebody|anybody|everybody|theirs|the other side|how manieth|by hand|one's)\b",
        re.IGNORECASE,
    ),
}
LONGEST_SENTENCE = 32
LONGEST_TEST_NAME = 70
_MARKS = re.compile(r"#\s*(?:noqa|type:|pyright:|!)")
_END_OF_SENTENCE = re.compile(r"(?<=[.!?;:])\s+")

Text = tuple[int, str]
"""A line's number, and the text that begins there."""
Hit = tuple[Path, int, str, str]
"""A file, a line, the rule, and the sentence."""


def texts_of_python(source: str) -> Iterator[Text]:
    """The comments, the docstrings (without their examples), and the strings that document an attribute."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not _MARKS.match(token.string):
            yield token.start[0], token.string.lstrip("# ")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node)
            if doc:
                lines = (line for line in doc.splitlines() if not line.strip().startswith((">>>", "...")))
                yield node.body[0].lineno, "\n".join(lines)
        if isinstance(node, ast.Module | ast.ClassDef):
            for before, after in zip(node.body, node.body[1:], strict=False):
                match before, after:
                    case ((ast.Assign() | ast.AnnAssign()), ast.Expr(value=ast.Constant(value=str(doc)))):
                        yield after.lineno, doc


def texts_of_markdown(source: str) -> Iterator[Text]:
    """The lines outside code blocks."""
    in_code = False
    for number, line in enumerate(source.splitlines(), 1):
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith("    "):
            yield number, line


def hits_in(path: Path) -> Iterator[Hit]:
    """What breaks a rule in one file."""
    source = path.read_text(encoding="utf-8")
    python = path.suffix == ".py"
    for line, text in texts_of_python(source) if python else texts_of_markdown(source):
        for sentence in _END_OF_SENTENCE.split(" ".join(text.split())):
            for name, rule in RULES.items():
                for found in rule.finditer(sentence):
                    yield path, line, f"{name}: {found.group()}", sentence
            words = len(sentence.split())
            if not python and words > LONGEST_SENTENCE and "|" not in sentence:
                yield path, line, f"long: {words} words", sentence
    if python and path.name.startswith("test_"):
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", source, re.MULTILINE):
            if len(name) > LONGEST_TEST_NAME:
                yield path, 1, f"test name: {len(name)} characters", name


def hits(paths: list[Path]) -> list[Hit]:
    """What breaks a rule in *paths*."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [hit for file in files if file.suffix in (".py", ".md") for hit in hits_in(file)]


def main(arguments: list[str]) -> None:
    """Print the hits, or with `--count` their numbers by rule."""
    found = hits([Path(each) for each in arguments if each != "--count"])
    if "--count" not in arguments:
        for path, line, rule, sentence in found:
            print(f"{path}:{line}: [{rule}] {sentence[:140]}")
    for rule, number in sorted(Counter(rule.partition(":")[0] for _, _, rule, _ in found).items()):
        print(f"{number:6} {rule}")


if __name__ == "__main__":
    main(sys.argv[1:])
