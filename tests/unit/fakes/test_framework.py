"""What every fake does: faults, the log, dropped connections."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from account_reviews.fakes.faults import FaultPlan, FaultRule, read_faults
from account_reviews.fakes.framework import Call, FakeApp, FakeOptions, Notice, Reply, Service
from account_reviews.fakes.server import serving
from tests.support.fakes import client_of


class Shelf(Service):
    """Keeps what is put onto it."""

    def __init__(self) -> None:
        self.state: list[str] = []
        self.waiting: list[Notice] = []
        self.revoked = 0

    def handle(self, call: Call) -> Reply:
        if call.method == "POST":
            self.state.append(call.body.decode())
            call.committed = True
            call.operation_id = "op"
            self.waiting.append(Notice("http://localhost/hook", {"put": self.state[-1]}))
            return Reply(201, {"id": len(self.state), "what": self.state[-1]})
        return Reply(200, {"all": self.state}) if self.state else Reply(204)

    def revoke(self, call: Call) -> None:
        self.revoked += 1

    def edit(self, call: Call) -> None:
        self.state.append("edited")

    def notices(self) -> list[Notice]:
        found, self.waiting = self.waiting, []
        return found

    def env(self, url: str) -> dict[str, str]:
        return {"REVIEWS_SHELF_URL": url}


def make(*rules: dict[str, object], **options: object) -> FakeApp:
    plan = FaultPlan(rules=tuple(FaultRule.model_validate(rule) for rule in rules))
    app = FakeApp.of(Shelf(), FakeOptions(faults=plan, **options))  # type: ignore[arg-type]
    app.deliver = quiet
    return app


async def quiet(_: Notice) -> None:
    return None


async def test_no_fault_answers_and_logs(tmp_path: Path) -> None:
    app = make(request_log=tmp_path / "log.jsonl")
    async with client_of(app) as client:
        assert (await client.get("/things")).status_code == 204
        answer = await client.post("/things?token=abc&x=1", content="one")
    await app.finish()
    assert answer.status_code == 201
    assert answer.headers["date"].endswith("GMT")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert list(lines[1]) == [
        "n", "at", "method", "path", "query", "status", "token_id", "operation_id", "records",
        "fault", "committed", "in_flight", "credits", "ms",
    ]  # fmt: skip
    assert (lines[1]["n"], lines[1]["status"], lines[1]["committed"]) == (2, 201, True)
    assert lines[1]["query"] == {"token": "***", "x": "1"}


async def test_status_does_nothing() -> None:
    rule = {"action": "status", "status": 429, "code": "TOO_MANY", "headers": {"Retry-After": "7"}}
    app = make(rule)
    async with client_of(app) as client:
        answer = await client.post("/things", content="one")
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY")
    assert answer.headers["retry-after"] == "7"
    assert app.state == []


async def test_after_and_times_and_the_first_that_fires() -> None:
    app = make(
        {"match": {"method": "GET"}, "action": "status", "status": 500},
        {"match": {"path": "/thi*"}, "after": 1, "times": 1, "action": "status", "status": 503},
        {"match": {"path": "/things"}, "times": 1, "action": "status", "status": 502},
    )
    async with client_of(app) as client:
        found = [(await client.post("/things", content="x")).status_code for _ in range(4)]
        assert (await client.get("/things")).status_code == 500
    assert found == [502, 503, 201, 201]


async def test_probability_is_the_same_each_time() -> None:
    async def run() -> list[int]:
        app = make({"probability": 0.5, "action": "status", "status": 503})
        async with client_of(app) as client:
            return [(await client.post("/things")).status_code for _ in range(40)]

    found = await run()
    assert found == await run()
    assert 8 < found.count(503) < 32


@pytest.mark.parametrize(
    ("action", "kept"), [("drop_before", 0), ("drop_after", 1), ("commit_late", 1)]
)
async def test_drops(action: str, kept: int) -> None:
    app = make({"action": action, "times": 1})
    async with client_of(app) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post("/things", content="one")
    await app.finish()
    assert len(app.state) == kept
    assert app.log.lines[0].status is None


async def test_malformed_is_half_or_what_is_said() -> None:
    app = make(
        {"times": 1, "action": "malformed"},
        {"times": 1, "action": "malformed", "body": "<html>busy</html>"},
    )
    async with client_of(app) as client:
        half = await client.post("/things", content="one")
        page = await client.post("/things", content="two")
    with pytest.raises(ValueError, match=r"\w"):
        half.json()
    assert page.headers["content-type"].startswith("text/html")
    assert app.state == ["one", "two"]


async def test_revoke_and_edit_come_before() -> None:
    app = make({"times": 1, "action": "revoke"}, {"times": 1, "action": "edit"})
    async with client_of(app) as client:
        await client.post("/things", content="one")
        await client.post("/things", content="two")
    assert app.service.revoked == 1  # type: ignore[attr-defined]
    assert app.state == ["one", "edited", "two"]


async def test_a_delayed_answer_is_done_before_the_client_gives_up() -> None:
    app = make({"times": 1, "action": "delay", "delay_ms": 60_000})
    async with client_of(app) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.post("/things", content="one"), 0.05)
    assert app.state == ["one"]


async def test_notices_are_delivered_once() -> None:
    app = make()
    got: list[Notice] = []

    async def keep(notice: Notice) -> None:
        got.append(notice)

    app.deliver = keep
    async with client_of(app) as client:
        await client.post("/things", content="one")
        await client.get("/things")
    await app.finish()
    assert [notice.body for notice in got] == [{"put": "one"}]


async def test_on_a_port_a_dropped_connection_is_one() -> None:
    app = make({"match": {"method": "POST"}, "times": 1, "action": "drop_after"})
    async with serving(app) as url, httpx2.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx2.TransportError):
            await client.post("/things", content="one")
        assert (await client.get("/things")).json() == {"all": ["one"]}
        assert app.env(url) == {"REVIEWS_SHELF_URL": url}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nope", "is no JSON"),
        ("[]", "holds no object"),
        ('{"rules": [{"action": "explode"}]}', "bad rules.0.action"),
        ('{"rules": [{"action": "delay", "delay": 3}]}', "bad rules.0.delay"),
        ('{"rules": [{"action": "status", "status": 42}]}', "bad rules.0.status"),
    ],
)
def test_bad_fault_files_are_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "faults.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        read_faults(path)
    assert "\n" not in str(caught.value)


def test_a_fault_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        read_faults(tmp_path / "none.json")
