"""What the scripts share: options, which are make's variables too, devices, and a user's mistake as one line."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from typing import List, Optional

from tqdm import tqdm

from repro.errors import UserError

# environment: the target that make runs a script for, whose options are variables then; and the variables on make's
# command line, where it is the only target
TARGET = "MAKE_TARGET"
ALL = ("HELP", "MAKEFLAGS", "PYTHON", "PYTHONPATH", "SHELL", "TMPDIR", "VENV")  # that every target may be given


class Parser(argparse.ArgumentParser):
    """argparse's, for a script that is run as a module or by make: `make TARGET ROW=a FRESH=1` is --row a --fresh.

    A mistake is one line and exit code 2 as all others are, without the usage before it. What it parses has `usual`,
    the options' default values by name.
    """

    def parse_args(self, args=None, namespace=None):
        """Parse `args`; None: the command line, before it make's variables. ~ is the user's folder."""
        if args is None:
            args = sys.argv[1:]
            made = os.environ.pop(TARGET, "").split()  # not for the processes that this one starts
            if made:
                if os.environ.get("HELP"):
                    self.exit(0, self.variables(args))
                self._check_names(*made, fixed=args)
                args = [*self._from_make(), *args]
        given = super().parse_args(args, namespace)
        for name, value in vars(given).items():  # which not every shell has done behind a =
            if isinstance(value, str):
                setattr(given, name, os.path.expanduser(value))
        given.usual = {action.dest: action.default for action in self._options()}
        return given

    def error(self, message: str):
        """Print the mistake and end."""
        self.exit(2, f"error: {UserError(message)}\n")

    def variables(self, fixed=()) -> str:
        """Return the help as make's variables, without those whose options are `fixed` by the target."""
        lines = [self.description]
        for action in self._variables(fixed):
            name = f"  {action.dest.upper()}={'1' if action.nargs == 0 else ''}"
            text = action.help % {"default": action.default}
            lines.append(textwrap.fill(text, 118, initial_indent=f"{name:17} ", subsequent_indent=" " * 18))
        return "\n".join(lines) + "\n"

    def _options(self) -> List[argparse.Action]:
        return [action for action in self._actions if action.option_strings and action.dest != "help"]

    def _variables(self, fixed) -> List[argparse.Action]:
        return [action for action in self._options()
                if action.help != argparse.SUPPRESS and action.option_strings[-1] not in fixed]

    def _check_names(self, target: str, *names: str, fixed) -> None:
        """Refuse a variable that the target has not, as SEED where it is SEEDS: else it would be as if not given.

        One with a _ is of the environment, such as OMP_NUM_THREADS.
        """
        known = [action.dest.upper() for action in self._variables(fixed)]
        others = {action.dest.upper() for action in self._actions if not action.option_strings}.union(ALL)
        for name in names:
            if "_" not in name and name not in others.union(known) and os.environ.get(name):
                self.error(f"{name}: make {target} has no such variable; choose from {', '.join(known)}")

    def _from_make(self) -> List[str]:
        given = [(action, os.environ.get(action.dest.upper(), "")) for action in self._options()]
        return [action.option_strings[-1] + ("" if action.nargs == 0 else f"={value}") for action, value in given
                if value and not (action.nargs == 0 and value == "0")]


def contexts(gpu: str):
    """Return the MXNet devices of GPU=: "" the CPU, "0" or "0,1" cards; UserError where one cannot be used."""
    from repro import device

    device.check(gpu)  # before mxnet is imported: its CUDA build cannot be without a driver
    return device.contexts(gpu)


def card_of(gpu: str) -> Optional[int]:
    """Return the one card that GPU= names for onnxruntime; None for "", the CPU."""
    from repro import device

    cards = device.parse(gpu)
    if len(cards) > 1:
        raise UserError(f"GPU: {gpu!r}: onnxruntime computes on one card")
    return cards[0] if cards else None


def seed_of(text: str, place: str) -> int:
    """Return a seed as NumPy takes them; a UserError begins with `place`."""
    if not (text.isascii() and text.isdigit() and int(text) < 2 ** 32):
        raise UserError(f"{place}: {text!r} is not a whole number from 0 to {2 ** 32 - 1}")
    return int(text)


def between(value: int, least: int, most: int, place: str) -> int:
    """Return a number from `least` to `most`; a UserError begins with `place`."""
    if not least <= value <= most:
        raise UserError(f"{place}: {value} is not {least} to {most}")
    return value


def at_least_one(value: int, place: str) -> int:
    """Return a count of what there must be one of; a UserError begins with `place`."""
    if value < 1:
        raise UserError(f"{place}: {value} is not 1 or more")
    return value


class Reported(Exception):
    """A user's mistake that another process has printed already."""


def run(command, given, before: str = "") -> int:
    """Call command(given); return the exit code, 0, 2 on a user's mistake or a file's, 130 when interrupted.

    before  what an error's line begins with, such as the end of a line on which another process shows its progress.
    """
    for stream in (sys.stdout, sys.stderr):  # which may not have every letter of a file's name
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        command(given)
    except Reported:
        return 2
    except UserError as error:
        return _said(before, error)
    except OSError as error:  # such as a folder that is not to be written to, or a full disk
        place = f"{error.filename}: " if error.filename else ""
        return _said(before, UserError(place + (error.strerror or str(error))))
    except KeyboardInterrupt:
        print("interrupted; finished rows are kept", file=sys.stderr)
        return 130
    return 0


def _said(before: str, error: UserError) -> int:
    """Print an error on a line of its own, below the bars that stand; return the exit code."""
    for bar in list(getattr(tqdm, "_instances", ())):
        bar.close()
    print(f"{before}error: {error}", file=sys.stderr)
    return 2
