"""What a user's mistake is said with is one short line, whatever a file or a command holds."""

from __future__ import annotations

import pytest

from repro.config import parsing
from repro.errors import LONGEST, UserError, shown

ODD = (None, True, 0, -1, 3, 2 ** 200, 0.5, -0.0, float("nan"), float("inf"), "", "text", "1", "\0\n", [], [1, 2.5],
       [None], [[1]], {}, {"a": [1]}, {1: None})
NESTED = [[[[[["deep"]]]]]] * 1000


@pytest.mark.parametrize("text, said", [
    ("a.yaml: row 3", "a.yaml: row 3"), ("größe: 5", "größe: 5"), ("", ""), ("a\nb\r\0c", r"a\nb\r\x00c"),
    ("\u2028\u202e", r"\u2028\u202e"), ("x" * LONGEST, "x" * LONGEST)])
def test_an_error_is_one_line_whatever_it_says(text, said):
    assert str(UserError(text)) == said
    long = str(UserError(f"{text}\n" * LONGEST))
    assert long.isprintable() and len(long) <= LONGEST + 10


def test_values_are_shown_short_and_small_ones_as_they_are():
    for value in ODD:
        assert shown(value) == repr(value) or value == 2 ** 200
    for value in (NESTED, {"a": NESTED}, "x" * 10 ** 6, 10 ** 6000, list(range(10 ** 5))):
        assert len(shown(value)) < 20000


def test_checks_give_the_value_or_a_line():
    for check, right in ((parsing.integer, [0, -1, 3]), (parsing.natural, [0, 3]),
                         (parsing.number, [0, -1, 3, 2.0 ** 200, 0.5, 0]),
                         (parsing.positive(parsing.number), [3, 2.0 ** 200, 0.5]),
                         (parsing.text, ["text", "1", "\0\n"]), (parsing.boolean, [True]),
                         (parsing.optional(parsing.boolean), [None, True]),
                         (parsing.sequence(parsing.number), [(), (1, 2.5)])):
        found = []
        for value in ODD:
            try:
                found.append(check(value, "place"))
            except UserError as error:
                assert str(error).startswith("place") and str(error).isprintable()
        assert found == right
