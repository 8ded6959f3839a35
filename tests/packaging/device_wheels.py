"""Folders of wheels to install from, packed from what is installed here: nothing is built."""

from __future__ import annotations

import re
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import edge_guard

PACKAGE = Path(edge_guard.__file__).parent
TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"
MACHINE = sysconfig.get_platform().rpartition("-")[2]


def release(
    folder: Path, version: str, *, broken: str = "", python: str = TAG, machine: str = MACHINE
) -> Path:
    """The folder with edge-guard of this checkout as ``version``, and with msgspec.

    It needs no other library, for an installation's checks load no other. ``broken`` names a module
    that ends the program when it is imported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = f"edge_guard-{version}.dist-info"
    files = {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: edge-guard\n"
        f"Version: {version}\nLicense-Expression: Apache-2.0\n"
        "Requires-Dist: msgspec\nProvides-Extra: signing\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\n"
        f"Tag: {python}-{python}-linux_{machine}\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedge-guard = edge_guard.cli.main:main\n",
        f"{info}/RECORD": "",
    }
    for path in PACKAGE.rglob("*.py"):
        if "collector" not in path.parts:
            files[str(path.relative_to(PACKAGE.parent))] = path.read_text()
    init = files["edge_guard/__init__.py"]
    files["edge_guard/__init__.py"] = re.sub(
        '__version__ = ".*"', f'__version__ = "{version}"', init
    )
    if broken:
        files[broken] = "raise SystemExit('no such feature')\n"
    name = f"edge_guard-{version}-{python}-{python}-linux_{machine}.whl"
    with zipfile.ZipFile(folder / name, "w") as packed:
        for place, text in files.items():
            packed.writestr(place, text)
    pack_installed("msgspec", folder)
    return folder


def pack_installed(name: str, folder: Path) -> None:
    """The wheel that an installed library came from, but for its checksums."""
    found = metadata.distribution(name)
    tag = re.search("^Tag: (.*)$", found.read_text("WHEEL") or "", re.MULTILINE)
    assert tag is not None
    with zipfile.ZipFile(folder / f"{name}-{found.version}-{tag[1]}.whl", "w") as packed:
        for file in found.files or ():
            if "__pycache__" not in file.parts and file.name != "RECORD":
                packed.write(str(file.locate()), str(file))
        packed.writestr(f"{name}-{found.version}.dist-info/RECORD", "")
