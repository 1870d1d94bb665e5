"""Segment photos and videos with trained weights, and show where the network looked: what `make predict` runs.

    python -m experiments.predict                              a scene drawn for it, with the shipped weights
    python -m experiments.predict --input PHOTO                or a folder, a pattern such as "street/*.jpg", a video

Writes, under OUTPUT, NAME_labelIds.png (the ids of the weights' classes: Cityscapes' for the shipped ones) and
NAME_overlay.jpg; of a video NAME/FRAME_labelIds.png and NAME_overlay.mp4; NAME_scores.npy if asked for.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tqdm import tqdm

from experiments.lib.command import Parser, card_of, contexts, run
from experiments.lib.paths import CACHE, SHIPPED, STREET
from repro.errors import UserError
from repro.files import no_file
from repro.prediction.photos import Source, passed_over, sources
from repro.prediction.results import image_file, segment
from repro.timing.clock import Timing


def predict(given) -> None:
    """Segment all that is given; UserError at the end if something could not be."""
    out = Path(given.output)
    no_file(out, "OUTPUT", write=True)
    if os.path.isdir(given.input) and os.path.realpath(out) == os.path.realpath(given.input):
        raise UserError(f"OUTPUT: {given.output} is INPUT; name another folder")
    found = sources(given.input, but=out) if given.input else ()
    segmenter = segmenter_of(given)
    about = segmenter.weights
    print(f"{about.path.name}: {about}", file=sys.stderr)
    others = passed_over(given.input, but=out) if given.input else ""
    if others:
        print(others, file=sys.stderr)
    try:
        segment_all(found or (sample(out, about.images_of),), segmenter, out, given.scores)
    except OSError as error:
        raise UserError(f"OUTPUT: {error.filename or given.output} cannot be written ({error.strerror})") from None


def segment_all(found, segmenter, out: Path, scores: bool) -> None:
    """Segment source after source, print how fast; UserError at the end if something could not be."""
    began, times, lines = time.perf_counter(), {}, []
    counts = [source.count() for source in found]
    with tqdm(total=sum(counts) or None, desc="segmenting", unit="image", disable=None) as bar:
        for source, count in zip(found, counts):
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
                bar.total += bar.n - done - count
    done, wall = sum(map(len, times.values())), time.perf_counter() - began
    if done:
        warm = [one for spent in times.values() for one in spent[1:]]  # an engine's first image is slower
        alone = Timing(tuple(warm or [one for spent in times.values() for one in spent]))
        print(f"{out}: labels and overlays of {done} image{'s' * (done > 1)}")
        print(f"throughput: {done / wall:.2f} frames a second with reading and writing")
        print(f"latency: {alone.median * 1e3:.1f} ms from an image to its labels (95 in 100 within "
              f"{alone.p95 * 1e3:.1f}){'' if warm else ', its preparation included'}")
    if lines:
        raise UserError(f"{len(lines)} of {len(found)} inputs could not be used, as said above; the rest is done")


def sample(out: Path, size) -> Source:
    """Draw a scene that no training has seen into OUTPUT."""
    from repro.data.minicity import scene

    image, _ = scene(0, "test", 0, size)
    image_file(out / "scene.png", image)
    return Source(out / "scene.png", "scene")


def place_of(given) -> dict:
    """Return where ENGINE is to compute, as `load` takes it: a device of MXNet, providers or a folder for OpenVINO."""
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
    """Load what WEIGHTS names: a .params file, a folder of SparseRefine's, or a file of `make export`."""
    place = place_of(given)
    if os.path.isdir(given.weights):
        from experiments.lib import refined

        refined.refuse(K=given.k is not None, SCORES=given.scores, PRECISION=given.precision)
        if given.engine != "mxnet":
            raise UserError(f"ENGINE: {given.engine} does not run a folder of SparseRefine's; leave it out")
        return refined.segmenter(given.weights, given.shrink, **place)
    from experiments.lib.lookup import described
    from repro.prediction.load import engine_of_file, load

    if given.engine in ("onnx", "openvino") and Path(given.weights).suffix.lower() == ".onnx":
        for name in ("k", "shrink"):
            if getattr(given, name) is not None:
                raise UserError(f"{name.upper()}: {getattr(given, name)}: an exported file has its own")
        path = Path(given.weights)
        if given.engine == "onnx" and given.precision:
            raise UserError(f"PRECISION: {given.precision}: onnxruntime computes in the file's own")
        return engine_of_file(path, given.engine, given.precision or None, **place)
    if given.precision == "int8":
        raise UserError("PRECISION: int8 needs ranges found on images: `make export PRECISION=int8`, then "
                        "WEIGHTS=exported/NAME.onnx ENGINE=openvino or onnx")
    return load(described(given.weights), given.k, given.engine, given.precision or "float32", given.shrink, **place)


def main(arguments=None) -> int:
    """Run; the exit code is 2 on a user's mistake, and where an input could not be used."""
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
    return run(predict, given)


if __name__ == "__main__":
    sys.exit(main())
