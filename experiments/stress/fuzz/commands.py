"""Scripts given what is wrong, as a user would: exit code 2 and one line."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from pathlib import Path
from typing import Iterator, Sequence

from experiments.stress.fuzz.case import LINE, Case, copy
from experiments.stress.fuzz.pictures import BOMBS
from experiments.stress.fuzz.texts import WEIGHTS
from repro.errors import UserError

# what predict says before its error: which weights it has, its bar, each input that it could not use
NOTES = re.compile(r"[\w.-]+\.params: trained on |segmenting: |skipped: ")


def _run(script: str, arguments: Sequence[str]) -> None:
    """A script's main; UserError with its line if it ends with 2 and says one error, and else nothing but NOTES."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = importlib.import_module(f"experiments.{script}").main([str(one) for one in arguments])
        except SystemExit as ended:  # argparse's
            code = ended.code
    lines = [line for line in said.getvalue().splitlines() if line.strip() and not NOTES.match(line)]
    if code != 2 or len(lines) != 1 or not lines[0].startswith("error: "):
        raise AssertionError(f"exit code {code}: {lines!r:.300}")
    raise UserError(lines[0])


def _damaged(folder: Path, how) -> Path:
    """Weights of which the description, or the parameters, are damaged."""
    path = copy(WEIGHTS, folder / "a.params")
    description = copy(WEIGHTS.with_suffix(".json"), folder / "a.json")
    how(path, description)
    return path


def commands(seed: int) -> Iterator[Case]:
    """experiments.predict, export, weights and measure."""
    bad = {
        "no description": lambda path, description: description.unlink(),
        "cut": lambda path, description: path.write_bytes(path.read_bytes()[:1000]),
        "empty": lambda path, description: path.write_bytes(b""),
        "another description": lambda path, description: description.write_text("[]"),
        "deep description": lambda path, description: description.write_text("[" * 100000),
        "a description that is binary": lambda path, description: description.write_bytes(b"\xff\xfe"),
    }
    for what, how in bad.items():
        for script, option in (("predict", "--weights"), ("export", "--weights"), ("weights", "")):
            def weights(folder: Path, how=how, script=script, option=option):
                path = _damaged(folder, how)
                if script == "predict":
                    _run(script, [option, path, "--output", folder / "out"])
                elif script == "export":
                    _run(script, [option, path, "--out", folder / "a.onnx"])
                _run(script, [path, folder / "b.params"])
            yield Case("damaged weights", f"{script}: {what}", weights, lambda _: False, (LINE,))
    for name, given in (("none", "none.png"), ("too long", "x" * 5000), ("no user", "~none-such/a"), ("NUL", "a\0b")):
        yield Case("no file", f"predict: {name}", lambda folder, given=given: _run("predict", [
            "--input", given, "--output", folder / "out"]), lambda _: False, (LINE,))
        yield Case("no file", f"predict --weights: {name}", lambda folder, given=given: _run("predict", [
            "--weights", given, "--output", folder / "out"]), lambda _: False, (LINE,))
        yield Case("no folder", f"measure: {name}", lambda folder, given=given: _run("measure", [
            "--table", "1", "--data", given]), lambda _: False, (LINE,))
        yield Case("no file", f"measure --pretrained: {name}", lambda folder, given=given: _run("measure", [
            "--table", "1", "--pretrained", given]), lambda _: False, (LINE,))
    for script, *given in (("predict", "--k", "many"), ("predict", "--colour", "red"), ("measure",), ("weights", "a"),
                           ("export", "--batch", "x" * 5000), ("measure", "--steps", "a\nb"), ("pretrain", "--out"),
                           ("precision", "--engine", "tvm")):
        yield Case("wrong option", f"{script} {' '.join(given)[:20]!r}",
                   lambda folder, script=script, given=given: _run(script, given), lambda _: False, (LINE,))

    def photos(folder: Path):
        for name, content in {**BOMBS, "empty": b"", "text": b"hello"}.items():
            (folder / f"{name}.jpg").write_bytes(content)
        _run("predict", ["--input", folder, "--output", folder / "out"])
    yield Case("damaged photos", "predict: a folder of bombs", photos, lambda _: False, (LINE,))
    for place in ("/proc/self/none", "/dev/null"):
        yield Case("read-only folder", f"predict --output {place}", lambda folder, place=place: _run("predict", [
            "--output", place]), lambda _: False, (LINE,))
