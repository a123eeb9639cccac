#!/usr/bin/env bash
# Builds the virtual camera rig in .cache/rig: a kernel with the test driver vivid, a small Debian 12, and
# the Python packages of the locks. What is there already is kept; a new lock renews the packages.
# Needs a Debian with the packages below and root (mmdebstrap, apt); about a minute, 300 MB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
cache="$repository/.cache/rig"
python=$repository/.venv/bin/python
mkdir -p "$cache" && cd "$cache"
exec 9>lock && flock 9 # who comes second waits, and finds it made

for program in qemu-system-x86_64 modprobe cpio busybox mmdebstrap mksquashfs; do
    command -v "$program" >/dev/null || {
        echo "no $program; apt-get install qemu-system-x86 kmod cpio busybox-static mmdebstrap squashfs-tools" >&2
        exit 1
    }
done

if [ ! -d kernel ]; then
    echo "rig: the kernel ..." >&2
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
    apt-get download "$package" 2>/dev/null
    dpkg -x "$package"_*.deb kernel.new && rm "$package"_*.deb
    depmod -b kernel.new "$(ls kernel.new/lib/modules)"
    mv kernel.new kernel
fi

if ! cmp -s "$here/init" initramfs/init; then
    rm -rf initramfs && mkdir -p initramfs/{bin,dev,proc,sys,modules}
    cp "$(command -v busybox)" initramfs/bin/busybox
    for module in virtio_pci 9pnet_virtio 9p overlay virtio_blk virtio_rng squashfs vivid; do
        modprobe -d kernel -S "$(ls kernel/lib/modules)" --show-depends "$module" |
            while read -r word file _; do
                [ "$word" = insmod ] || continue
                name=$(basename "$file")
                [ -f "initramfs/modules/$name" ] && continue
                cp "$file" initramfs/modules/ && echo "$name" >>initramfs/modules/list
            done
    done
    cp "$here/init" initramfs/init && chmod +x initramfs/init
    (cd initramfs && find . | cpio -o -H newc --quiet | gzip -1) >initramfs.gz
fi

if [ ! -f root.squashfs ]; then
    echo "rig: a Debian 12 ..." >&2
    rm -rf root && mmdebstrap --quiet --variant=minbase --include=python3 bookworm root.tar
    mkdir -p root/repository root/out root/packages
    tar xf root.tar -C root --exclude='./dev/*'
    mksquashfs root root.new -quiet -no-progress -noappend -comp lz4 && mv root.new root.squashfs
    rm -rf root root.tar
fi

lock="$repository/requirements/cameras-python3.11.txt"
development="$repository/requirements/python3.11.txt"
if ! cat "$lock" "$development" | cmp -s - packages.lock; then
    echo "rig: the Python packages ..." >&2
    rm -rf packages
    for file in "$development" "$lock"; do
        "$python" -m pip install --quiet --disable-pip-version-check --target packages --upgrade \
            --python-version 3.11 --implementation cp --only-binary=:all: --platform manylinux_2_28_x86_64 \
            --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 --require-hashes -r "$file"
    done
    rm -rf packages/{mypy,ruff,bin,moto,numpy/_core/tests}
    mksquashfs packages packages.new -quiet -no-progress -noappend -comp lz4 &&
        mv packages.new packages.squashfs
    cat "$lock" "$development" >packages.lock
    rm -rf packages
fi
