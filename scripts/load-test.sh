#!/usr/bin/env bash
# Many files at once or one after the other, each followed to its end.
set -euo pipefail

usage() {
    cat <<'TEXT'
Uploads many files through the multi-Region endpoint, follows every one to its end, and says how long they took.

Usage: scripts/load-test.sh -n FILES -w SECONDS [-r ROWS] [TANDEM OPTIONS]

  -n FILES    files to upload
  -w SECONDS  seconds between the beginnings of two uploads; 0: all at once
  -r ROWS     rows in a file (1000)
  -h, --help  this text

Everything else is handed to `tandem load-test`, for example --target aws --suffix dev. Without --target it takes the local
Regions if they run, otherwise AWS. The report goes to target/load-test/report.json and a chart beside it. Ends non-zero if one
file is not delivered; see `tandem load-test --help`.

  scripts/demo.sh --keep && scripts/load-test.sh -n 100 -w 1
TEXT
}

for argument in "$@"; do
    case $argument in -h | --help) usage && exit 0 ;; esac
done
if [[ $# -eq 0 ]]; then usage >&2 && exit 2; fi

cd "$(dirname "$0")/.."
if [[ ! -x target/local/tandem ]]; then
    echo 'load-test.sh: there is no target/local/tandem: run scripts/build.sh first' >&2
    exit 2
fi
folder=target/load-test
mkdir -p "$folder"
rm -f "$folder/report.json" "$folder/chart.svg"
status=0
target/local/tandem load-test --report "$folder/report.json" "$@" || status=$?
if [[ -s $folder/report.json ]]; then
    echo "report: $folder/report.json"
    if [[ -x target/local/tandem-bench ]]; then
        # A chart that cannot be drawn changes nothing of what was measured.
        target/local/tandem-bench chart load-test "$folder/report.json" "$folder/chart.svg" && echo "chart: $folder/chart.svg" || true
    fi
fi
exit "$status"
