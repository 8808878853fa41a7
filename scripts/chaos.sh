#!/usr/bin/env bash
# Loses a Region at every point of a batch's life, in every way, and proves that every file is delivered once.
set -euo pipefail

usage() {
    cat <<'TEXT'
Loses a Region, again and again, with the deployed artefacts on two local Regions of its own.

Usage: scripts/chaos.sh [--short] [FILTER]

  --short     each point and each fault once instead of every point with every fault; what scripts/test.sh runs
  FILTER      only the runs whose name contains this, for example inside_merge or frozen_then_thawed
  -h, --help  this text

Each run stops a batch at a point (after the upload, inside split, between fence and e-mail, ...), strikes with a fault (the
Region isolated, a function frozen or killed, replication paused, ...), runs the failover runbook, and mends. Then one
e-mail, the undisturbed run's bytes and nothing left open are asserted. Some 20 minutes in full, some 5 in short, the build
apart. The Regions start under target/chaos/ on free ports and are taken down again.
TEXT
}

extent=full
filter=()
for argument in "$@"; do
    case $argument in
        --short) extent=short ;;
        -h | --help) usage && exit 0 ;;
        -*) printf 'chaos.sh: unknown option %s\n\n' "$argument" >&2 && usage >&2 && exit 2 ;;
        *) filter+=("$argument") ;;
    esac
done

cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=$PWD/target
unset CARGO_BUILD_TARGET

scripts/build.sh
# Whatever ends this script, no Region stays up.
trap 'target/local/tandem --target local --project-dir target/chaos local down >/dev/null 2>&1 || true' EXIT
TANDEM_CHAOS=$extent cargo test --locked --profile local --workspace --quiet --test chaos -- --ignored "${filter[@]}"
