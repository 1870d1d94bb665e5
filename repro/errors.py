"""The one error that is shown to a user as a line instead of a traceback."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake in what the user gave: one line naming the value, the place and the choices."""


def choice(value, choices, what: str):
    """Return `value` if it is one of `choices`; else raise a UserError that says what `what` may be."""
    if value not in choices:
        raise UserError(f"{what}: {value!r} is not known; choose from {', '.join(map(str, choices))}")
    return value
