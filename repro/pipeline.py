"""One thing after the other, several at once: while one image is decoded, another is labelled."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Generator, Iterable

AHEAD = 4  # things in the pipeline at once
_END = object()


def pipeline(things: Iterable[Any], function: Callable[[Any], Any], threads: int,
             ahead: int = AHEAD) -> Generator[Any, None, None]:
    """Yield what a function makes of each thing, in their order; so many threads call it at once. `things` is read in a
    thread of its own, `ahead` at most before what is made of the first of them is taken.

    An error, of `things` or the function, is raised in the place of what it is of, and ends it.
    """
    source = iter(things)

    def made_of(thing: Future) -> Any:
        return _END if thing.result() is _END else function(thing.result())

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(threads) as workers:
        waiting: Deque[Future] = deque()

        def add() -> None:
            waiting.append(workers.submit(made_of, reader.submit(next, source, _END)))
        try:
            for _ in range(ahead):
                add()
            while True:
                made = waiting.popleft().result()
                if made is _END:
                    return
                add()
                yield made
        finally:
            for one in waiting:
                one.cancel()
