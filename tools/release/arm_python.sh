#!/usr/bin/env bash
# Unpacks Debian's Python for 64-bit ARM into a folder: tools/release/arm_python.sh DIR
#
# Its headers are what the wheel for aarch64 is built with; the interpreter runs it in an emulator:
#   qemu-aarch64 -L DIR DIR/usr/bin/python3.11
# Nothing is installed on this machine, and apt's own lists stay as they are.
set -euo pipefail
target=$(realpath -m "${1:?usage: tools/release/arm_python.sh DIR}")
[[ ! -e $target/complete ]] || exit 0
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/packages" "$target"
private=(-qq -o APT::Architectures::=arm64 -o "Dir::State::lists=$work/lists"
    -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
cd "$work/packages"
apt-get "${private[@]}" update
packages=(libc6 libgcc-s1 libstdc++6 libexpat1 zlib1g libssl3 libffi8 libbz2-1.0 liblzma5
    libsqlite3-0 libuuid1 "python$version-minimal"
    "libpython$version-dev" "libpython$version-minimal" "libpython$version-stdlib")
apt-get "${private[@]}" download "${packages[@]/%/:arm64}"
for package in *.deb; do
    dpkg --extract "$package" "$target"
done
echo "$version" >"$target/complete"
