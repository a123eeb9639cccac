#!/usr/bin/env bash
# Runs a command in the virtual rig (default: the tests of V4L2 cameras); its exit code is the command's.
# A copy of the repository is read-only at /repository in there; what is written to /out comes back into RIG_OUT, if
# that names a folder. Emulated throughout: /dev/kvm may be there and still not serve.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache="$repository/.cache/rig"
bash "$here/build.sh"

out=${RIG_OUT:-$(mktemp -d)}
mkdir -p "$out"
shared=$(mktemp -d)
trap 'rm -rf "$shared"; [ -n "${RIG_OUT:-}" ] || rm -rf "$out"' EXIT
# a copy, so that nothing changes in there while it runs
git -C "$repository" ls-files -z -co --exclude-standard |
    tar -C "$repository" --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -C "$shared" -xf -
case "$("$repository/.venv/bin/python" --version)" in # compiling takes long in there
*" 3.11."*) "$repository/.venv/bin/python" -m compileall -q "$shared" >/dev/null || true ;;
esac
rm -f "$out/code" "$out/log" "$out/console"
cat >"$out/command" <<COMMAND
cd /repository
export PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/dev/shm/hypothesis HOME=/tmp PYTHONUNBUFFERED=1
printf '%s\n' /packages /repository /repository/shared /repository/components \
    >/usr/local/lib/python3.11/dist-packages/sightline.pth
${*:-python3 -m pytest -p no:cacheprovider tests/faults/test_v4l2_nodes.py}
COMMAND
timeout "${RIG_TIMEOUT_S:-600}" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
    -nodefaults -display none -no-reboot -serial "file:$out/console" \
    -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$cache/initramfs.gz" \
    -append "console=ttyS0 quiet panic=-1" \
    -drive "file=$cache/root.squashfs,if=virtio,format=raw,readonly=on" \
    -drive "file=$cache/packages.squashfs,if=virtio,format=raw,readonly=on" \
    -virtfs "local,path=$shared,mount_tag=repository,security_model=none,readonly=on" \
    -virtfs "local,path=$out,mount_tag=out,security_model=none" -device virtio-rng-pci &
machine=$!
[ -z "${RIG_FOLLOW:-}" ] || {
    while [ ! -f "$out/log" ] && kill -0 "$machine" 2>/dev/null; do sleep 0.2; done
    tail -n +1 -F --pid="$machine" "$out/log" 2>/dev/null || true
}
wait "$machine" || echo "the rig did not end by itself" >&2
if [ -f "$out/log" ]; then
    [ -n "${RIG_FOLLOW:-}" ] || cat "$out/log"
else
    cat "$out/console"
fi
exit "$(cat "$out/code" 2>/dev/null || echo 1)"
