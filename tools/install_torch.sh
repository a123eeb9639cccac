#!/usr/bin/env bash
# Installs PyTorch by a lock with hashes: install_torch.sh PYTHON VERSION [cpu|cuda], run at the top of the
# repository. Without a choice the CPU build, or the one with CUDA where the package index has no CPU build.
set -euo pipefail
python=$1 version=$2 build=${3:-}

install() {
    "$python" -m pip install --quiet --require-hashes --requirement "requirements/$1-python$version.txt"
}

case "$build" in
cuda) install training-cuda && exit ;;
cpu | "") ;;
*)
    echo "TORCH: found $build; cpu or cuda is needed" >&2
    exit 1
    ;;
esac
if said=$(install training 2>&1); then
    exit 0
fi
case "$said" in
*"No matching distribution found for torch=="*) ;;
*)
    echo "$said" >&2
    exit 1
    ;;
esac
if [ "$build" = cpu ]; then
    echo "Your package index has no CPU build of PyTorch. Add PyTorch's own index (PIP_EXTRA_INDEX_URL), or give TORCH=cuda." >&2
    exit 1
fi
echo "Your package index has no CPU build of PyTorch: installing the build with CUDA, some 3 GB. It runs on CPUs, too."
install training-cuda
