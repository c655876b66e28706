"""An approval on DBOS, for `bench.decisions`: wait for a message, then write one row.

Run by a Python that has DBOS: `python dbos_approvals.py DATABASE_URL serve|measure ROUNDS AT_ONCE`.
Prints one JSON line per decision: seconds from sending the message to the start of the write. The
message comes from another process, as ours does.
"""

import json
import subprocess
import sys
import time
import uuid
from typing import Any

import psycopg
from dbos import DBOS, DBOSClient, DBOSConfig, SetWorkflowID

URL = sys.argv[1]


@DBOS.step()
def write(account: str) -> None:
    """What was approved, in the CRM's table."""
    print(json.dumps({"begun": account, "at": time.time()}), flush=True)
    with psycopg.connect(URL) as connection:
        connection.execute("insert into approved (account) values (%s)", (account,))


@DBOS.workflow()
def review(account: str) -> str:
    """One approval that may take three days."""
    answer = DBOS.recv("approval", timeout_seconds=72 * 3600)
    if answer == "approve":
        write(account)
    return str(answer)


def serve() -> None:
    """Start a waiting workflow for each name on standard input."""
    with psycopg.connect(URL) as connection:
        connection.execute("create table if not exists approved (account text)")
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": URL,
        "log_level": "ERROR",
        "use_listen_notify": True,
    }
    DBOS(config=config)
    DBOS.launch()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        with SetWorkflowID(line.strip()):
            DBOS.start_workflow(review, line.strip())
        print(json.dumps({"started": line.strip()}), flush=True)


def measure(rounds: int, at_once: int) -> None:
    """Decide `at_once` waiting workflows at a time, `rounds` times."""
    command = [sys.executable, __file__, URL, "serve", "0", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        _until(one, "ready", 1)
        client = DBOSClient(system_database_url=URL)
        for _ in range(rounds):
            names = [uuid.uuid4().hex for _ in range(at_once)]
            one.stdin.write("".join(f"{name}\n" for name in names))
            one.stdin.flush()
            _until(one, "started", at_once)
            time.sleep(0.3)  # all of them wait for their message by now
            sent = {}
            for name in names:
                sent[name] = time.time()
                client.send(name, "approve", "approval")
            for begun in _until(one, "begun", at_once):
                seconds = float(begun["at"]) - sent[str(begun["begun"])]
                print(json.dumps({"seconds": seconds}), flush=True)
            time.sleep(0.5)  # and have written
        one.kill()


def _until(process: "subprocess.Popen[str]", key: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    assert process.stdout is not None
    while len(found) < count:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the DBOS process ended")
        if line.startswith("{") and key in (report := json.loads(line)):
            found.append(report)
    return found


if __name__ == "__main__":
    if sys.argv[2] == "serve":
        serve()
    else:
        measure(int(sys.argv[3]), int(sys.argv[4]))
