"""Several steps of one thing after the other at once: while one image is decoded, another is labelled."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Callable, Deque, Iterable, Iterator, Tuple

AHEAD = 4  # things in the pipeline at once
_END = object()


def pipeline(things: Iterable[Any], *steps: Tuple[Callable[[Any], Any], int], ahead: int = AHEAD) -> Iterator[Any]:
    """Yield what the last step makes of each thing, in their order; each step takes what the one before it made.

    steps  (function, threads that call it at once). `things` is read in a thread of its own, `ahead` at most before
           what is made of the first of them is taken.

    An error, of `things` or a step, is raised in the place of what it is of, and ends it.
    """
    source = iter(things)

    def step(function: Callable[[Any], Any], before: Future) -> Any:
        made = before.result()
        return made if made is _END else function(made)
    with ExitStack() as stack:
        reader, *pools = [stack.enter_context(ThreadPoolExecutor(threads)) for threads in (1, *(n for _, n in steps))]
        waiting: Deque[Future] = deque()

        def add() -> None:
            made = reader.submit(next, source, _END)
            for pool, (function, _) in zip(pools, steps):
                made = pool.submit(step, function, made)
            waiting.append(made)
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
