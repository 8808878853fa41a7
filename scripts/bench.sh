#!/usr/bin/env bash
# Measures Tandem beside DuckDB and Polars, in one run; the results are in target/bench/.
set -euo pipefail

usage() {
    cat <<'TEXT'
Measures Tandem beside DuckDB and Polars on local files, its functions' cold start, and the core's benchmarks.

Usage: scripts/bench.sh [--quick] [--keep]

  --quick     100,000 rows once, instead of 1,000,000 and 5,000,000 three times
  --keep      keep the generated files, in target/bench/data/
  -h, --help  this text

Builds for release first: some 15 minutes on 2 cores from nothing. Then a full run takes some 10 minutes, needs 4 GiB of disk
and 6 GiB of memory for the peers, and should have the machine to itself. The peers are installed from PyPI to
target/bench/venv/, in the versions of crates/bench/peers/requirements.txt.

Writes target/bench/report.md, charts beside it, and every single measurement as JSON. Ends non-zero if the tools' outputs
differ by one byte.

Environment:
  TANDEM_PYTHON       the Python to make the peers' environment with (3.10 or newer); default python3
  TANDEM_BENCH_BUILT  a folder with `tandem` and `tandem-bench`, to measure those instead of building

Examples:
  scripts/bench.sh --quick
  scripts/bench.sh
TEXT
}

rows=1000000,5000000 rounds=3 keep=() quick=()
for argument in "$@"; do
    case $argument in
        --quick) rows=100000 rounds=1 quick=(--quick) ;;
        --keep) keep=(--keep) ;;
        -h | --help) usage && exit 0 ;;
        *) printf 'bench.sh: unknown option %s\n\n' "$argument" >&2 && usage >&2 && exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=$PWD/target
# Where Criterion's results are looked for, whatever the shell says.
unset CARGO_BUILD_TARGET CRITERION_HOME
results=target/bench
peers=crates/bench/peers
step() { printf '\n== %s (%d s so far)\n' "$1" "$SECONDS"; }

python=${TANDEM_PYTHON:-python3}
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
    echo "bench.sh: $python is missing, older than 3.10 or lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2
    exit 1
}

step 'build'
built=${TANDEM_BENCH_BUILT:-}
[ -n "$built" ] || {
    scripts/build.sh --release
    built=target/release
}
mkdir -p "$results"

step 'peers'
cmp -s "$peers/requirements.txt" "$results/venv/installed.txt" || {
    rm -rf "$results/venv"
    "$python" -m venv "$results/venv"
    "$results/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$peers/requirements.txt"
    cp "$peers/requirements.txt" "$results/venv/installed.txt"
}

# Results of an earlier run must not pass for this one's.
rm -f "$results"/{files,cold,growth}.json "$results"/report.md "$results"/*.svg
rm -rf target/criterion
trap '[ ${#keep[@]} -gt 0 ] || rm -rf "$results/data"' EXIT

step 'local files'
"$built/tandem-bench" files --rows "$rows" --rounds "$rounds" --tandem "$built/tandem" "${keep[@]}"

step 'cold start'
if compgen -G 'target/lambda/*/bootstrap' >/dev/null; then
    "$built/tandem-bench" cold
else
    echo 'left out: there are no functions in target/lambda; build them with scripts/build.sh --release'
fi

step 'growth'
# Needs local Regions that run; starting them is left to whoever wants this part.
if "$built/tandem-bench" growth --help >/dev/null 2>&1 && "$built/tandem" --target local local status >/dev/null 2>&1; then
    "$built/tandem-bench" growth "${quick[@]}" --tandem "$built/tandem"
else
    echo 'left out: the local Regions do not run; `tandem local up` starts them'
fi

step 'the core alone'
if [ -n "${TANDEM_BENCH_BUILT:-}" ]; then
    echo 'left out: nothing is built'
else
    cargo bench --locked --workspace --bench split --bench validate --bench enrich --bench merge -- --noplot ${quick:+--quick}
fi

step 'report'
"$built/tandem-bench" report
