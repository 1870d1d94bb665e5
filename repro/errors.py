"""The one error that is shown to a user as a line instead of a traceback."""

from __future__ import annotations

import reprlib

LONGEST = 2000  # characters of a line


class UserError(ValueError):
    """A mistake in what the user gave: one line naming the value, the place and the choices.

    It stays one line whatever the value or the file's name holds: what is not printable is escaped, and too much cut.
    """

    def __init__(self, message: str):
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(message))
        super().__init__(line if len(line) <= LONGEST else f"{line[:LONGEST // 2]} ... {line[-LONGEST // 2:]}")


class _Short(reprlib.Repr):
    """repr of what a file holds, which may be nested and repeated without end, in a few hundred characters."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxlist, self.maxtuple, self.maxset = 4, 12, 12, 12
        self.maxdict, self.maxstring, self.maxlong, self.maxother = 8, 120, 60, 120

    def repr_int(self, value, level):
        return repr(value) if value.bit_length() < 128 else f"a number of {value.bit_length()} bits"


shown = _Short().repr  # a value from a file or from the command line, as messages show it


def choice(value, choices, what: str):
    """Return `value` if it is one of `choices`; else raise a UserError that says what `what` may be."""
    if value not in choices:
        raise UserError(f"{what}: {shown(value)} is not known; choose from {', '.join(map(str, choices))}")
    return value
