#!/usr/bin/env bash
# Runs every check and every test, the two local Regions included. Sets up what it needs inside the checkout.
set -euo pipefail

usage() {
    cat <<'TEXT'
Runs every check and every test.

Usage: scripts/test.sh [--quick]

  --quick     no local Regions: format, lints and the tests that need nothing but Rust
  -h, --help  this text

In order: format, lints, unit and property tests and the protocol's model, the functions' build, the templates' lint, the
end-to-end tests on two local Regions, which start under target/two-regions/ on free ports and are taken down again, the
fault runs in their short form, the demos, a deployment by its scripts, and the console in a real browser. That last is left
out where there is no Chromium, unless TANDEM_REQUIRE_BROWSER=1 says that it must be there.
TEXT
}

quick=
for argument in "$@"; do
    case $argument in
        --quick) quick=yes ;;
        -h | --help) usage && exit 0 ;;
        *) printf 'test.sh: unknown option %s\n\n' "$argument" >&2 && usage >&2 && exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=$PWD/target
unset CARGO_BUILD_TARGET
step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }

[ -n "$quick" ] || {
    python=${TANDEM_PYTHON:-python3}
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
        echo "test.sh: $python is missing, older than 3.10 or lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    }
}

step 'format'
cargo fmt --all --check

step 'lints'
cargo clippy --locked --profile local --workspace --all-targets --quiet -- -D warnings

step 'unit and property tests'
cargo test --locked --profile local --workspace --quiet

[ -z "$quick" ] || { step 'done; the local Regions were left out'; exit 0; }

step 'build'
scripts/build.sh

step 'templates'
target/local/tandem local prepare
.tandem/venv/bin/cfn-lint sam/*.yaml

step 'two Regions, end to end'
# Whatever ends this script, no Region stays up.
trap 'target/local/tandem --target local --project-dir target/two-regions local down >/dev/null 2>&1 || true' EXIT
cargo test --locked --profile local --workspace --quiet --test two_regions -- --ignored

step 'a Region lost at each point of a batch, in short'
scripts/chaos.sh --short

step "the demos, the README's first commands"
if target/local/tandem --target local local status >/dev/null 2>&1; then
    echo 'left out: the local Regions run already'
else
    scripts/demo.sh
    scripts/demo.sh --failover
fi

step 'deploying and destroying by the scripts, on the local Regions'
if target/local/tandem --target local local status >/dev/null 2>&1; then
    echo 'left out: the local Regions run already'
else
    trap 'target/local/tandem --target local local down >/dev/null 2>&1 || true' EXIT
    target/local/tandem --target local local up --detach
    cp sam/deployment.example.toml target/deployment.toml
    # From elsewhere, as a file is named there.
    (cd target && ../scripts/deploy.sh --local --config deployment.toml --plan)
    scripts/destroy.sh --local --yes --delete-tables
    # Nothing is left: this is a first deployment, and each Region becomes active once and delivers a file.
    scripts/deploy.sh --local
    target/local/tandem --target local local down
fi

step 'the console, used in a browser'
if ! scripts/console-test.sh --find-browser; then
    [ "${TANDEM_REQUIRE_BROWSER:-}" != 1 ] || exit 1
    echo 'left out: no browser'
elif target/local/tandem --target local local status >/dev/null 2>&1; then
    echo 'left out: the local Regions run already'
else
    scripts/console-test.sh
fi

step 'done'
