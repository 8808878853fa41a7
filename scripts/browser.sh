#!/usr/bin/env bash
# For scripts that drive a browser: sourced by them, from the checkout's root. Nothing to run by itself.

# Prints the browser's path; fails with one sentence where there is none.
find_browser() {
    local candidate
    for candidate in ${TANDEM_CHROMIUM:-chromium chromium-browser google-chrome google-chrome-stable}; do
        if command -v "$candidate"; then return 0; fi
    done
    echo "There is no ${TANDEM_CHROMIUM:-Chromium} here: apt install chromium, or name one in TANDEM_CHROMIUM." >&2
    return 1
}

# Installs the pinned driver into .tandem/browser, once for each state of its requirements.
prepare_driver() {
    local requirements=crates/cli/tests/console/requirements.txt python=${TANDEM_PYTHON:-python3}
    cmp -s "$requirements" .tandem/browser/requirements.txt && return 0
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
        echo "$python is missing, older than 3.10 or lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2
        return 1
    }
    "$python" -m venv --clear .tandem/browser
    .tandem/browser/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --requirement "$requirements"
    cp "$requirements" .tandem/browser/requirements.txt
}

# Starts the local Regions with reference data, runs a script of crates/cli/tests/console/ beside them, and takes them down.
with_regions_and_browser() {
    local tandem=target/local/tandem work=target/console
    TANDEM_CHROMIUM=$(find_browser) || exit 3
    # Whatever the shell says of AWS: this is about the local Regions.
    export TANDEM_CHROMIUM TANDEM_TARGET=local CARGO_TARGET_DIR=$PWD/target
    unset CARGO_BUILD_TARGET TANDEM_SUFFIX TANDEM_PROJECT_DIR
    if [ -x "$tandem" ] && "$tandem" local status >/dev/null 2>&1; then
        echo "The local Regions run already, with what was built before; end them first: $tandem local down" >&2
        exit 1
    fi
    mkdir -p "$work"
    prepare_driver
    scripts/build.sh
    trap 'status=$?; trap - EXIT; '"$tandem"' local down || status=1; exit $status' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "$tandem" local up --detach
    "$tandem" generate --rows 10000 --seed 1 --bad 1 --out "$work/sales-orders.csv" --reference "$work/reference.csv"
    "$tandem" reference load "$work/reference.csv"
    .tandem/browser/bin/python "crates/cli/tests/console/$1"
}
