#!/usr/bin/env bash
# Builds the virtual camera rig in .cache/rig: a kernel with the test driver vivid, and a small Debian 12.
# Needs Debian 12 with the packages below and root (mmdebstrap, apt); a minute, 300 MB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache="$here/../../.cache/rig"
mkdir -p "$cache" && cd "$cache"

for program in qemu-system-x86_64 modprobe cpio busybox mmdebstrap mksquashfs; do
    command -v "$program" >/dev/null || {
        echo "no $program; apt-get install qemu-system-x86 kmod cpio busybox-static mmdebstrap squashfs-tools" >&2
        exit 1
    }
done

if [ ! -d kernel ]; then
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
    apt-get download "$package"
    dpkg -x "$package"_*.deb kernel.new && rm "$package"_*.deb
    depmod -b kernel.new "$(ls kernel.new/lib/modules)"
    mv kernel.new kernel
fi

rm -rf initramfs && mkdir -p initramfs/{bin,dev,proc,sys,modules}
cp "$(command -v busybox)" initramfs/bin/busybox
cp "$here/init" initramfs/init && chmod +x initramfs/init
for module in virtio_pci 9pnet_virtio 9p overlay virtio_blk virtio_rng squashfs vivid; do
    modprobe -d kernel -S "$(ls kernel/lib/modules)" --show-depends "$module" |
        while read -r word file _; do
            [ "$word" = insmod ] || continue
            name=$(basename "$file")
            [ -f "initramfs/modules/$name" ] && continue
            cp "$file" initramfs/modules/ && echo "$name" >>initramfs/modules/list
        done
done
(cd initramfs && find . | cpio -o -H newc --quiet | gzip -1) >initramfs.gz

if [ ! -f root.squashfs ]; then
    rm -rf root && mmdebstrap --quiet --variant=minbase --include=python3 bookworm root.tar
    mkdir -p root/repository root/out
    tar xf root.tar -C root --exclude='./dev/*'
    mksquashfs root root.new -quiet -no-progress && mv root.new root.squashfs
    rm -rf root root.tar
fi
