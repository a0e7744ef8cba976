#!/usr/bin/env bash
# Drives a server with Microsoft's own clients: `COUNTERSIGN=target/debug/countersign tests/clients/run.sh`.
#
# COUNTERSIGN                 the binary to test
# COUNTERSIGN_TEST_DATABASE   a PostgreSQL server to test with as well: postgres://USER:PASSWORD@HOST/postgres
# COUNTERSIGN_CLIENTS_DIR     where the clients are installed; target/clients unless set
# SUITES                      which of `python node go schemathesis` to run; all unless set, go only where there is one
# MINUTES                     how long schemathesis asks, for each version of the API; half a minute unless set
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
suites="${SUITES:-python node go schemathesis}"

fail() {
    echo "error: $*" >&2
    exit 2
}

wants() {
    [[ " $suites " == *" $1 "* ]]
}

[[ -n "${COUNTERSIGN:-}" ]] || fail "COUNTERSIGN is not set: it names the binary to be tested"
command -v "$COUNTERSIGN" >/dev/null ||
    fail "COUNTERSIGN names \`$COUNTERSIGN\`, which is not there or is not executable"
# Everything below runs in other folders.
if [[ "$COUNTERSIGN" == */* ]]; then
    COUNTERSIGN="$(realpath "$COUNTERSIGN")"
fi
export COUNTERSIGN

work="${COUNTERSIGN_CLIENTS_DIR:-$root/target/clients}"
mkdir -p "$work"
work="$(cd "$work" && pwd)"
# The source folder stays as it is.
export PYTHONPYCACHEPREFIX="$work/pycache" PYTHONUNBUFFERED=1

# Installs Debian packages; `need COMMAND PACKAGE…`.
need() {
    local missing="$1"
    shift
    [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null ||
        fail "$missing is missing; it comes with the packages: $*"
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

# Whether what was installed for a suite is what its pins ask for: `is_current SUITE FILE…`.
is_current() {
    local suite="$1"
    shift
    [[ "$(cat "$work/$suite.stamp" 2>/dev/null)" == "$(stamp "$@")" ]]
}

stamp() {
    cat "$@" | sha256sum | cut --delimiter=' ' --fields=1
}

# Every suite needs Python: `with_server.py` starts the server for the others.
command -v python3 >/dev/null || need python3 python3 python3-venv
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed"
# In front of an API, as an operator would have it.
if wants python; then
    (PATH="$PATH:/usr/sbin" && command -v nginx >/dev/null) || need nginx nginx
fi
if [[ -n "${COUNTERSIGN_TEST_DATABASE:-}" ]]; then
    command -v psql >/dev/null || need psql postgresql-client
fi

python="$work/venv/bin/python"
if ! [[ -x "$python" ]] || ! is_current python "$here/python/requirements.txt"; then
    echo "==> installing the clients for Python"
    python3 -c 'import ensurepip' 2>/dev/null || need python3-venv python3-venv
    rm -rf "$work/venv" "$work/python.stamp"
    python3 -m venv "$work/venv"
    "$python" -m pip install --quiet --disable-pip-version-check --no-compile \
        --requirement "$here/python/requirements.txt"
    stamp "$here/python/requirements.txt" >"$work/python.stamp"
fi

if wants node; then
    command -v node >/dev/null || need node nodejs npm
    command -v npm >/dev/null || need npm npm
    node -e 'process.exit(Number.parseInt(process.versions.node) < 20 ? 1 : 0)' || fail "Node 20 or newer is needed"
    mkdir -p "$work/node"
    if ! [[ -d "$work/node/node_modules" ]] || ! is_current node "$here/node/package-lock.json"; then
        echo "==> installing the clients for Node"
        rm -f "$work/node.stamp"
        cp "$here/node/package.json" "$here/node/package-lock.json" "$work/node/"
        (cd "$work/node" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error)
        stamp "$here/node/package-lock.json" >"$work/node.stamp"
    fi
    # Node looks for packages beside the file that imports them.
    rm -f "$work"/node/*.mjs
    cp "$here"/node/*.mjs "$work/node/"
fi

if wants go && ! command -v go >/dev/null; then
    if [[ -n "${SUITES:-}" ]]; then
        fail "go is missing"
    fi
    echo "==> go is not installed: its suite is passed over"
    suites="${suites/go/}"
fi
if wants go; then
    # Built before the server's certificate replaces those that Go trusts.
    (cd "$here/go" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly go test -c -o "$work/go.test" .)
fi

status=0
passed=0
failed=0

# Runs a suite and adds up what its runner says: `suite NAME PASSED FAILED COMMAND…`. Patterns find the two counts.
suite() {
    local name="$1" passes="$2" failures="$3" log="$work/$1.log"
    shift 3
    echo "==> $name: $*"
    local before=$SECONDS code=0
    "$@" 2>&1 | tee "$log" || code=$?
    local good bad
    good="$(sum "$log" "$passes")"
    bad="$(sum "$log" "$failures")"
    passed=$((passed + good))
    failed=$((failed + bad))
    if [[ "$code" != 0 || "$bad" != 0 ]]; then
        status=1
    elif [[ "$good" == 0 ]]; then
        echo "error: no test of $name ran" >&2
        status=1
    fi
    echo "    $name: $good passed, $bad failed ($((SECONDS - before)) s)"
}

# What the matches of a pattern add up to: the number in each, or one for each that has none.
sum() {
    { grep --only-matching --extended-regexp -e "$2" "$1" || true; } |
        awk '{ total += match($0, /[0-9]+/) ? substr($0, RSTART, RLENGTH) : 1 } END { print total + 0 }'
}

# The suite for Python. A whole one runs on both databases at the same time: tests wait more than they compute.
pytest() {
    local run=("$python" -m pytest --quiet --tb=short --color=no) code=0
    if [[ -z "${COUNTERSIGN_TEST_DATABASE:-}" || "$#" != 0 ]]; then
        "${run[@]}" -o "cache_dir=$work/pytest-cache" "$@"
        return
    fi
    "${run[@]}" -o "cache_dir=$work/pytest-cache-sqlite" -k "not postgres" >"$work/python-sqlite.log" 2>&1 &
    "${run[@]}" -o "cache_dir=$work/pytest-cache" -k postgres || code=$?
    wait "$!" || code=$?
    cat "$work/python-sqlite.log"
    return "$code"
}

cd "$here/python"
if wants python; then
    suite python '[0-9]+ passed' '[0-9]+ (failed|error)' pytest "$@"
fi
if wants node; then
    suite node '^# pass [0-9]+' '^# (fail|cancelled) [0-9]+' \
        "$python" with_server.py node --test --test-reporter=tap "$work"/node/*.test.mjs
fi
if wants go; then
    suite go '^--- PASS: ' '^--- FAIL: ' "$python" with_server.py "$work/go.test" -test.v
fi

# Last: whatever it breaks, nothing else comes after it. It counts as one test for each version and database.
if wants schemathesis && [[ "$#" == 0 ]]; then
    suite schemathesis '^PASSED' '^FAILED' "$here/schemathesis.sh"
fi

echo "clients: $passed passed, $failed failed"
exit "$status"
