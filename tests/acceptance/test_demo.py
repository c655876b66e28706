"""`reviews demo` as a person uses it: the real command, from the first line to the last process."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from account_reviews.demo import workspace
from account_reviews.domain.errors import NotFoundError, UnreachableError

_DEMO = (sys.executable, "-m", "account_reviews.cli", "demo")
_SECONDS = 200

_FAKE = """
import sys
from account_reviews.demo import main
from account_reviews.demo.tour import Ending
from account_reviews.demo.proof import Claim, Proof
from account_reviews.cli.app import main as cli

async def play(stack, world):
    print("played in", stack.data_dir, flush=True)
    against = tuple(sys.argv[1:])
    return Ending(Proof((Claim("all is well", against),), ()), None)

async def inbox(stack):
    return "http://inbox"

main.play, main._inbox = play, inbox
main.what_to_try = lambda stack, left, environment, inbox: f"data {stack.data_dir} stays, {inbox}"
cli(["demo", "--keep"])
"""
"""The demo without a story: its proof, and how it ends."""


def home_of(said: str) -> Path:
    """The directory the demo names."""
    found = re.search(r"/tmp/reviews-demo-\w+", said)
    assert found is not None, said
    return Path(found[0])


def processes_of(directory: Path) -> list[str]:
    """Command lines of all processes that name the directory, or whose settings do."""
    wanted = str(directory).encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            texts = [(process / name).read_bytes() for name in ("cmdline", "environ")]
        except OSError:
            continue
        if any(wanted in text for text in texts):
            found.append(texts[0].replace(b"\0", b" ").decode(errors="replace"))
    return found


def nothing_is_left(said: str) -> None:
    """No process, no directory."""
    assert processes_of(home_of(said)) == []
    assert not home_of(said).exists()
    for pid in re.findall(r"\(process (\d+)\)", said):
        assert not Path(f"/proc/{pid}").exists()


def wait_for(file: Path, words: str, seconds: float = 60) -> str:
    """Wait until the words stand in the file; gives its text."""
    deadline = time.monotonic() + seconds
    while words not in (text := file.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    return text


@pytest.mark.temporal
def test_the_whole_demo() -> None:
    # Settings of the shell must not lead it to another server, database or CRM.
    elsewhere = {
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "REVIEWS_DATABASE_URL": "postgresql://127.0.0.1:1/none",
        "REVIEWS_CRM_URL": "postgresql://127.0.0.1:1/none",
        "APPROVAL_TIMEOUT_HOURS": "none",
    }
    done = subprocess.run(
        _DEMO,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env={**os.environ, **elsewhere},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    output = " ".join(done.stdout.split())
    reviews = re.search(
        r"holds every review .*?: (\d+) of (\d+) \((\d+) ended, (\d+) wait\)", output
    )
    assert reviews is not None, output
    assert reviews[1] == reviews[2] == "64"
    assert int(reviews[3]) + int(reviews[4]) == 64
    assert int(reviews[4]) > 0
    changes = re.search(r"holds every approved change .*? exactly once: (\d+) of (\d+)", output)
    assert changes is not None, output
    assert changes[1] == changes[2]
    assert int(changes[1]) > 20
    assert f"holds nothing was written without an approval: {changes[1]} writes" in output
    assert "FAILS" not in output
    cut = re.search(
        r"(\d+) in the middle of their work, and (\d+) that nobody had looked at", output
    )
    assert cut is not None, output
    assert int(cut[1]) + int(cut[2]) > 0
    assert done.stderr.count("was killed by SIGKILL") == 2
    assert "reviewed: 64 of 64" in done.stderr
    nothing_is_left(done.stdout)


@pytest.mark.temporal
def test_ctrl_c_in_the_middle_stops_everything(tmp_path: Path) -> None:
    said, progress = tmp_path / "out", tmp_path / "err"
    with said.open("wb") as out, progress.open("wb") as err:
        demo = subprocess.Popen(_DEMO, stdout=out, stderr=err)
    try:
        wait_for(progress, "reviewed: ")
        demo.send_signal(signal.SIGINT)
        code = demo.wait(60)
    finally:
        demo.kill()
    output = progress.read_text(encoding="utf-8")
    assert code == 130, output
    assert "Traceback" not in output
    nothing_is_left(said.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("against", "code"), [((), 0), (("task 7 is new",), 1)])
@pytest.mark.temporal
def test_keep_waits_for_ctrl_c_and_a_failed_proof_is_said(
    tmp_path: Path, against: tuple[str, ...], code: int
) -> None:
    said, progress = tmp_path / "out", tmp_path / "err"
    with said.open("wb") as out, progress.open("wb") as err:
        command = [sys.executable, "-c", _FAKE, *against]
        demo = subprocess.Popen(command, stdout=out, stderr=err)
    try:
        output = wait_for(said, "stays")
        assert home_of(output).is_dir()
        assert demo.poll() is None
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == code
    finally:
        demo.kill()
    sentence = progress.read_text(encoding="utf-8").splitlines()[1:]
    assert sentence == [f"the proof does not hold: {one}" for one in against]
    nothing_is_left(output)


def test_without_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise UnreachableError(f"no {name}")

    monkeypatch.setattr(workspace, "binary", missing)
    with pytest.raises(UnreachableError, match="not installed here") as caught:
        workspace.check_needs()
    assert "dev-stack" in (caught.value.hint or "")


@pytest.mark.temporal
def test_without_the_sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workspace, "SAMPLE", tmp_path / "portfolio")
    with pytest.raises(NotFoundError, match="sample portfolio") as caught:
        workspace.check_needs()
    assert "checkout" in (caught.value.hint or "")
