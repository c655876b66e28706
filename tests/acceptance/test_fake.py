"""`reviews fake` as a person uses it."""

import json
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

COMMAND = (sys.executable, "-m", "account_reviews.cli", "fake")


def test_a_fake_tells_where_it_is_and_stops_at_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    process = subprocess.Popen(
        [*COMMAND, "zoho", "--accounts", "1", "--window", "60s", "--request-log", str(log)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        env = first["env"]
        assert env["REVIEWS_CRM_URL"] == "zoho://"
        assert env["REVIEWS_ZOHO_WINDOW_SECONDS"] == "60"
        form = {
            "grant_type": "refresh_token",
            "client_id": env["REVIEWS_ZOHO_CLIENT_ID"],
            "client_secret": env["REVIEWS_ZOHO_CLIENT_SECRET"],
            "refresh_token": env["REVIEWS_ZOHO_REFRESH_TOKEN"],
        }
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"{first['url']}/oauth/v2/token", body) as answer:
            assert json.load(answer)["api_domain"] == first["url"]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, said) == (0, "stopped\n")
    line = json.loads(log.read_text())
    assert (line["path"], line["status"]) == ("/oauth/v2/token", 200)
    assert env["REVIEWS_ZOHO_REFRESH_TOKEN"] not in log.read_text()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "zoho", "--port", str(port)], cwd=ROOT, capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert f"port {port} cannot be used" in done.stderr
