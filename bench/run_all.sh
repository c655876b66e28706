#!/usr/bin/env bash
# Run every benchmark, one after another, and write bench/RESULTS.md. About two hours.
# --without-demo leaves the clone and `make demo` out.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 2
failed=""
for name in recovery throughput timeouts events visible real_data cli look \
    schedules cycles cycle_history big_cycle hubspot_cycle zoho_cycle zoho_writes crm_budget \
    audit_cost audit_lag audit_outage audit_verify audit_tamper audit_complete \
    approvals decisions web_events web_pages; do
    echo "== $name"
    rm -f "bench/results/$name.json"
    .venv/bin/python -m "bench.$name" --json "bench/results/$name.json" | grep -v '^{' ||
        failed="$failed $name"
done
if [ "${1:-}" != "--without-demo" ]; then
    echo "== demo_time"
    bench/demo_time.sh --json bench/results/demo_time.json | grep -v '^{' ||
        failed="$failed demo_time"
fi
.venv/bin/python -m bench.report
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
