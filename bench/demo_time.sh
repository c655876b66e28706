#!/bin/sh
# Time from a clone to the end of `make demo`. Usage: bench/demo_time.sh [--json FILE]
# `make` takes its interpreter from PYTHON, if that is set.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
json=""
[ "${1:-}" = "--json" ] && json=$2
work=$(mktemp -d /tmp/rb-XXXXXX)
trap 'rm -rf "$work"' EXIT INT TERM
chmod 755 "$work"
began=$(date +%s)
git clone --quiet "$root" "$work/clone"
code=0
timeout 600 make -C "$work/clone" demo >"$work/log" 2>&1 || code=$?
seconds=$(($(date +%s) - began))
tail -n 5 "$work/log"
python3 - "$seconds" "$code" "$json" <<'PYTHON'
import json, os, platform, sys
from datetime import UTC, datetime
from pathlib import Path

seconds, code, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
row = {
    "what": "clone to the end of `make demo`",
    "measured": f"{seconds} s",
    "target": "<= 5 min",
    "met": seconds <= 300,
}
document = {
    "bench": "demo_time",
    "rows": [row],
    "samples": {"seconds": seconds},
    "broken": [f"`make demo` ended with exit code {code}"] if code else [],
    "how": {
        "command": "bench/demo_time.sh",
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} shared cores, {platform.system()}",
        "versions": f"Python {platform.python_version()}",
    },
}
missed = "" if row["met"] else "   target missed"
print(f"{row['what']}: {row['measured']}   (target {row['target']}){missed}")
print(json.dumps(document))
if file:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(json.dumps(document) + "\n", encoding="utf-8")
sys.exit(1 if code else 0)
PYTHON
