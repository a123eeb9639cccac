#!/usr/bin/env bash
# Runs the tests of V4L2 cameras in the virtual rig, or the command that is given; its exit code is theirs.
# The repository is read-only in there; its .venv must be of Python 3.11 and have the extra `cameras`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache="$repository/.cache/rig"
packages=.venv/lib/python3.11/site-packages
[ -d "$repository/$packages/linuxpy" ] || {
    echo "no linuxpy in $packages; $repository/requirements/cameras-python3.11.txt has it" >&2
    exit 1
}
bash "$here/build.sh"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/command" <<COMMAND
cd /repository
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/out
export PYTHONPATH=/repository/$packages:/repository:/repository/shared:/repository/components
${*:-python3 -m pytest -p no:cacheprovider tests/faults/test_v4l2_nodes.py}
COMMAND
timeout "${RIG_TIMEOUT_S:-600}" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
    -nodefaults -display none -no-reboot -serial "file:$out/console" \
    -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$cache/initramfs.gz" \
    -append "console=ttyS0 quiet panic=-1" -drive "file=$cache/root.squashfs,if=virtio,format=raw,readonly=on" \
    -virtfs "local,path=$repository,mount_tag=repository,security_model=none,readonly=on" \
    -virtfs "local,path=$out,mount_tag=out,security_model=none" -device virtio-rng-pci ||
    echo "the rig did not end by itself" >&2
[ -f "$out/log" ] && cat "$out/log" || cat "$out/console"
exit "$(cat "$out/code" 2>/dev/null || echo 1)"
