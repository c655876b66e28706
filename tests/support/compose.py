"""The compose file as Compose itself reads it."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

OURS = ("migrate", "worker")
PASSWORDS = {
    name: f"made-up-{number}"
    for number, name in enumerate(
        (
            "POSTGRES_PASSWORD",
            "TEMPORAL_DB_PASSWORD",
            "REVIEWS_OWNER_PASSWORD",
            "REVIEWS_WORKER_PASSWORD",
            "GRAFANA_PASSWORD",
        )
    )
}
"""Each login has one of its own, and none has a default."""


def tool(
    name: str, *words: str, passwords: dict[str, str] = PASSWORDS
) -> subprocess.CompletedProcess[str]:
    """Run an installed check in the checkout."""
    kept = {name: value for name, value in os.environ.items() if name not in PASSWORDS}
    program = Path(sysconfig.get_path("scripts")) / name
    return subprocess.run(
        [program, *words],
        cwd=ROOT,
        env={**kept, **passwords},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def services(*profiles: str) -> dict[str, Any]:
    """Every service, with anchors merged and variables filled in."""
    chosen = [word for profile in profiles for word in ("--profile", profile)]
    done = tool("docker-compose", *chosen, "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def environment(service: dict[str, Any], **changed: str) -> dict[str, str]:
    """What the service would see, and the few names Python itself needs."""
    needed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given: dict[str, str] = service["environment"]
    return needed | given | changed
