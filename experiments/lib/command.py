"""What the scripts share: where things are, devices, and a user's mistake as one line and exit code 2."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Optional

from tqdm import tqdm

from repro.errors import UserError

HERE = Path(__file__).resolve().parents[1]  # experiments/
PRETRAINED = HERE / "pretrained" / "minicity-quarter.params"


class Parser(argparse.ArgumentParser):
    """argparse's, whose mistakes are one line and exit code 2 as all others are, without the usage before it."""

    def error(self, message: str):
        """Say the mistake and end."""
        self.exit(2, f"error: {UserError(message)}\n")


def contexts(gpu: str):
    """The MXNet devices named by GPU=: "" the CPU, "0" or "0,1" cards; a UserError says why one cannot be used."""
    from repro import device

    device.check(gpu)  # before mxnet is imported: its CUDA build cannot be without a driver
    return device.contexts(gpu)


def card_of(gpu: str) -> Optional[int]:
    """The one card that GPU= names for onnxruntime; None for "", the CPU."""
    from repro import device

    cards = device.parse(gpu)
    if len(cards) > 1:
        raise UserError(f"GPU: {gpu!r}: onnxruntime computes on one card")
    return cards[0] if cards else None


def seed_of(text: str, place: str) -> int:
    """A seed as NumPy takes them; a UserError begins with `place`."""
    if not (text.isascii() and text.isdigit() and int(text) < 2 ** 32):
        raise UserError(f"{place}: {text!r} is not a whole number from 0 to {2 ** 32 - 1}")
    return int(text)


def between(value: int, least: int, most: int, place: str) -> int:
    """A number from `least` to `most`; a UserError begins with `place`."""
    if not least <= value <= most:
        raise UserError(f"{place}: {value} is not {least} to {most}")
    return value


def at_least_one(value: int, place: str) -> int:
    """A count of what there must be one of; a UserError begins with `place`."""
    if value < 1:
        raise UserError(f"{place}: {value} is not 1 or more")
    return value


class Reported(Exception):
    """A user's mistake that another process has said already."""


def run(command, given, before: str = "") -> int:
    """Call command(given); the exit code is 0, 2 on a user's mistake or a file's, 130 when interrupted.

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
    """Print an error on a line of its own, below the bars that stand; the exit code."""
    for bar in list(getattr(tqdm, "_instances", ())):
        bar.close()
    print(f"{before}error: {error}", file=sys.stderr)
    return 2
