#!/usr/bin/env bash
# The console, used in a real browser, on two local Regions.
set -euo pipefail

usage() {
    cat <<'TEXT'
Tests the console in a real headless Chromium, on two Regions on this machine.

Usage: scripts/console-test.sh [--find-browser]

  --find-browser  only say which browser would be used; ends with 3 without one
  -h, --help      this text

Uploads files through the page, watches them delivered, follows the download, loses the active Region, fails over through
both questions, and sees the other Region deliver the rest. Besides: hostile names and contents, access without the token, the
keyboard alone, light, dark and a phone's width, a console that goes away. Whatever the browser complains of fails the test.

The browser is $TANDEM_CHROMIUM, or chromium, chromium-browser or google-chrome from the PATH; without one it ends with 3. Its
driver is installed into .tandem/browser (Python 3.10 or newer with venv). A screenshot of what failed: target/console/failed.png.
TEXT
}

cd "$(dirname "$0")/.."
# shellcheck source=scripts/browser.sh
. scripts/browser.sh
for argument in "$@"; do
    case $argument in
        -h | --help) usage && exit 0 ;;
        --find-browser) find_browser && exit 0 || exit 3 ;;
        *) printf 'console-test.sh: unknown option %s\n\n' "$argument" >&2 && usage >&2 && exit 2 ;;
    esac
done
with_regions_and_browser console_test.py
