#!/usr/bin/env bash
# Renders docs/images/*.dot to SVG. Needs Graphviz; the rendered files are committed, so that readers need nothing.
set -euo pipefail

case ${1:-} in
    '') ;;
    -h | --help) printf '%s\n' 'Usage: scripts/diagrams.sh' '' 'Renders docs/images/*.dot to SVG with Graphviz (dot).' && exit 0 ;;
    *) printf 'diagrams.sh: unknown option %s\n' "$1" >&2 && exit 2 ;;
esac

cd "$(dirname "$0")/../docs/images"
command -v dot >/dev/null || { echo "diagrams.sh: Graphviz is missing; on Debian and Ubuntu: apt install graphviz" >&2; exit 1; }
for source in *.dot; do
    dot -Tsvg "$source" -o "${source%.dot}.svg"
done
