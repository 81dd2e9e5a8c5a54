"""Examples in docstrings run when pasted: the doctests of `rxfeed/` have no names but what each docstring imports."""

from __future__ import annotations

import doctest

import pytest

from conftest import pytest_collection_modifyitems


@pytest.mark.parametrize(("text", "failed"), [(">>> fold\n", 1), (">>> from rxfeed import fold\n>>> _ = fold\n", 0)])
def test_example_has_only_what_it_imports(request: pytest.FixtureRequest, text: str, failed: int) -> None:
    example = doctest.DocTestParser().get_doctest(text, {"fold": "a name of the module"}, "example", None, None)
    runner = doctest.DocTestRunner(verbose=False)
    item = pytest.DoctestItem.from_parent(request.node.parent, name="example", runner=runner, dtest=example)
    pytest_collection_modifyitems([item])
    assert runner.run(example, out=lambda _: None).failed == failed
