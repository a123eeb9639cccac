#!/bin/sh
# What the scripts of every recipe call, with the same words on a laptop, on JetPack and on Nucleus Lite:
#
#   launch.sh install               make the component's Python environment in its work folder
#   launch.sh run [--drivers FOLDER] MODULE [ARG ...]
#                                   run a module of the artifact with that environment, and with the
#                                   packages that a driver component has put into FOLDER
#   launch.sh put-drivers FOLDER    put the artifact's packages there, for components that run with it
#   launch.sh settle                ask what runs to settle the part in hand, and wait until it has ended
#
# Where SIGHTLINE_PYTHON names an interpreter that has all packages (a development machine), it is used
# as it is. Elsewhere the environment is made from the wheels that came with the artifact, without a
# network; it sees the system's packages, where JetPack keeps TensorRT.
set -eu

artifact=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
environment="$PWD/environment"
running="$PWD/running.pid"
settle_seconds=6

fail() {
    echo "launch.sh: $1" >&2
    exit 1
}

install_environment() {
    if [ -n "${SIGHTLINE_PYTHON:-}" ]; then
        [ -x "$SIGHTLINE_PYTHON" ] || fail "SIGHTLINE_PYTHON names no program: $SIGHTLINE_PYTHON"
        return
    fi
    [ -f "$artifact/requirements.txt" ] || fail "the artifact has no requirements.txt: $artifact"
    if [ -f "$environment/requirements.txt" ] &&
        cmp -s "$artifact/requirements.txt" "$environment/requirements.txt"; then
        return
    fi
    make_environment
    install_wheels
    cp "$artifact/requirements.txt" "$environment/requirements.txt"
}

# The system's Python if it is new enough, since it sees JetPack's TensorRT; else the newest one beside it.
find_python() {
    for candidate in python3 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.10 or later is needed; found $(python3 --version 2>&1 || true). Install python3.10 \
beside it, in /usr/local/bin or another folder of this PATH: $PATH (docs/jetson-xavier.md)"
}

make_environment() {
    python=$(find_python)
    rm -rf "$environment"
    "$python" -m venv --system-site-packages "$environment"
}

install_wheels() {
    "$environment/bin/python" -m pip install --quiet --no-index --find-links "$artifact/wheels" \
        --require-hashes --requirement "$artifact/requirements.txt" "$@"
}

put_drivers() {
    [ -z "${SIGHTLINE_PYTHON:-}" ] || return 0 # it has all packages
    if [ -f "$1/requirements.txt" ] && cmp -s "$artifact/requirements.txt" "$1/requirements.txt"; then
        return
    fi
    make_environment # for its pip: the system may have none
    rm -rf "$1.new"
    mkdir -p "$1.new"
    install_wheels --target "$1.new" --ignore-installed
    cp "$artifact/requirements.txt" "$1.new/requirements.txt"
    rm -rf "$1"
    mv "$1.new" "$1"
}

python_of_component() {
    if [ -n "${SIGHTLINE_PYTHON:-}" ]; then
        echo "$SIGHTLINE_PYTHON"
    else
        echo "$environment/bin/python"
    fi
}

is_running() {
    # its folder tells it from another process that was given its number since
    [ "$(readlink "/proc/$1/cwd" 2>/dev/null)" = "$(pwd -P)" ]
}

settle() {
    [ -f "$running" ] || return 0
    process=$(cat "$running")
    is_running "$process" || return 0
    kill -TERM "$process"
    tenths=$((settle_seconds * 10))
    while is_running "$process"; do
        [ "$tenths" -gt 0 ] || fail "process $process has not ended within $settle_seconds s"
        tenths=$((tenths - 1))
        sleep 0.1
    done
}

case "${1:-}" in
install)
    install_environment
    ;;
run)
    [ "$#" -ge 2 ] || fail "run needs the name of a module"
    shift
    path="$artifact"
    if [ "$1" = --drivers ]; then
        [ "$#" -ge 3 ] || fail "run --drivers needs a folder and the name of a module"
        # Python looks into it later, too, if it is there at the start
        mkdir -p "$2" || echo "launch.sh: cameras need a folder for their drivers at $2" >&2
        path="$artifact:$2"
        shift 2
    fi
    python=$(python_of_component)
    [ -x "$python" ] || fail "no interpreter at $python; the install step makes it"
    echo $$ >"$running"
    PYTHONPATH="$path" PYTHONUNBUFFERED=1 exec "$python" -m "$@"
    ;;
put-drivers)
    [ "$#" -eq 2 ] || fail "put-drivers needs a folder"
    put_drivers "$2"
    ;;
settle)
    settle
    ;;
*)
    fail "usage: launch.sh install | run [--drivers FOLDER] MODULE [ARG ...] | put-drivers FOLDER | settle"
    ;;
esac
