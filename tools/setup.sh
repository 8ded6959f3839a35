#!/usr/bin/env bash
# Makes .venv with edge-guard built and installed: tools/setup.sh demo | dev
#
# System packages that are missing are installed with apt-get where that is allowed (root, or sudo
# without a password); otherwise one line says what to install. A second run with nothing changed
# does nothing. PYTHON chooses another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

extra=${1:?usage: tools/setup.sh demo | dev}
python=${PYTHON:-python3}
venv=.venv

have() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]; }

missing_packages() {
    have "$python" || echo python3
    have c++ || echo g++
    if have "$python"; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
        "$python" -c 'import pathlib, sys, sysconfig
sys.exit(not (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").exists())' ||
            echo python3-dev
    else
        echo python3-venv python3-dev
    fi
    [[ $extra == dev ]] || return 0
    have mosquitto || echo mosquitto
    have mosquitto_sub || echo mosquitto-clients
    have curl || echo curl
    have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
    have chromium || have chromium-browser || have google-chrome || echo chromium
}

# What the kernels for ARM are tested with on other processors: the tests skip that without them.
missing_for_arm() {
    [[ $extra == dev && $(uname -m) != aarch64 ]] || return 0
    have aarch64-linux-gnu-g++ || echo g++-aarch64-linux-gnu
    have qemu-aarch64 || echo qemu-user
}

install_packages() {
    local as_root=()
    if [[ $(id -u) != 0 ]]; then
        as_root=(sudo -n)
    fi
    if ! have apt-get || { [[ ${#as_root[@]} -gt 0 ]] && ! "${as_root[@]}" true 2>/dev/null; }; then
        echo "setup: not installed: $*. Install with: sudo apt-get install $*" >&2
        return 1
    fi
    echo "setup: installing $* with apt-get"
    "${as_root[@]}" apt-get update -qq &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq --no-install-recommends "$@" >/dev/null
}

digest() {
    find "$@" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
}

pip_install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

mapfile -t missing < <(missing_packages | tr ' ' '\n')
[[ ${#missing[@]} == 0 ]] || install_packages "${missing[@]}" || exit 1
mapfile -t missing < <(missing_for_arm)
[[ ${#missing[@]} == 0 ]] || install_packages "${missing[@]}" ||
    echo "setup: THE ARM KERNELS WILL NOT BE TESTED: ${missing[*]} could not be installed" >&2

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
    echo "setup: $("$python" --version) will not do: set PYTHON to a Python 3.11, 3.12 or 3.13" >&2
    exit 1
}

# Both digests hold the interpreter, so that another PYTHON starts afresh.
version=$("$python" -c 'import sys; print(sys.executable, sys.version)')
libraries="$version $(digest pyproject.toml tools/setup.sh)"
sources="$libraries $(digest pyproject.toml README.md LICENSE CMakeLists.txt csrc edge_guard models)"

if [[ ! -x $venv/bin/python || $(cat "$venv/interpreter" 2>/dev/null) != "$version" ]]; then
    echo "setup: making $venv"
    "$python" -m venv --clear "$venv"
    printf '%s\n' "$version" >"$venv/interpreter"
fi
if [[ $(cat "$venv/libraries-$extra" 2>/dev/null) != "$libraries" ]]; then
    echo "setup: installing libraries and building edge-guard (some minutes the first time)"
    # Built without isolation, so that a rebuild finds the same CMake and compiles only changes.
    mapfile -t build < <("$venv/bin/python" -c 'import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")')
    pip_install "${build[@]}" cmake ninja
    pip_install --no-build-isolation ".[$extra]"
    printf '%s\n' "$libraries" >"$venv/libraries-$extra"
    printf '%s\n' "$sources" >"$venv/sources"
elif [[ $(cat "$venv/sources" 2>/dev/null) != "$sources" ]]; then
    echo "setup: building edge-guard"
    pip_install --no-build-isolation --no-deps --force-reinstall .
    printf '%s\n' "$sources" >"$venv/sources"
fi
if [[ $extra == dev ]]; then
    tools/peers.sh "$venv"
fi
