"""What is installed is what the checkout holds: a wheel leaves nothing out and adds nothing."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

import edge_guard

PACKAGE = Path(__file__).resolve().parents[1] / "edge_guard"


@pytest.fixture(scope="module")
def wheel() -> metadata.Distribution:
    try:
        found = metadata.distribution("edge-guard")
    except metadata.PackageNotFoundError:
        pytest.skip("edge-guard is not installed here: 'make test' tests the wheel")
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        pytest.skip("edge-guard is installed editable here: 'make test' tests the wheel")
    return found


@pytest.fixture(scope="module")
def files(wheel: metadata.Distribution) -> set[str]:
    return {str(file) for file in wheel.files or ()}


def test_every_file_of_the_package_is_in_the_wheel(files):
    suffixes = {".py", ".pyi", ".typed", ".css", ".js", ".html", ".svg", ".json"}
    sources = [path for path in PACKAGE.rglob("*") if path.suffix in suffixes]
    missing = {str(path.relative_to(PACKAGE.parent)) for path in sources} - files
    assert not missing


def test_typing_the_extension_and_the_command_are_there(files, wheel):
    assert {"edge_guard/py.typed", "edge_guard/_kernels.pyi"} <= files
    assert any(name.startswith("edge_guard/_kernels.") and name.endswith(".so") for name in files)
    (script,) = wheel.entry_points
    assert (script.name, script.value) == ("edge-guard", "edge_guard.cli.main:main")


def test_the_version_stands_in_one_place(wheel):
    assert wheel.version == edge_guard.__version__


def test_nothing_lies_outside_the_package(files):
    outside = {name.split("/")[0] for name in files if not name.startswith("../")}
    assert outside == {"edge_guard", f"edge_guard-{edge_guard.__version__}.dist-info"}


def test_tests_import_the_installed_package(wheel):
    installed = Path(str(wheel.locate_file("edge_guard"))).resolve()
    assert Path(edge_guard.__file__).resolve().parent == installed
