"""deploy/install.sh: install, upgrade, go back, remove; what it cannot do it says."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from device_wheels import MACHINE, TAG, release

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
INSTALL = DEPLOY / "install.sh"
SETTINGS = """
[device]
id = "press-7"
[[stream]]
name = "top"
source = "0"
bundle = "line.guard"
[mqtt]
host = "broker"
"""


def install(root: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [INSTALL, "--root", root, "--python", sys.executable, *options],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def version(root: Path) -> str:
    program = root / "opt/edge-guard/bin/edge-guard"
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"}
    )
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout
    return done.stderr


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.timeout(600)  # six environments are made: on a busy machine minutes
def test_a_devices_life(tmp_path: Path) -> None:
    """Installed, set up, upgraded, two upgrades that fail, removed, removed for good."""
    root = tmp_path / "device"
    home, settings = root / "opt/edge-guard", root / "etc/edge-guard/device.toml"
    data = root / "var/lib/edge-guard"

    done = install(root, "--wheels", release(tmp_path / "one", "1.0"))
    assert done.returncode == 0, done.stderr
    assert "edge-guard 1.0" in version(root)
    assert f"edit {settings}" in done.stdout
    assert "no service was started" in done.stdout
    assert settings.read_text() == (DEPLOY / "device.toml").read_text()
    assert (settings.stat().st_mode & 0o777, data.stat().st_mode & 0o777) == (0o640, 0o750)
    unit = root / "etc/systemd/system/edge-guard.service"
    assert unit.read_text() == (DEPLOY / "edge-guard.service").read_text()

    settings.write_text(SETTINGS)
    (settings.parent / "line.guard").touch()
    (data / "spool").write_text("events")
    done = install(root, "--wheels", release(tmp_path / "two", "2.0"))
    assert done.returncode == 0, done.stderr
    assert "the settings are whole" not in done.stdout  # nothing to start without systemd
    assert "edge-guard 2.0" in version(root)
    kept = {settings: SETTINGS, data / "spool": "events"}
    releases = sorted(path.name.split("-")[0] for path in (home / "releases").iterdir())
    assert releases == ["1.0", "2.0"]

    for broken, said in (
        ("edge_guard/cli/main.py", "does not start, all stays as it was"),
        ("edge_guard/cli/config.py", "refuses " + str(settings)),
    ):
        wheels = release(tmp_path / broken.replace("/", "-"), "3.0", broken=broken)
        assert said in refused(install(root, "--wheels", wheels))
        assert "edge-guard 2.0" in version(root)
        assert not list((home / "releases").glob("3.0*"))

    with subprocess.Popen([home / "bin/python", "-c", "input()"], stdin=subprocess.PIPE) as left:
        done = install(root, "--uninstall")
        assert (done.returncode, left.wait(10)) == (0, -15)
    assert not home.exists()
    assert not unit.exists()
    assert {path: path.read_text() for path in kept} == kept
    assert install(root, "--uninstall").returncode == 0  # a second time changes nothing
    assert install(root, "--purge").returncode == 0
    assert files_below(root) == {"run/edge-guard-install.lock"}


@pytest.mark.parametrize(
    ("made_for", "said"),
    [
        ({"machine": "riscv64"}, f"this device is {MACHINE}, but there is only edge_guard-1.0"),
        ({"python": "cp27"}, "needs Python 2.7: apt-get install python2.7-venv"),
    ],
    ids=["machine", "python"],
)
def test_a_wheel_for_something_else(tmp_path: Path, made_for: dict[str, str], said: str) -> None:
    wheels = release(tmp_path / "wheels", "1.0", **made_for)
    assert said in refused(install(tmp_path / "device", "--wheels", wheels))
    assert files_below(tmp_path / "device") == {"run/edge-guard-install.lock"}


def test_a_library_is_missing(tmp_path: Path) -> None:
    """Nothing is downloaded, and a first installation that fails leaves no program."""
    wheels = release(tmp_path / "wheels", "1.0")
    next(wheels.glob("msgspec*")).unlink()
    said = refused(install(tmp_path / "device", "--wheels", wheels))
    assert "No matching distribution found for msgspec" in said
    assert "could not be installed, all stays as it was" in said
    assert not (tmp_path / "device/opt/edge-guard/bin").exists()


def test_folders_that_hold_no_release(tmp_path: Path) -> None:
    root = tmp_path / "device"
    assert "no folder" in refused(install(root, "--wheels", tmp_path / "absent"))
    assert "no edge_guard-*.whl" in refused(install(root, "--wheels", tmp_path))
    (tmp_path / f"edge_guard-1.0-{TAG}-{TAG}-linux_{MACHINE}.whl").write_text("half a file")
    assert "is damaged (File is not a zip file)" in refused(install(root, "--wheels", tmp_path))


def test_options_are_checked(tmp_path: Path) -> None:
    assert "unknown option --frobnicate" in refused(install(tmp_path, "--frobnicate"))
    assert "--wheels needs a value" in refused(install(tmp_path, "--wheels"))
    assert "--uninstall" in install(tmp_path, "--help").stdout


def test_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with (tmp_path / "run/edge-guard-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another installation is under way" in refused(install(tmp_path, "--purge"))


def test_without_root_rights(tmp_path: Path) -> None:
    script = Path(shutil.copy(INSTALL, tmp_path))
    nobody = 65534 if os.geteuid() == 0 else None
    with script.open() as text:
        done = subprocess.run(
            ["bash", "-s", "--", "--uninstall"],
            stdin=text,
            capture_output=True,
            text=True,
            user=nobody,
            check=False,
            cwd="/",
        )
    assert "this needs root: run it with sudo" in refused(done)


@pytest.mark.parametrize("place", ["etc/edge-guard", "var/lib/edge-guard/spool/bundles"])
def test_an_upgrade_tries_each_bundle_that_the_old_version_takes(
    tmp_path: Path, place: str
) -> None:
    """Those that were rolled out, too; a service has to run for it, so the function is called."""
    for name, takes in (("old", "good|fresh"), ("new", "good")):
        program = tmp_path / name / "bin/edge-guard"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/bash\n[[ $(<"$3") =~ ^({takes})$ ]]\n')
        program.chmod(0o755)
    script = INSTALL.read_text().replace('main "$@"', 'read_arguments "$@"; bundles_pass old new')
    folder = tmp_path / "device" / place
    folder.mkdir(parents=True)
    for content, passed in (("good", 0), ("bad", 0), ("fresh", 1)):
        (folder / "line.guard").write_text(content)
        command = ["bash", "-c", script, "install.sh", "--root", str(tmp_path / "device")]
        assert subprocess.run(command, check=False, cwd=tmp_path).returncode == passed, content


def in_namespace(script: str) -> subprocess.CompletedProcess[str]:
    """A shell whose mounts nobody else sees and that are gone with it."""
    command = ["unshare", "--map-root-user", "--mount", "bash", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_a_full_disk(tmp_path: Path) -> None:
    root = tmp_path / "device"
    root.mkdir()
    mount = f"mount -t tmpfs -o size=1m none {root}"
    if in_namespace(mount).returncode != 0:
        pytest.skip("FULL DISK NOT TESTED: no mounts of its own are allowed here")
    wheels = release(tmp_path / "wheels", "1.0")
    done = in_namespace(
        f"{mount} && {INSTALL} --root {root} --python {sys.executable} --wheels {wheels}"
    )
    assert "MB are needed: make room, nothing was changed" in refused(done)
