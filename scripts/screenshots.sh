#!/usr/bin/env bash
# Pictures of the console for the documentation.
set -euo pipefail

usage() {
    cat <<'TEXT'
Makes docs/images/console-*.png: the console in light and dark, on a phone, and while it fails over.

Usage: scripts/screenshots.sh

  -h, --help  this text

Nothing in them is staged: two local Regions start, files are uploaded through the page, and the active Region is lost. Needs
what scripts/console-test.sh needs.
TEXT
}

for argument in "$@"; do
    case $argument in
        -h | --help) usage && exit 0 ;;
        *) printf 'screenshots.sh: unknown option %s\n\n' "$argument" >&2 && usage >&2 && exit 2 ;;
    esac
done
cd "$(dirname "$0")/.."
# shellcheck source=scripts/browser.sh
. scripts/browser.sh
with_regions_and_browser screenshots.py
ls -l docs/images/console-*.png
