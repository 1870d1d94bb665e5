"""Segment photos and videos with trained weights, and show where the network looked: what `make predict` runs.

    python -m experiments.predict                              a scene drawn for it, with the shipped weights
    python -m experiments.predict --input PHOTO                or a folder, a pattern such as "street/*.jpg", a video

Writes, under OUTPUT, NAME_labelIds.png (the ids of the weights' classes: Cityscapes' for the shipped ones) and
NAME_overlay.jpg; of a video NAME/FRAME_labelIds.png and NAME_overlay.mp4; NAME_scores.npy if asked for.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from experiments.lib.command import Parser, card_of, contexts, run
from experiments.lib.paths import CACHE, SHIPPED, STREET
from repro.errors import UserError
from repro.files import replacing, utf8, write_bytes
from repro.prediction.overlay import overlay
from repro.prediction.photos import Source, passed_over, sources
from repro.prediction.pipeline import pipeline
from repro.timing.clock import Timing

JPEG_SIDE = 65000  # the format ends at 65535
MOST = 1000  # times that a picture is repeated in a video
SEGMENTING = 2  # frames at once: one's labels are made while the network runs for the next


def image_file(path: Path, image: np.ndarray, *settings: int) -> None:
    """Write an image, grey or RGB, in the format of its suffix."""
    _, data = cv2.imencode(path.suffix, image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    write_bytes(path, data.tobytes())


@contextmanager
def film(path: Path, rate: float):
    """Yield a function that adds an RGB picture, and the second at which it is shown, to a video; what was added before
    an unreadable frame is kept.

    Its rate is constant: where the next picture comes later, the one before is repeated, MOST times at most.
    """
    writers, failed, added, last, before = [], None, 0, 0.0, None
    with replacing(path) as temporary:
        def add(picture: np.ndarray, second: float) -> None:
            nonlocal added, last, before
            if not writers:
                size = picture.shape[1], picture.shape[0]
                writers.append(cv2.VideoWriter(utf8(temporary), cv2.VideoWriter_fourcc(*"mp4v"), rate, size))
                if not writers[0].isOpened():
                    raise OSError(0, "OpenCV cannot write such a video")
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            for one in [before] * min(MOST, round(second * rate) - added if added else 0) + [bgr]:
                writers[0].write(one)
                added += 1
            before, last = bgr, second
        try:
            yield add
        except UserError as error:
            if not writers:
                raise
            failed = error
        finally:
            for writer in writers:
                writer.release()
        if writers and Source(temporary, "").count() < added:  # OpenCV does not say that a disk was full
            raise OSError(errno.EIO, "cannot be written whole; is the disk full?", str(path))
    if last and abs(added / rate - last - 1 / rate) > max(1 / rate, 0.05 * last):
        tqdm.write(f"{path}: plays {added / rate:.1f} s; its video, whose rate varies, {last + 1 / rate:.1f} s",
                   file=sys.stderr)
    if failed:
        raise failed


def segment(source: Source, segmenter, out: Path, scores: bool):
    """Segment every frame of a source and write what was found; yields ((H, W), seconds) after each.

    Frames are read, segmented and written at once, in a pipeline.
    """
    classes = segmenter.weights.classes
    ids = np.array(classes.ids, np.uint8)

    def segmented(timed):
        began = time.perf_counter()
        return (*timed, segmenter.segment(timed[1], scores), time.perf_counter() - began)
    with film(out / f"{source.name}_overlay.mp4", source.rate()) if source.video else nullcontext() as add:
        def written(numbered):
            number, (second, image, found, spent) = numbered
            base = f"{source.name}/{number:06d}" if source.video else source.name
            image_file(out / f"{base}_labelIds.png", ids[found.labels])
            if scores:
                with replacing(out / f"{base}_scores.npy") as temporary:
                    np.save(temporary, found.scores)
            picture = overlay(image, found, classes)
            if add:
                add(picture, second)
            else:
                image_file(out / f"{base}_overlay{'.jpg' if max(picture.shape) < JPEG_SIDE else '.png'}", picture)
            return image.shape[:2], spent
        made = enumerate(pipeline(source.timed(), (segmented, SEGMENTING)))
        yield from map(written, made)


def sample(out: Path, size) -> Source:
    """A scene that no training has seen, drawn into OUTPUT."""
    from repro.data.minicity import scene

    image, _ = scene(0, "test", 0, size)
    image_file(out / "scene.png", image)
    return Source(out / "scene.png", "scene")


def place_of(given) -> dict:
    """Where ENGINE is to compute, as `load` takes it: MXNet's device, onnxruntime's providers, OpenVINO's cache."""
    if given.engine == "onnx":
        from repro.runtime.providers import providers

        return {"providers": providers(given.provider, card_of(given.gpu))}
    if given.provider:
        raise UserError(f"PROVIDER: {given.provider} is for ENGINE=onnx")
    if given.engine == "openvino":
        if given.gpu:
            raise UserError(f"GPU: {given.gpu!r}: ENGINE=openvino computes on the CPU; leave it out, or ENGINE=onnx")
        import repro.runtime.openvino  # noqa: F401  says at once whether it is installed

        return {"cache": CACHE / "openvino"}
    return {"ctx": contexts(given.gpu)[0]}


def segmenter_of(given):
    """What WEIGHTS names: a .params file, a folder of SparseRefine's, or a file of `make export`."""
    place = place_of(given)
    if os.path.isdir(os.path.expanduser(given.weights)):
        from experiments.lib import refined

        refined.refuse(K=given.k is not None, SCORES=given.scores, PRECISION=given.precision)
        if given.engine == "openvino":
            raise UserError("ENGINE: openvino does not run SparseRefine; choose from mxnet, onnx")
        return refined.segmenter(given.weights, given.shrink, **place)
    from experiments.lib.lookup import described
    from repro.prediction.load import engine_of_file, load

    if given.engine in ("onnx", "openvino") and Path(given.weights).suffix.lower() == ".onnx":
        from repro.runtime.exported import FileSegmenter

        for name in ("k", "shrink"):
            if getattr(given, name) is not None:
                raise UserError(f"{name.upper()}: {getattr(given, name)}: an exported file has its own")
        path = Path(os.path.expanduser(given.weights))
        if given.engine == "onnx" and given.precision:
            raise UserError(f"PRECISION: {given.precision}: onnxruntime computes in the file's own")
        return FileSegmenter(engine_of_file(path, given.engine, given.precision or None, **place), path)
    if given.precision == "int8":
        raise UserError("PRECISION: int8 needs ranges found on images: `make export PRECISION=int8`, then "
                        "WEIGHTS=exported/NAME.onnx ENGINE=openvino or onnx")
    return load(described(given.weights), given.k, given.engine, given.precision or "float32", given.shrink, **place)


def predict(given) -> None:
    """Segment all that is given; UserError at the end if something could not be."""
    out = Path(os.path.expanduser(given.output))
    if out.exists() and not out.is_dir():
        raise UserError(f"OUTPUT: {given.output} is a file, not a folder")
    folder = os.path.expanduser(given.input)
    if os.path.isdir(folder) and given.input and os.path.realpath(out) == os.path.realpath(folder):
        raise UserError(f"OUTPUT: {given.output} is INPUT; name another folder")
    found = sources(given.input, but=out) if given.input else ()
    segmenter = segmenter_of(given)
    about = segmenter.weights
    print(f"{about.path.name}: {about}", file=sys.stderr)
    others = passed_over(given.input, but=out) if given.input else ""
    if others:
        print(others, file=sys.stderr)
    try:
        found = found or (sample(out, about.images_of),)
        report(out, *work(found, segmenter, out, given.scores))
    except OSError as error:
        raise UserError(f"OUTPUT: {error.filename or given.output} cannot be written ({error.strerror})") from None


def work(found, segmenter, out: Path, scores: bool):
    """Segment source after source: (seconds by size, all seconds, lines on the rest, sources)."""
    began, times, lines = time.perf_counter(), {}, []
    counts = [source.count() for source in found]
    with tqdm(total=sum(counts) or None, desc="segmenting", unit="image") as bar:
        for number, source in enumerate(found):
            done = bar.n
            try:
                for size, seconds in segment(source, segmenter, out, scores):
                    if size not in times and segmenter.shrunk(size) > 1:
                        bar.write("images of {}x{} are computed shrunk {} times".format(*size, segmenter.shrunk(size)),
                                  file=sys.stderr)
                    times.setdefault(size, []).append(seconds)
                    bar.update()
            except UserError as error:
                lines.append(str(error))
                bar.write(f"skipped: {error}", file=sys.stderr)
            if bar.total:  # a video's count may be an estimate
                bar.total += bar.n - done - counts[number]
    return times, time.perf_counter() - began, lines, len(found)


def report(out: Path, times, wall: float, lines, count: int) -> None:
    """Say what was done and how fast; UserError if something was not."""
    done = sum(map(len, times.values()))
    if done:
        warm = [one for spent in times.values() for one in spent[1:]]  # an engine's first image is slower
        alone = Timing(tuple(warm or [one for spent in times.values() for one in spent]))
        note = "" if warm else ", its preparation included"
        print(f"{out}: labels and overlays of {done} image{'s' * (done > 1)}")
        print(f"throughput: {done / wall:.2f} frames a second with reading and writing")
        print(f"latency: {alone.median * 1e3:.1f} ms from an image to its labels (95 in 100 within "
              f"{alone.p95 * 1e3:.1f}){note}")
    if lines:
        raise UserError(f"{len(lines)} of {count} inputs could not be used, as said above; the rest is done")


def parse(arguments=None) -> argparse.Namespace:
    """The command line's values."""
    parser = Parser(prog="python -m experiments.predict", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--input", default="", help="a photo, folder, pattern in quotes or video (default: a scene drawn for it)")
    add("--weights", default="", help="a .params file with its .json beside it, a folder that make refine left, or "
        "with another engine an .onnx file of make export (default: the shipped ones, of real streets with INPUT)")
    add("--k", type=int, help="regions to compute of each image (default: as trained, a share of those it has)")
    add("--shrink", type=int, help="1, 2, 4, 8: shrink images so many times (default: to about the size trained on)")
    add("--output", default="predictions", help="folder to write into (default %(default)s)")
    add("--engine", default="mxnet", help="mxnet, onnx for onnxruntime, or openvino (default %(default)s)")
    add("--precision", default="", help="of openvino: float32 or bfloat16 (default: float32; an exported file's own)")
    add("--scores", action="store_true", help="write the score maps too: float32 (classes, H / 4, W / 4)")
    add("--gpu", default="", help="a card, such as 0 (default: the CPU)")
    add("--provider", default="", help="of onnx: cpu, cuda or tensorrt (default: cuda with a card, else cpu)")
    given = parser.parse_args(arguments)
    given.weights = given.weights or str(STREET if given.input else SHIPPED)
    return given


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake, and where an input could not be used."""
    return run(predict, parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
