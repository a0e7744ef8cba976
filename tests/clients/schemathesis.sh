#!/usr/bin/env bash
# Asks a server whatever its OpenAPI documents allow, and much that they do not, in search of an answer of 500 and
# above: `COUNTERSIGN=target/debug/countersign MINUTES=10 tests/clients/schemathesis.sh`.
#
# COUNTERSIGN                 the binary to test
# COUNTERSIGN_TEST_DATABASE   a PostgreSQL server to test with as well: postgres://USER:PASSWORD@HOST/postgres
# COUNTERSIGN_CLIENTS_DIR     where Schemathesis is installed; target/clients unless set
# MINUTES                     how long, for each version of the API; half a minute unless set
# VERSIONS                    which of `v1.0 beta`; both unless set
# CHECKS                      checks of Schemathesis to report as well, such as `all`; only the two below decide
# SEED                        repeats a run
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
work="${COUNTERSIGN_CLIENTS_DIR:-$root/target/clients}"
mkdir -p "$work"
work="$(cd "$work" && pwd)"
venv="$work/schemathesis"
pins="$here/python/requirements-schemathesis.txt"
export PYTHONPYCACHEPREFIX="$work/pycache"
# `requests` prefers these to what it is told.
unset REQUESTS_CA_BUNDLE CURL_CA_BUNDLE

# What decides. A refusal in another form than Graph's is what a client cannot read.
decisive=not_a_server_error,errors_have_the_form_of_graph,the_caller_stays_signed_in

# One version, on the server that `with_server.py` started for this call.
run_version() {
    local version="$1" report="$work/schemathesis-$1.json"
    rm -f "$report"
    CLIENTS_TOKEN="$("$venv/bin/python" "$here/python/schemathesis_report.py" token)"
    export CLIENTS_TOKEN
    local seconds
    seconds="$(awk -v minutes="${MINUTES:-0.5}" 'BEGIN { print int(minutes * 60) }')"
    local more=()
    [[ -z "${SEED:-}" ]] || more+=(--seed "$SEED")
    echo "==> schemathesis: $version for $seconds s"
    # One worker: Python 3.11 counts the depth of syntax trees for all threads together, and Hypothesis, which parses its
    # own lambdas, then now and then fails with `AST constructor recursion depth mismatch`.
    (
        # Where it runs, it leaves what it needs to repeat a request.
        cd "$work"
        # What decides is read from the report: the status also counts the checks that only inform.
        SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH="$here/python" \
            "$venv/bin/st" run "$CLIENTS_AUTHORITY/$version/openapi.json" \
            --header "Authorization: Bearer $CLIENTS_TOKEN" --tls-verify "$CLIENTS_CA" \
            --max-time "$seconds" --workers 1 --request-timeout 30 --max-failures 1000 \
            --checks "$decisive${CHECKS:+,$CHECKS}" --generation-database none --no-color --warnings off \
            --report json --report-json-path "$report" "${more[@]}" >"$work/schemathesis-$version.log" 2>&1 || true
    )
    "$venv/bin/python" "$here/python/schemathesis_report.py" judge "$report" "$work/schemathesis-$version.log"
}

if [[ "${1:-}" == run ]]; then
    run_version "$2"
    exit
fi

[[ -n "${COUNTERSIGN:-}" ]] || { echo "error: COUNTERSIGN is not set: it names the binary to be tested" >&2; exit 2; }
if [[ "$COUNTERSIGN" == */* ]]; then
    COUNTERSIGN="$(realpath "$COUNTERSIGN")"
fi
export COUNTERSIGN COUNTERSIGN_CLIENTS_DIR="$work"

if ! [[ -x "$venv/bin/st" ]] || ! cmp --silent "$pins" "$work/schemathesis.pins"; then
    echo "==> installing Schemathesis"
    rm -rf "$venv" "$work/schemathesis.pins"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --requirement "$pins"
    cp "$pins" "$work/schemathesis.pins"
fi

status=0
cd "$here/python"
for version in ${VERSIONS:-v1.0 beta}; do
    "$venv/bin/python" with_server.py "$here/schemathesis.sh" run "$version" || status=1
done
exit "$status"
