"""What may import what, and how long a file may be."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("symbols", "repro", "experiments", "tests")
SOURCES = {folder: sorted((ROOT / folder).rglob("*.py")) for folder in FOLDERS}
PURE = (  # what does without MXNet
    "config", "data", "labels", "tables", "figures", "runtime", "device", "errors", "files", "records",
    "plot", "evaluation.metrics", "evaluation.selection", "models.params_format", "timing.clock", "timing.memory",
    "prediction.weights", "prediction.segmenter", "prediction.photos", "prediction.overlay", "prediction.pipeline",
    "sparserefine.refinement", "sparserefine.refined", "sparserefine.segmenter", "sparserefine.exported")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(text: str, package: str = ""):
    """Full names that a source imports, in functions too; `package` is where it lies."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join(parent + ([node.module] if node.module else []))
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


def imports_of(path: Path):
    return imported(path.read_text(encoding="utf-8"), ".".join(path.relative_to(ROOT).parts[:-1]))


def tops(path: Path):
    return {name.split(".")[0] for name in imports_of(path)}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def module_file(module: str) -> Path:
    place = ROOT.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def test_imports_are_seen():
    assert imported(
        "import a.b\nfrom c import d\ndef f():\n    from . import e\n    from ..g.h import i", "x.y"
    ) == {"a.b", "c.d", "x.y.e", "x.g.h.i"}
    assert all(SOURCES.values())


@pytest.mark.parametrize("path", SOURCES["symbols"], ids=name)
def test_symbols_import_mxnet_numpy_and_themselves_alone(path):
    assert tops(path) <= {"mxnet", "numpy", "symbols", "__future__", "typing", "math", "functools"}


@pytest.mark.parametrize("path", SOURCES["repro"] + SOURCES["experiments"], ids=name)
def test_only_build_imports_symbols(path):
    assert ("symbols" in tops(path)) == (path == ROOT / "repro" / "models" / "build.py")


@pytest.mark.parametrize("path", SOURCES["repro"] + SOURCES["symbols"], ids=name)
def test_no_library_imports_experiments_or_tests(path):
    assert not tops(path) & {"experiments", "tests"}


@pytest.mark.parametrize("path", SOURCES["experiments"], ids=name)
def test_scripts_share_lib_alone(path):
    """Parts of stress/fuzz and stress/trials, and the engines of speed/, are one script's each."""
    own = ".".join(path.relative_to(ROOT).parts[:-1])
    for module in imports_of(path):
        if module.startswith("experiments."):
            assert module.startswith("experiments.lib.") or own.startswith("experiments.") and module.startswith(own)


def pure(module: str) -> bool:
    return any(f"{module}.".startswith(f"repro.{known}.") for known in PURE)


@pytest.mark.parametrize("path", [path for path in SOURCES["repro"]
                                  if pure(module_of(path)) and path.name != "device.py"], ids=name)
def test_data_rows_and_tables_do_not_need_mxnet(path):
    """Neither of their own nor through a module of the library that does; device.py does in one function."""
    for module in imports_of(path):
        assert not module.startswith(("mxnet", "gluoncv", "symbols"))
        assert not module.startswith("repro.") or pure(module) or module_file(module).name == "__init__.py"


def test_published_figures_are_read_by_the_renderer_and_tests_alone():
    naming = [
        path
        for folder in ("symbols", "repro", "experiments")
        for path in SOURCES[folder]
        if "published.yaml" in path.read_text(encoding="utf-8")
    ]
    assert naming == [ROOT / "experiments" / "lib" / "tables.py"]


@pytest.mark.parametrize("path", [path for paths in SOURCES.values() for path in paths], ids=name)
def test_files_are_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
