"""What may import what, and how long a file may be."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("symbols", "repro", "experiments", "tests")
SOURCES = {folder: sorted((ROOT / folder).rglob("*.py")) for folder in FOLDERS}
PURE = (  # what does without MXNet
    "config", "data", "labels", "tables", "figures", "runtime", "device", "errors", "files", "records", "plot",
    "evaluation.metrics", "evaluation.selection", "models.params_format", "timing.clock", "timing.memory",
    "prediction.weights", "prediction.segmenter", "prediction.photos", "prediction.overlay", "pipeline",
    "sparserefine.refinement", "sparserefine.refined")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@lru_cache(maxsize=None)
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(source: ast.Module, package: str = ""):
    """Full names that a source imports, in functions too; `package` is where it lies."""
    names = set()
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join(parent + ([node.module] if node.module else []))
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


@lru_cache(maxsize=None)
def imports_of(path: Path):
    return imported(tree(path), ".".join(path.relative_to(ROOT).parts[:-1]))


def none(found) -> None:
    """Fail with every one of `found`, one a line."""
    assert not found, "\n" + "\n".join(map(str, found))


def offenders(paths, allowed):
    """The imports of `paths`, "file: module", for which allowed(path, module) is false."""
    return [f"{name(path)}: {module}" for path in paths for module in sorted(imports_of(path))
            if not allowed(path, module)]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def module_file(module: str) -> Path:
    place = ROOT.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def test_imports_are_seen():
    source = "import a.b\nfrom c import d\ndef f():\n    from . import e\n    from ..g.h import i"
    assert imported(ast.parse(source), "x.y") == {"a.b", "c.d", "x.y.e", "x.g.h.i"}
    assert all(SOURCES.values())
    assert offenders([Path(__file__)], lambda path, module: module != "ast") == ["tests/test_imports.py: ast"]


def test_symbols_import_mxnet_numpy_and_themselves_alone():
    known = {"mxnet", "numpy", "symbols", "__future__", "typing", "math", "functools"}
    none(offenders(SOURCES["symbols"], lambda path, module: module.split(".")[0] in known))


def test_only_build_imports_symbols():
    build = ROOT / "repro" / "models" / "build.py"
    importing = {path for path in SOURCES["repro"] + SOURCES["experiments"]
                 if any(module.split(".")[0] == "symbols" for module in imports_of(path))}
    assert importing == {build}


def test_no_library_imports_experiments_or_tests():
    none(offenders(SOURCES["repro"] + SOURCES["symbols"],
                   lambda path, module: module.split(".")[0] not in ("experiments", "tests")))


def test_scripts_share_lib_alone():
    """The engines of speed/ are one script's each."""
    def allowed(path, module):
        own = ".".join(path.relative_to(ROOT).parts[:-1])
        return not module.startswith("experiments.") or module.startswith("experiments.lib.") or (
            own.startswith("experiments.") and module.startswith(own))
    none(offenders(SOURCES["experiments"], allowed))


def pure(module: str) -> bool:
    return any(f"{module}.".startswith(f"repro.{known}.") for known in PURE)


def test_data_rows_and_tables_do_not_need_mxnet():
    """Neither of their own nor through a module of the library that does; device.py does in one function."""
    paths = [path for path in SOURCES["repro"] if pure(module_of(path)) and path.name != "device.py"]
    assert len(paths) > 50
    none(offenders(paths, lambda path, module: not module.startswith(("mxnet", "gluoncv", "symbols")) and (
        not module.startswith("repro.") or pure(module) or module_file(module).name == "__init__.py")))


def test_published_figures_are_read_by_the_renderer_and_tests_alone():
    naming = [name(path) for folder in ("symbols", "repro", "experiments") for path in SOURCES[folder]
              if "published.yaml" in path.read_text(encoding="utf-8")]
    assert naming == ["experiments/lib/tables.py"]


def test_files_are_at_most_300_lines():
    lines = {name(path): len(path.read_text(encoding="utf-8").splitlines())
             for paths in SOURCES.values() for path in paths}
    none([one for one in lines.items() if one[1] > 300])
