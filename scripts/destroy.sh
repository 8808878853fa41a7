#!/usr/bin/env bash
# Takes a deployment away: says what goes and what stays, asks, and deletes in the reverse order.
set -euo pipefail

usage() {
    cat <<'TEXT'
Takes Tandem away from AWS, or from the running local Regions.

Usage: scripts/destroy.sh --config FILE [--yes] [--keep-data] [--delete-tables]
       scripts/destroy.sh --local [--yes] [--keep-data] [--delete-tables]

  --config FILE    the configuration that it was deployed with
  --local          mean the local Regions, started with `tandem local up`
  --yes            do not ask for the suffix to be typed
  --keep-data      leave the buckets and what is in them
  --delete-tables  delete the tables of batches and reference records and the queues of failed events too
  -h, --help       this text

Builds the command. Says first which account it is, how many objects there are and what stays. Run again after a failure or Ctrl-C, it does what is left.
TEXT
}

local=
arguments=()
while [ $# -gt 0 ]; do
    # A file is named from wherever this was called; the rest happens in the project.
    case $1 in
        --config) [ $# -gt 1 ] && shift && set -- "--config=$1" "${@:2}" ;;
        --local) local=yes ;;
        -h | --help) usage && exit 0 ;;
    esac
    case $1 in
        --config=*) arguments+=("--config=$(realpath -m -- "${1#--config=}")") ;;
        *) arguments+=("$1") ;;
    esac
    shift
done

cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=$PWD/target
unset CARGO_BUILD_TARGET TANDEM_SUFFIX TANDEM_PROJECT_DIR
if [ -n "$local" ]; then export TANDEM_TARGET=local; else export TANDEM_TARGET=aws; fi
# What is built already takes no time, and an old command would know less of what there is.
cargo build --locked --profile local --workspace --bin tandem
export TANDEM_CALLED_AS=$PWD/scripts/destroy.sh
exec target/local/tandem destroy "${arguments[@]}"
