#!/usr/bin/env bash
# The main job in one command: two Regions on this machine, one upload, one delivery. And what happens if one is lost.
set -euo pipefail

usage() {
    cat <<'TEXT'
Shows Tandem's main job on two Regions on this machine.

Usage: scripts/demo.sh [--failover] [--keep]

  --failover  the other story: the active Region is lost half way, and the other one takes over
  --keep      leave the Regions running afterwards
  -h, --help  this text

Builds the functions, starts the Regions, loads reference data, uploads assets/sample/sales-orders.csv to the multi-Region
endpoint, waits for the e-mail, follows its link and shows what came back. With --failover it uploads several files, cuts the
active Region off while they are processed, runs the failover runbook, and shows that each is delivered once, also after the
lost Region has come back and goes on where it was. Everything is installed inside this checkout and listens on 127.0.0.1
only. Ends with 0 only if all of that happened.
TEXT
}

keep=
story=main
for argument in "$@"; do
    case $argument in
        --keep) keep=yes ;;
        --failover) story=failover ;;
        -h | --help) usage && exit 0 ;;
        *) printf 'demo.sh: unknown option %s\n\n' "$argument" >&2 && usage >&2 && exit 2 ;;
    esac
done

cd "$(dirname "$0")/.."
# Whatever the shell says of AWS: this is about the local Regions.
export TANDEM_TARGET=local
export CARGO_TARGET_DIR=$PWD/target
unset CARGO_BUILD_TARGET TANDEM_SUFFIX TANDEM_PROJECT_DIR
say() { printf '\n\033[1m%s\033[0m\n' "$1"; }
[ -t 1 ] || say() { printf '\n%s\n' "$1"; }

tandem=target/local/tandem
work=target/demo
# A field of a JSON object on one line.
field() { sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }
mkdir -p "$work"

python=${TANDEM_PYTHON:-python3}
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || {
    echo "demo.sh: $python is missing, older than 3.10 or lacks venv; on Debian and Ubuntu: apt install python3-venv" >&2
    exit 1
}
if [ -x "$tandem" ] && "$tandem" local status >/dev/null 2>&1; then
    echo "demo.sh: the local Regions run already, with what was built before; end them first: $tandem local down" >&2
    exit 1
fi

finish() {
    status=$?
    trap - EXIT
    if { [ -z "$keep" ] || [ "$status" -ne 0 ]; } && [ -x "$tandem" ]; then
        "$tandem" local down || status=1
    fi
    [ "$status" -eq 0 ] || printf '\nThe demo did not come to its end (exit status %d). Logs: .tandem/logs/\n' "$status" >&2
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say '1. Build the functions and the command (the first build takes some minutes)'
scripts/build.sh

say '2. Start two Regions, us-east-1 (active) and us-west-2 (standby), and deploy the templates to both'
"$tandem" local up --detach

say '3. Load reference data'
"$tandem" generate --rows 10000 --seed 1 --bad 1 --out "$work/sales-orders.csv" --reference "$work/reference.csv"
cmp "$work/sales-orders.csv" assets/sample/sales-orders.csv
"$tandem" reference load "$work/reference.csv"

main_story() {
    say '4. Upload 10,000 rows, 1 % of them bad, to the multi-Region endpoint, and wait for the delivery'
    # A key of its own for each run: the same file under the same key would be the same batch, which is delivered once.
    key="input/sales-orders/demo-$(date +%Y%m%dT%H%M%S).csv"
    "$tandem" put assets/sample/sales-orders.csv --as "$key" --wait --json > "$work/result.json"
    batch=$(field batch_id < "$work/result.json")
    seconds=$(field seconds < "$work/result.json")
    "$tandem" status "$batch"

    say '5. The e-mail'
    "$tandem" emails --limit 1

    say '6. Follow its links'
    rm -rf "$work/fetched"
    "$tandem" fetch "$batch" --output-dir "$work/fetched"
    say 'output.csv, first rows'
    head -n 4 "$work/fetched/output.csv"
    say 'rejects.csv, first rows'
    head -n 4 "$work/fetched/rejects.csv"

    say "Delivered in $seconds s from upload to e-mail."
}

# Waits until a command's output holds a text; shows what it was waiting for if that never comes.
await() {
    local wanted=$1 deadline=$((SECONDS + 180))
    shift
    # Not grep -q: it ends at the first match, and what is still being printed would count as failed.
    until "$@" 2>/dev/null | grep -- "$wanted" > /dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "demo.sh: waited in vain for $wanted from: $*" >&2; return 1; }
        sleep 0.3
    done
}

failover_story() {
    say '4. An undisturbed run of the 10,000 orders, for comparison'
    run=$(date +%Y%m%dT%H%M%S)
    orders=assets/sample/sales-orders.csv
    "$tandem" put "$orders" --as "input/sales-orders/undisturbed-$run.csv" --wait --json > "$work/undisturbed.json"
    undisturbed=$(field batch_id < "$work/undisturbed.json")
    rm -rf "$work/fetched"
    "$tandem" fetch "$undisturbed" --output-dir "$work/fetched/undisturbed" > /dev/null
    printf 'Delivered by us-east-1 in %s s.\n' "$(field seconds < "$work/undisturbed.json")"

    say '5. Three files arrive while us-east-1 begins to suffer: each of its calls takes 2 s longer'
    "$tandem" region slow us-east-1 --milliseconds 2000
    for number in 1 2 3; do
        "$tandem" put "$orders" --as "input/sales-orders/file-$number-$run.csv" --json > "$work/file-$number.json" &
    done
    wait
    batches=()
    for number in 1 2 3; do batches+=("$(field batch_id < "$work/file-$number.json")"); done
    for batch in "${batches[@]}"; do await '"region":"us-east-1"\|"owner_region":"us-east-1"' "$tandem" status "$batch" --json; done

    say '6. A fourth file arrives, and its replica does not make it to us-west-2'
    "$tandem" replication pause > /dev/null
    late=$("$tandem" put "$orders" --as "input/sales-orders/file-4-$run.csv" --json | field batch_id)
    await '"status":"' "$tandem" status "$late" --json

    say '7. us-east-1 is lost: nobody reaches it, and it reaches nobody'
    "$tandem" region isolate us-east-1
    "$tandem" status

    say '8. The operator runs one command'
    "$tandem" failover --to us-west-2 --pace 0.02

    say '9. Three files were delivered by us-west-2; the fourth is missing, and known by name'
    for batch in "${batches[@]}"; do
        await '"status":"DELIVERED"' "$tandem" status "$batch" --json
        "$tandem" status "$batch" --json | grep '"owner_region":"us-west-2"' > /dev/null
    done
    "$tandem" status

    say '10. us-east-1 comes back. The fourth file is replicated, and delivered without anybody doing anything'
    "$tandem" region heal us-east-1
    "$tandem" replication resume > /dev/null
    await '"status":"DELIVERED"' "$tandem" status "$late" --json
    "$tandem" status "$late"

    say '11. In us-east-1 the old executions go on where they were. Whichever comes to the fence is superseded'
    await 'superseded' superseded
    superseded

    say '12. Every file was delivered once, and its output is byte for byte that of the undisturbed run'
    for batch in "${batches[@]}" "$late"; do
        "$tandem" fetch "$batch" --output-dir "$work/fetched/$batch" > /dev/null
        cmp "$work/fetched/undisturbed/output.csv" "$work/fetched/$batch/output.csv"
        emails=$("$tandem" emails --limit 100 | grep -c "^Batch: *$batch")
        printf '%s  %s e-mail, same output\n' "$batch" "$emails"
        [ "$emails" -eq 1 ]
    done

    say '13. Back to us-east-1, by the same command in the other direction'
    "$tandem" failover --to us-east-1
    say 'For the operator: docs/RUNBOOK.md. For every other point and fault: scripts/chaos.sh.'
}

# What deliver in us-east-1 logged of batches that another attempt had taken.
superseded() {
    local batch
    env -u AWS_PROFILE -u AWS_SESSION_TOKEN AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null \
        AWS_ENDPOINT_URL=http://127.0.0.1:4610 AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1 \
        .tandem/venv/bin/aws logs filter-log-events --log-group-name /aws/lambda/tandem-local-deliver --output text \
        --query 'events[].message' | tr '\t' '\n' | grep Superseded > "$work/superseded.log" || return 0
    for batch in "${batches[@]}" "$late"; do
        ! grep -q "$batch" "$work/superseded.log" || printf 'us-east-1, attempt 1 of %s: superseded, nothing sent\n' "$batch"
    done
}

"${story}_story"
if [ -n "$keep" ]; then
    printf '%s\n' "The Regions are still up: $tandem --help says what to try; $tandem local down ends them."
else
    printf '%s\n' "Run it with --keep to go on: $tandem --help says what to try."
fi
printf '%s\n' 'Read next: docs/SEMANTICS.md (what is promised), docs/DEVELOPMENT.md (how it is built).'
