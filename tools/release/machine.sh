#!/usr/bin/env bash
# Boots systemd on a copy of this machine's disk, without its network: machine.sh DIR SHARE
#
# For tools/release/check.py: SHARE is seen in there as /srv/release. Needs root. What is written
# in there goes to DIR (an overlay); processes, mounts, network and cgroups are its own, and all of
# it ends with this script. Services of this machine are masked in there.
set -euo pipefail
dir=$1 share=$2

if [[ ${3:-} != inside ]]; then
    groups=/sys/fs/cgroup/unified
    [[ -e $groups/cgroup.procs ]] || groups=/sys/fs/cgroup
    own=$groups/edge-guard-release-$$
    mkdir -p "$dir/upper" "$dir/work" "$dir/root" "$own"
    leave() {
        echo $$ >"$groups/cgroup.procs"
        local attempt # the last processes need a moment to be gone
        for attempt in {1..25}; do
            if find "$own" -depth -type d -exec rmdir {} + 2>/dev/null; then return; fi
            sleep 0.2
        done
    }
    trap leave EXIT
    # It heeds nothing less; --kill-child takes all below it along.
    trap 'kill -KILL "$machine"; wait "$machine"; exit 143' TERM INT
    echo $$ >"$own/cgroup.procs"
    unshare --fork --pid --mount --uts --ipc --net --cgroup --kill-child \
        bash "$0" "$dir" "$share" inside &
    machine=$!
    wait "$machine"
    exit
fi

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
mkdir -p srv/release
mount --bind "$share" srv/release
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp dev; do mount -t tmpfs tmpfs "$folder"; done
chmod 1777 tmp
mkdir dev/pts dev/shm
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=666
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
: >etc/fstab
# Of what systemd starts by itself only the journal and the message bus.
rm -rf etc/systemd/system/*.wants
for name in udevd udev-trigger tmpfiles-setup tmpfiles-setup-dev remount-fs random-seed \
    update-utmp modules-load logind sysctl; do
    ln -sfn /dev/null "etc/systemd/system/systemd-$name.service"
done
ip link set lo up
container=other exec chroot . /lib/systemd/systemd --system --unit=multi-user.target
