#!/usr/bin/env bash
# The main job in one command: two Regions on this machine, one upload, one delivery.
set -euo pipefail

usage() {
    cat <<'TEXT'
Shows Tandem's main job on two Regions on this machine.

Usage: scripts/demo.sh [--keep]

  --keep      leave the Regions running afterwards
  -h, --help  this text

Builds the functions, starts the Regions, loads reference data, uploads assets/sample/sales-orders.csv to the multi-Region
endpoint, waits for the e-mail, follows its link and shows what came back. Everything is installed inside this checkout and
listens on 127.0.0.1 only. Ends with 0 only if all of that happened.
TEXT
}

keep=
for argument in "$@"; do
    case $argument in
        --keep) keep=yes ;;
        -h | --help) usage && exit 0 ;;
        *) printf 'demo.sh: unknown option %s\n\n' "$argument" >&2 && usage >&2 && exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
# Whatever the shell says of AWS: this is about the local Regions.
export TANDEM_TARGET=local
export CARGO_TARGET_DIR=$PWD/target
unset CARGO_BUILD_TARGET TANDEM_SUFFIX TANDEM_PROJECT_DIR
say() { printf '\n\033[1m%s\033[0m\n' "$1"; }
[ -t 1 ] || say() { printf '\n%s\n' "$1"; }

tandem=target/local/tandem
work=target/demo
mkdir -p "$work"

python=${TANDEM_PYTHON:-python3}
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
    echo "demo.sh: $python is missing, older than 3.10 or lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2
    exit 1
}
if [ -x "$tandem" ] && "$tandem" local status >/dev/null 2>&1; then
    echo "demo.sh: the local Regions run already, with what was built before; end them first: $tandem local down" >&2
    exit 1
fi

finish() {
    status=$?
    trap - EXIT
    if { [ -z "$keep" ] || [ "$status" -ne 0 ]; } && [ -x "$tandem" ]; then
        "$tandem" local down || status=1
    fi
    [ "$status" -eq 0 ] || printf '\nThe demo did not come to its end (exit status %d). Logs: .tandem/logs/\n' "$status" >&2
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say '1. Build the functions and the command (the first build takes some minutes)'
scripts/build.sh

say '2. Start two Regions, us-east-1 (active) and us-west-2 (standby), and deploy the templates to both'
"$tandem" local up --detach

say '3. Load reference data'
"$tandem" generate --rows 10000 --seed 1 --bad 1 --out "$work/sales-orders.csv" --reference "$work/reference.csv"
cmp "$work/sales-orders.csv" assets/sample/sales-orders.csv
"$tandem" reference load "$work/reference.csv"

say '4. Upload 10,000 rows, 1 % of them bad, to the multi-Region endpoint, and wait for the delivery'
# A key of its own for each run: the same file under the same key would be the same batch, which is delivered once.
key="input/sales-orders/demo-$(date +%Y%m%dT%H%M%S).csv"
"$tandem" put assets/sample/sales-orders.csv --as "$key" --wait --json > "$work/result.json"
batch=$(sed -n 's/.*"batch_id": *"\([0-9a-f]*\)".*/\1/p' "$work/result.json")
seconds=$(sed -n 's/.*"seconds": *\([0-9.]*\).*/\1/p' "$work/result.json")
"$tandem" status "$batch"

say '5. The e-mail'
"$tandem" emails --limit 1

say '6. Follow its links'
rm -rf "$work/fetched"
"$tandem" fetch "$batch" --output-dir "$work/fetched"
say 'output.csv, first rows'
head -n 4 "$work/fetched/output.csv"
say 'rejects.csv, first rows'
head -n 4 "$work/fetched/rejects.csv"

say "Delivered in $seconds s from upload to e-mail."
if [ -n "$keep" ]; then
    printf '%s\n' "The Regions are still up: $tandem --help says what to try; $tandem local down ends them."
else
    printf '%s\n' "Run it with --keep to go on: $tandem --help says what to try."
fi
printf '%s\n' 'Read next: docs/SEMANTICS.md (what is promised), docs/DEVELOPMENT.md (how it is built).'
