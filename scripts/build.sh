#!/usr/bin/env bash
# Builds the functions and lays each out as it is deployed: target/lambda/<function>/bootstrap and its dataset definitions.
set -euo pipefail

usage() {
    cat <<'TEXT'
Builds the functions and the tandem command.

Usage: scripts/build.sh [--release] [--arm64]

  --release   optimised for deployment (thin LTO); default is the profile `local`: quick to build again
  --arm64     the functions only, for AWS Lambda on arm64, the deployment default; needs cargo-lambda and Zig (implies
              --release), and says how to get them
  -h, --help  this text

Examples:
  scripts/build.sh                 # for the local Regions
  scripts/build.sh --arm64         # for deployment

Each function lands in target/lambda/<function>/, where the templates in sam/ expect it.
TEXT
}

# The versions are those of .github/workflows/release.yml.
lacks() {
    cat >&2 <<TEXT
build.sh: $1 is missing. Both come built from PyPI; from the root of the checkout:
  python3 -m venv .tandem/lambda && .tandem/lambda/bin/pip install cargo-lambda==1.9.2 ziglang==0.15.2
  export PATH="\$PWD/.tandem/lambda/bin:\$PATH"
Or: cargo install cargo-lambda --locked, and Zig from https://ziglang.org/download/
TEXT
    exit 1
}

profile=local
arm64=
for argument in "$@"; do
    case $argument in
        --release) profile=release ;;
        --arm64) profile=release arm64=yes ;;
        -h | --help) usage && exit 0 ;;
        *) printf 'build.sh: unknown option %s\n\n' "$argument" >&2 && usage >&2 && exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
# The artefacts must lie where the templates look for them, whatever the shell says of Cargo's folders.
export CARGO_TARGET_DIR=$PWD/target
unset CARGO_BUILD_TARGET
command -v cargo >/dev/null || { echo "build.sh: cargo is missing; install Rust from https://rustup.rs" >&2; exit 1; }

functions=()
packages=()
for folder in functions/*/; do
    functions+=("$(basename "$folder")")
    packages+=(-p "$(basename "$folder")")
done

if [ -n "$arm64" ]; then
    cargo lambda --version >/dev/null 2>&1 || lacks "cargo-lambda, which builds for arm64 on any machine,"
    # Without Zig it would say so only after a question, and name ways that not every Python allows.
    [[ $(cargo lambda system 2>&1 </dev/null) != *install_options* ]] || lacks "Zig, by which cargo-lambda links,"
    cargo lambda build --locked --release --arm64 "${packages[@]}"
else
    # One invocation for everything: each dependency is compiled once.
    cargo build --locked --profile "$profile" --workspace --bins
    for function in "${functions[@]}"; do
        mkdir -p "target/lambda/$function"
        # The same one stays as it is, its time included, or each build would be news to the next deployment.
        ! cmp -s "target/$profile/$function" "target/lambda/$function/bootstrap" || continue
        # Replaced in one step: a bootstrap that is being executed cannot be overwritten.
        cp "target/$profile/$function" "target/lambda/$function/bootstrap.new"
        mv "target/lambda/$function/bootstrap.new" "target/lambda/$function/bootstrap"
    done
fi

for function in "${functions[@]}"; do
    rm -rf "target/lambda/$function/datasets"
    mkdir -p "target/lambda/$function/datasets"
    cp -p assets/datasets/*.json "target/lambda/$function/datasets/"
done
