#!/usr/bin/env bash
# Installs, upgrades or removes edge-guard on a device with Debian or Ubuntu.
#
#   install.sh [--wheels DIR] [--online] [--python PYTHON]   install, or upgrade
#   install.sh --uninstall                                   remove the program, keep data
#   install.sh --purge                                       remove everything
#   --root DIR   under DIR, without accounts and services: to try it out
#
# --wheels defaults to the folder wheels beside this script. Nothing is downloaded unless --online
# lets pip ask its index for libraries that the folder lacks.
#
# Each version gets an environment of its own in /opt/edge-guard/releases; the link "current" takes
# the device from the old one to the new one in one step, and back when the new one does not work.
set -euo pipefail
umask 022
unset PYTHONPATH PYTHONHOME # what is tried here must be what was installed

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=
wheels=$here/wheels
python=${PYTHON:-}
index=(--no-index)
action=install
account=edge-guard
unit=edge-guard.service
SHORT_VERSION='import sys; print("%d.%d" % sys.version_info[:2])'

say() { echo "install: $*"; }
fail() {
    echo "install: $*" >&2
    exit 1
}

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

read_arguments() {
    while [[ $# -gt 0 ]]; do
        case $1 in
            --wheels | --root | --python)
                [[ $# -ge 2 ]] || fail "$1 needs a value: see --help"
                if [[ $1 == --wheels ]]; then wheels=$2; fi
                if [[ $1 == --root ]]; then root=$(realpath -m "$2"); fi
                if [[ $1 == --python ]]; then python=$2; fi
                shift
                ;;
            --online) index=() ;;
            --uninstall) action=uninstall ;;
            --purge) action=purge ;;
            --help | -h) usage && exit 0 ;;
            *) fail "unknown option $1: see --help" ;;
        esac
        shift
    done
    home=$root/opt/edge-guard
    settings=$root/etc/edge-guard
    data=$root/var/lib/edge-guard
    service=$root/etc/systemd/system/$unit
}

# systemd runs this machine, and it is this machine that is installed on.
systemd() { [[ -z $root && -d /run/systemd/system ]] && command -v systemctl >/dev/null; }
running() { systemd && systemctl --quiet is-active "$unit"; }

# One at a time. The lock lies outside the folder that a removal deletes.
lock() {
    if [[ -z $root ]]; then
        [[ $(id -u) == 0 ]] || fail "this needs root: run it with sudo"
    fi
    mkdir -p "$root/run" || fail "cannot write to ${root:-/}: choose another --root"
    exec 9>"$root/run/edge-guard-install.lock"
    flock -n 9 || fail "another installation is under way: wait for it"
}

python_for() { # the interpreter whose version is the wheel's, such as 311
    local wanted=${1:0:1}.${1:1} candidate
    # The system's own first: the service cannot reach one in somebody's home.
    for candidate in ${python:-/usr/bin/python$wanted /usr/bin/python3 python$wanted python3}; do
        if [[ $("$candidate" -c "$SHORT_VERSION" 2>/dev/null) == "$wanted" ]]; then
            "$candidate" -c 'import ensurepip, venv' 2>/dev/null ||
                fail "$candidate cannot make environments: apt-get install python$wanted-venv"
            command -v "$candidate"
            return
        fi
    done
}

# Sets wheel and interpreter: the newest wheel that this machine and one of its Pythons can run.
choose_wheel() {
    [[ -d $wheels ]] || fail "no folder $wheels: name the folder of wheels with --wheels"
    local found=() file version
    mapfile -t found < <(find "$wheels" -maxdepth 1 -name 'edge_guard-*.whl' | sort -rV)
    [[ ${#found[@]} -gt 0 ]] ||
        fail "no edge_guard-*.whl in $wheels: name the release's folder of wheels"
    local machine fitting=()
    machine=$(uname -m)
    for file in "${found[@]}"; do
        [[ $file == *_"$machine".whl ]] || continue
        fitting+=("$file")
        version=$(sed -E 's/.*-cp([0-9]+)-.*/\1/' <<<"$file")
        interpreter=$(python_for "$version")
        [[ -z $interpreter ]] || { wheel=$file && return; }
    done
    [[ ${#fitting[@]} -gt 0 ]] ||
        fail "this device is $machine, but there is only ${found[*]##*/}: get its release"
    version=${version:0:1}.${version:1}
    fail "${fitting[*]##*/} needs Python $version: apt-get install python$version-venv, or --python"
}

check_space() {
    local needed free
    needed=$("$interpreter" - "$wheels" <<'PYTHON'
import pathlib, sys, zipfile
try:
    wheels = map(zipfile.ZipFile, pathlib.Path(sys.argv[1]).glob("*.whl"))
    size = sum(file.file_size for wheel in wheels for file in wheel.infolist())
except zipfile.BadZipFile as error:
    sys.exit(f"install: a wheel in {sys.argv[1]} is damaged ({error}): copy the release anew")
print(60 + size * 13 // 10_000_000)  # with pip itself and compiled Python
PYTHON
    ) || exit 1
    free=$(df --output=avail -BM "$home" | tail -1 | tr -dc 0-9)
    [[ $free -ge $needed ]] ||
        fail "$home has $free MB free, but $needed MB are needed: make room, nothing was changed"
}

make_account() {
    [[ -z $root ]] || return 0
    id "$account" >/dev/null 2>&1 ||
        useradd --system --home-dir "$data" --no-create-home --shell /usr/sbin/nologin "$account"
    getent group video >/dev/null && usermod --append --groups video "$account"
    return 0
}

own() { [[ -n $root ]] || chown "$@"; }

# The service reads its settings and writes its data; nobody else sees either.
make_folders() {
    install -d -m 0755 "$home" "$home/releases"
    install -d -m 0750 "$settings" "$data"
    own "root:$account" "$settings"
    own "$account:$account" "$data"
    if [[ ! -e $settings/device.toml ]]; then
        install -m 0640 "$here/device.toml" "$settings/device.toml"
        own "root:$account" "$settings/device.toml"
    fi
}


# As the service does it, so that what it may not read is noticed here.
edge_guard() {
    local release=$1
    shift
    if [[ -z $root ]]; then
        (cd / && runuser -u "$account" -- "$release/bin/edge-guard" "$@")
    else
        "$release/bin/edge-guard" "$@"
    fi
}

settings_pass() { edge_guard "$1" config check "$settings/device.toml" >/dev/null 2>&1; }

# A bundle that the old version takes and the new one does not would end the line's inspection.
# Those that a rollout brought lie in the spool's folder.
bundles_pass() {
    local old=$1 new=$2 bundle
    for bundle in "$settings"/*.guard "$data"{,/*}/bundles/*.guard; do
        if [[ -e $bundle ]] && edge_guard "$old" bundle verify "$bundle" >/dev/null 2>&1; then
            edge_guard "$new" bundle verify "$bundle" >/dev/null || return 1
        fi
    done
}

# The pip that comes with Python, run from its archive: a device keeps no installer.
bundled_pip() {
    "$interpreter" -c 'import ensurepip, pathlib
own = pathlib.Path(ensurepip.__file__).parent / "_bundled"
folders = own, pathlib.Path("/usr/share/python-wheels")
print(next(wheel for folder in folders for wheel in folder.glob("pip-*.whl")))'
}

# Makes the environment $1 and tries it; what does not work is removed again.
build() {
    local target=$1 log=$home/install.log
    say "installing ${wheel##*/} with $interpreter"
    "$interpreter" -m venv --without-pip "$target" >"$log" 2>&1 &&
        "$target/bin/python" "$(bundled_pip)/pip" install --disable-pip-version-check "${index[@]}" \
            --find-links "$wheels" "$wheel[signing]" >>"$log" 2>&1 || {
        rm -rf "$target"
        tail -3 "$log" >&2
        fail "${wheel##*/} could not be installed, all stays as it was: see $log"
    }
    install -m 0755 "$here/install.sh" "$target/"
    install -m 0644 "$here/$unit" "$here/device.toml" "$target/"
    edge_guard "$target" --version >>"$log" 2>&1 || {
        rm -rf "$target"
        tail -3 "$log" >&2
        fail "${wheel##*/} does not start, all stays as it was: see $log"
    }
}

# Makes the release $1 current, in one step that a power cut cannot halve, and its unit systemd's.
switch_to() {
    ln -sfn "releases/${1##*/}" "$home/.current.new"
    mv -T "$home/.current.new" "$home/current"
    ln -sfn current/bin "$home/bin"
    ln -sfn current/install.sh "$home/install.sh"
    install -D -m 0644 "$1/$unit" "$service"
    if systemd; then systemctl daemon-reload; fi
}

# Sets the service going that ran before; a new one only when its settings are whole.
start() {
    local old=$1 new=$2 was_running=$3
    if [[ $was_running == yes ]]; then
        systemctl restart "$unit" || {
            switch_to "$old"
            rm -rf "$new"
            systemctl restart "$unit" || say "the old version does not start either"
            fail "the new version does not start, the old one is back: journalctl -u edge-guard"
        }
        say "the service runs"
    elif ! settings_pass "$new"; then
        say "next: edit $settings/device.toml and put the bundle beside it," \
            "then: systemctl enable --now edge-guard"
    elif systemd; then
        say "the settings are whole; start it with: systemctl enable --now edge-guard"
    fi
    systemd ||
        say "no systemd here, no service was started: $home/bin/edge-guard run $settings/device.toml"
}

install_or_upgrade() {
    local old='' new version was_running=no
    choose_wheel
    mkdir -p "$home/releases" || fail "cannot write to $home: check the disk"
    check_space
    make_account
    make_folders
    if [[ -L $home/current ]]; then old=$(readlink -f "$home/current"); fi
    version=${wheel##*/edge_guard-}
    new=$home/releases/${version%%-*}-$(date +%Y%m%d%H%M%S%N)
    build "$new"
    if [[ -n $old ]] && settings_pass "$old" && ! settings_pass "$new"; then
        edge_guard "$new" config check "$settings/device.toml" >&2 || true
        rm -rf "$new"
        fail "the new version refuses $settings/device.toml, the old one stays: change that first"
    fi
    if running; then was_running=yes; fi
    if [[ $was_running == yes ]] && ! bundles_pass "$old" "$new"; then
        rm -rf "$new"
        fail "the new version refuses a bundle, the old one goes on: calibrate with the new version" \
            "on another device of this kind, or stop the service, install, calibrate, start it"
    fi
    switch_to "$new"
    start "$old" "$new" "$was_running"
    find "$home/releases" -mindepth 1 -maxdepth 1 \
        ! -path "$new" ! -path "${old:-$new}" -exec rm -rf {} +
    say "$("$home/bin/edge-guard" --version) is installed in $home"
}

# Processes that run one of the installed environments.
processes() {
    local folder program
    for folder in /proc/[0-9]*; do
        program=
        { IFS= read -r -d '' program <"$folder/cmdline"; } 2>/dev/null || continue
        if [[ $program == "$home"/* ]]; then echo "${folder#/proc/}"; fi
    done
}

stop() {
    local left deadline=$((SECONDS + 45))
    if systemd && [[ -e $service ]]; then systemctl disable --quiet --now "$unit" || true; fi
    mapfile -t left < <(processes)
    [[ ${#left[@]} == 0 ]] || kill "${left[@]}" 2>/dev/null || true
    while [[ -n $(processes) ]]; do
        [[ $SECONDS -lt $deadline ]] ||
            fail "still running after 45 s: $(processes | xargs): stop these, then try again"
        sleep 0.2
    done
}

remove() {
    stop
    rm -rf "$home" "$service"
    if systemd; then systemctl daemon-reload; fi
    if [[ $action == uninstall ]]; then
        say "removed; $settings and $data are kept: --purge removes them, too"
        return
    fi
    rm -rf "$settings" "$data"
    if [[ -z $root ]] && id "$account" >/dev/null 2>&1; then userdel "$account"; fi
    say "removed with settings and data"
}

main() {
    read_arguments "$@"
    lock
    if [[ $action == install ]]; then install_or_upgrade; else remove; fi
    exit # a removal deletes this very file: nothing of it is read after this
}

main "$@"
