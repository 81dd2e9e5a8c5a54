"""What an error tracker would record of an exception."""

from __future__ import annotations

from pathlib import Path

TESTS = str(Path(__file__).parent.parent)


def recorded_of(error: BaseException) -> str:
    """The texts of *error* and of its causes, and all local variables of their frames but the tests' own."""
    lines: list[str] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        lines += [repr(each), str(each), *map(repr, vars(each).values())]
        trace = each.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if not frame.f_code.co_filename.startswith(TESTS):
                lines += [f"{frame.f_code.co_qualname}: {name} = {value!r}" for name, value in frame.f_locals.items()]
            trace = trace.tb_next
    return "\n".join(lines)
