"""The compose file as Compose itself reads it."""

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

OURS = ("migrate", "worker")


def tool(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run an installed check in the checkout."""
    program = Path(sysconfig.get_path("scripts")) / name
    return subprocess.run(
        [program, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def services() -> dict[str, Any]:
    """Every service, with anchors merged and variables filled in."""
    done = tool("docker-compose", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def environment(service: dict[str, Any], **changed: str) -> dict[str, str]:
    """What the service would see, and the few names Python itself needs."""
    needed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given: dict[str, str] = service["environment"]
    return needed | given | changed
