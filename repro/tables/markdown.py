"""Markdown tables with aligned columns, readable as plain text too."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Sequence, Tuple

Column = Tuple[str, Sequence[str]]  # a header and its cells, top to bottom


def markdown_table(columns: Sequence[Column], left: int) -> str:
    """Return a table of `columns`, the first `left` aligned left and the others right; all must be of one length."""
    lengths = {len(cells) for _, cells in columns}
    if len(lengths) != 1:
        raise ValueError(f"columns have different lengths: {sorted(lengths)}")
    padded = []
    for index, (header, cells) in enumerate(columns):
        texts = [text.replace("|", r"\|") for text in (header, *cells)]
        width = max(3, *map(len, texts))
        rule = "-" * width if index < left else "-" * (width - 1) + ":"
        texts = [text.ljust(width) if index < left else text.rjust(width) for text in texts]
        padded.append([texts[0], rule, *texts[1:]])
    return "".join(f"| {' | '.join(line)} |\n" for line in zip(*padded))


def table_of(items: Sequence, left: int, *columns: Tuple[str, Callable[[Any], Any]]) -> str:
    """Return a table of a line for each item: each column's header, and what makes a cell of an item."""
    return markdown_table([(header, [str(cell(one)) for one in items]) for header, cell in columns], left)


def joined(parts: Iterable[str]) -> str:
    """Return the parts of a page, an empty line between them."""
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
