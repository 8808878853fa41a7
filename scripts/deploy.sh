#!/usr/bin/env bash
# Brings Tandem to AWS, or again into the running local Regions, with the same plan and the same commands.
set -euo pipefail

usage() {
    cat <<'TEXT'
Deploys Tandem to two AWS Regions as a configuration says, or again into the running local Regions.

Usage: scripts/deploy.sh --config FILE [--plan] [OPTION...]
       scripts/deploy.sh --local [--config FILE] [--plan] [OPTION...]

  --config FILE  the configuration; copy sam/deployment.example.toml
  --plan         show what would change; change nothing
  --local        mean the local Regions, started with `tandem local up`
  -h, --help     this text; `tandem deploy --help` has the other options

Builds the command, looks at everything, and creates nothing if anything is wrong. Only then are the functions built (for AWS as the
configuration's architecture says, for arm64 with cargo-lambda; not with --plan), and the stacks deployed. Run again after a failure
or Ctrl-C, it does what is left. docs/DEPLOYMENT.md explains it.
TEXT
}

local=
plan=
arguments=()
while [ $# -gt 0 ]; do
    # A file is named from wherever this was called; the rest happens in the project.
    case $1 in
        --config) [ $# -gt 1 ] && shift && set -- "--config=$1" "${@:2}" ;;
        --local) local=yes ;;
        --plan) plan=yes ;;
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

built() { for folder in functions/*/; do [ -x "target/lambda/$(basename "$folder")/bootstrap" ] || return 1; done; }
# The command always: what is built already takes no time, and an old one would deploy as the old source said.
cargo build --locked --profile local --workspace --bin tandem
export TANDEM_CALLED_AS=$PWD/scripts/deploy.sh
if [ -n "$local" ]; then
    built || scripts/build.sh
elif [ -z "$plan" ]; then
    # Nothing long is begun before all else is well. What is built and unchanged takes no time.
    build=$(target/local/tandem deploy "${arguments[@]}" --before-build)
    read -ra build <<< "$build"
    "${build[@]}"
fi
exec target/local/tandem deploy "${arguments[@]}"
