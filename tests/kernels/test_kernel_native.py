"""The C++ side: how it is compiled, and its own tests under the sanitizers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edge_guard import _kernels

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "3757214108c55dda"
"""Of nearest rows, their distances and hashes of images: the same at every level of every CPU."""
ARM = "aarch64-linux-gnu"
ISA_FLAGS = ("-mavx", "-mfma", "-mf16c", "-mbmi", "-msse", "-march")


def tool(name: str) -> str:
    """The environment's own tool first, as pip's build would find it."""
    folders = (str(Path(sys.executable).parent), os.environ["PATH"])
    found = shutil.which(name, path=os.pathsep.join(folders))
    assert found, f"{name} is needed: install it, or pip install '.[dev]'"
    return found


def output_of(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=570, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def configure(build: Path, *options: str) -> None:
    output_of([tool("cmake"), "-S", ROOT, "-B", build, "-DEDGE_GUARD_PYTHON=OFF", *options])


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str]]:
    """(source, command line) of every file of the library."""
    build = tmp_path_factory.mktemp("configured")
    configure(build, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
    entries = json.loads((build / "compile_commands.json").read_text())
    return [(Path(entry["file"]).relative_to(ROOT), entry["command"]) for entry in entries]


def test_only_the_level_files_get_instruction_set_flags(commands: list[tuple[Path, str]]) -> None:
    levels = {source for source, line in commands if any(flag in line for flag in ISA_FLAGS)}
    assert all(source.parent == Path("csrc/simd") for source in levels)
    assert {source for source, _ in commands} == {
        path.relative_to(ROOT)
        for folder in ("csrc", "csrc/simd")
        for path in (ROOT / folder).glob("*.cpp")
    }


def test_no_flag_ties_the_build_to_this_machine_or_breaks_nan(
    commands: list[tuple[Path, str]],
) -> None:
    for _, line in commands:
        for flag in ("-march", "-mtune", "-ffast-math", "-Ofast", "-ffinite-math", "-funsafe-math"):
            assert flag not in line


@pytest.mark.parametrize(
    "source", sorted((ROOT / "csrc/simd").glob("*.cpp")), ids=lambda path: path.name
)
def test_level_files_share_no_function(source: Path, tmp_path: Path) -> None:
    """What a level defines lies in its namespace and is not weak: the linker must never pick one
    level's copy of an inline function for another. -O0 keeps every copy visible."""
    out = tmp_path / "probe.o"
    output_of([tool("g++"), "-std=c++17", "-O0", "-DEG_LEVEL=probe", "-c", source, "-o", out])
    symbols = output_of([tool("nm"), "-C", "--defined-only", out]).splitlines()
    assert any("eg::simd::probe::" in symbol for symbol in symbols)
    for _, kind, name in (symbol.split(maxsplit=2) for symbol in symbols):
        assert kind not in "WVu", name
        assert kind.islower() or name.startswith("eg::simd::probe::"), name


def digests(output: str) -> set[str]:
    return set(re.findall("digest at .*: (.*)", output))


@contextlib.contextmanager
def kept_build(name: str) -> Iterator[Path]:
    """A folder that stays, so that only what changed is compiled again; one run at a time."""
    build = ROOT / "build" / name
    build.mkdir(parents=True, exist_ok=True)
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield build


def compiled(build: Path, *options: str, target: str = "all") -> None:
    configure(build, "-DEDGE_GUARD_TESTS=ON", *options)
    output_of([tool("cmake"), "--build", build, "--parallel", "2", "--target", target])


def sanitized(build: Path, sanitizers: str, target: str = "all") -> None:
    kinds = f"-DEDGE_GUARD_SANITIZE={sanitizers}"
    compiled(build, kinds, "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1 -g1", target=target)


@pytest.mark.timeout(600)
def test_kernels_pass_their_own_tests_under_the_sanitizers() -> None:
    """Addresses and undefined behaviour; random arguments are refused or work."""
    with kept_build("sanitized") as build:
        sanitized(build, "address,undefined")
        found = output_of([build / "kernels_test"])
        assert f"all checks passed at {' '.join(_kernels.SIMD_LEVELS)}" in found
        assert digests(found) == {DIGEST}
        for program in ("allocations_test", "drift_test", "threads_test"):
            assert "all checks passed" in output_of([build / program])
        assert "5000 inputs" in output_of([build / "fuzz", "5000"])


@pytest.mark.timeout(600)
def test_threads_share_nothing_that_they_write() -> None:
    with kept_build("threads") as build:
        sanitized(build, "thread", "threads_test")
        plain = ["setarch", "-R"] if shutil.which("setarch") else []  # GCC's needs fixed addresses
        assert "all checks passed" in output_of([*plain, build / "threads_test"])


@pytest.mark.timeout(600)
@pytest.mark.skipif(platform.machine() == "aarch64", reason="here NEON is tested without emulation")
def test_neon_gives_the_same_bits_under_emulation() -> None:
    """The ARM levels, compiled by Debian's cross compiler and run by qemu."""
    compiler, emulator = shutil.which(f"{ARM}-g++"), shutil.which("qemu-aarch64")
    if not compiler or not emulator:
        pytest.skip("NEON KERNELS NOT TESTED: apt-get install g++-aarch64-linux-gnu qemu-user")
    with kept_build("neon") as build:
        compiled(
            build,
            f"-DCMAKE_CXX_COMPILER={compiler}",
            "-DCMAKE_SYSTEM_NAME=Linux",
            "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
        )
        emulated = [emulator, "-L", f"/usr/{ARM}"]
        found = output_of([*emulated, build / "kernels_test"])
        assert "all checks passed at scalar neon dotprod" in found
        assert "all checks passed" in output_of([*emulated, build / "allocations_test"])
        assert "inputs" in output_of([*emulated, build / "fuzz", "300"])
    assert digests(found) == {DIGEST}
