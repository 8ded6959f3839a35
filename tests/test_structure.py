"""The house keeps its shape: layers, one place for each library, sizes, names, the tree."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "edge_guard"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROGRAMS = sorted(path for part in ("edge_guard", "tools") for path in (ROOT / part).rglob("*.py"))
KERNELS = sorted(path for path in (ROOT / "csrc").rglob("*") if path.suffix in {".cpp", ".hpp"})

LAYERS = [
    ["types", "errors", "_kernels", "notify", "phase", "logs"],
    [
        "toml_reader",
        "sealed_zip",
        "supervisor",
        "refusals",
        "backends.spec",
        "gate.spec",
        "drift.spec",
        "detection.spec",
        "view",
        "publish.messages",
    ],
    ["card"],
    ["config", "manifest"],
    ["credentials"],
    ["sources", "backends", "gate", "guards", "drift", "publish", "alarms", "tightening"],
    ["timetable"],
    ["bundle", "scoring", "decision", "explain", "heat", "plain_words", "trials", "offered"],
    ["confidence", "signing"],
    ["detection"],
    ["pipeline", "difference"],
    ["intake", "annunciator", "meter", "selftest", "changeover", "trigger_desk"],
    ["reporting"],
    ["drift_watch", "trouble", "captures", "product_alarms"],
    ["duty"],
    ["lineup"],
    ["stream"],
    ["inspection", "commands"],
    ["worker"],
    ["assembly", "watchdog", "metrics"],
    ["reload", "status_server"],
    ["account"],
    ["retune"],
    ["guard", "benchmark", "tuning", "calibration", "daemon", "collector"],
    ["evaluation", "doctor"],
    ["demo"],
    ["cli"],
]
"""From the bottom up. A part imports itself and lower layers; parts of one layer are siblings."""
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

COLLECTOR_SHARES = {
    "difference",
    "signing",
    "types",
    "errors",
    "config",
    "credentials",
    "refusals",
    "bundle",
    "publish.messages",
    "drift",
    "retune",
}

HOMES = {
    "ai_edge_litert": ["backends"],
    "amqtt": ["demo.broker"],
    "cv2": ["sources", "backends.preprocess", "backends.sheet", "collector.pictures.small"],
    "cryptography": ["signing"],
    "fastapi": ["collector.web"],
    "nicegui": ["collector.web"],
    "onnx": ["backends"],
    "onnxruntime": ["backends"],
    "pydantic": ["collector.web"],
    "minio": ["collector.pictures.bucket"],
    "paho": ["publish.mqtt", "collector.link", "doctor.probe"],
    "scipy": ["calibration"],
    "sqlalchemy": ["collector"],
    "starlette": ["collector.web"],
    "tflite_runtime": ["backends"],
    "urllib3": ["collector.pictures.bucket"],
    "uvicorn": ["collector.web"],
    "msgspec": [""],
    "numpy": [""],
}
"""Where each third-party library may be imported; an empty name is everywhere."""

NEVER_ON_A_DEVICE = {
    "amqtt",
    "fastapi",
    "minio",
    "nicegui",
    "onnx",
    "psycopg",
    "scipy",
    "sqlalchemy",
    "tqdm",
    "uvicorn",
}


def name_of(path: Path) -> str:
    """The module's dotted name inside the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The layered part that a module belongs to."""
    words = module.split(".")
    return next(part for n in (2, 1) if (part := ".".join(words[:n])) in RANK or n == 1)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, also inside functions and by import_module."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called in ("import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def inner_imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, module and part of each import from the package itself."""
    for line, name in imports_of(path):
        words = name.split(".")
        if words[0] != "edge_guard":
            continue
        while len(words) > 1 and not exists(words[1:]):
            words.pop()
        if len(words) > 1:
            module = ".".join(words[1:])
            yield line, module, part_of(module)


def exists(words: list[str]) -> bool:
    place = PACKAGE.joinpath(*words)
    return place.is_dir() or any(place.with_suffix(end).exists() for end in (".py", ".pyi"))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downward(path):
    module = name_of(path)
    if not module:
        return  # the package's own names are loaded on first use
    part = part_of(module)
    assert part in RANK, f"{part}: give it a place in LAYERS"
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {part} imports {target}"
        for line, target, other in inner_imports(path)
        if other != part and RANK[other] >= RANK[part] and not same_package(module, target)
    ]
    assert not wrong, "\n".join(wrong)


def same_package(module: str, target: str) -> bool:
    """A contract (backends.spec) lies lower than its package, which may import it and be it."""
    package, _, _ = module.partition(".")
    return target.startswith(f"{package}.") and module not in RANK


@pytest.mark.parametrize(
    "path", [path for path in MODULES if name_of(path).startswith("collector")], ids=name_of
)
def test_the_collector_shares_little_with_the_device(path):
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {target}"
        for line, target, part in inner_imports(path)
        if part != "collector" and part not in COLLECTOR_SHARES
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_library_is_imported_in_one_place(path):
    module = name_of(path)
    wrong = []
    for line, name in imports_of(path):
        library = name.split(".")[0]
        if library == "edge_guard" or library in sys.stdlib_module_names:
            continue
        homes = HOMES.get(library, [])
        if not any(home in ("", module) or module.startswith(f"{home}.") for home in homes):
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {library} (allowed in {homes})")
    assert not wrong, "\n".join(wrong)


def test_the_device_imports_no_library_of_the_collector_or_of_calibration():
    program = (
        "import sys, importlib\n"
        "for name in ('daemon', 'cli.run', 'pipeline', 'guard', 'sources', 'publish.publisher'):\n"
        "    importlib.import_module('edge_guard.' + name)\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not NEVER_ON_A_DEVICE & set(done.stdout.split())


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}", length


@pytest.mark.parametrize("path", [*PROGRAMS, *KERNELS], ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_small(path):
    assert len(path.read_text("utf-8").splitlines()) <= 500
    if path.suffix == ".py":
        assert not [(name, length) for name, length in functions_of(path) if length > 80]


def test_most_functions_are_very_small():
    lengths = [length for path in MODULES for _, length in functions_of(path)]
    assert statistics.median(lengths) <= 12


def test_no_module_is_a_drawer_for_everything():
    drawers = re.compile(r"(^|_)(utils?|common|helpers?|misc|tools|stuff|base)$")
    names = [path for path in [*MODULES, *KERNELS] if drawers.search(path.stem)]
    assert not names


def test_only_the_bindings_know_python():
    knowing = {path.parent.name for path in KERNELS if "pybind11" in path.read_text("utf-8")}
    assert knowing == {"bindings"}


def test_the_tree_of_contributing_knows_every_folder():
    """Its lines are checked against the disk with the other generated parts of the docs."""
    tree = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    ignored = {"build", "dist", "demo-data"}
    folders = [p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")]
    assert not [f for f in folders if f not in ignored and f"\n{f}/" not in tree]


def test_test_modules_have_names_of_their_own() -> None:
    """Pytest imports them by their bare names: in a clean clone a second one is not collected."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    names -= Counter({"conftest.py": names["conftest.py"]})
    assert [name for name, n in names.items() if n > 1] == []
