"""The second place as a file and as an object store that speaks S3."""

import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import obstore
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.seals.anchors import Anchors, open_anchors
from account_reviews.audit.seals.keys import SigningKey, signing_key
from account_reviews.audit.seals.leaves import Position
from account_reviews.audit.seals.object_store import open_store
from account_reviews.audit.seals.seal import Seal, next_seal
from account_reviews.domain.errors import BadInputError, ConflictError, UnreachableError
from tests.support.sealed_trail import fresh

AT = datetime(2026, 11, 21, tzinfo=UTC)
_numbers = count(1)


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket on a server of this machine, found by the variables that every S3 client reads."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    made = urllib.request.Request(f"{address}/trail", method="PUT")
    with urllib.request.urlopen(made) as answer:
        assert answer.status == 200
    given = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        yield "s3://trail"
    server.stop()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return signing_key(tmp_path_factory.mktemp("key") / "key.pem")


@pytest.fixture(params=["path", "file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty second place of each kind."""
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/seals/{next(_numbers)}"
    path = tmp_path / "deep" / "seals.jsonl"
    return str(path) if request.param == "path" else f"file://{path}"


def chain(key: SigningKey, length: int, salt: int = 0) -> list[Seal]:
    seals: list[Seal] = []
    for number in range(1, length + 1):
        before = seals[-1] if seals else None
        leaf = bytes([salt]) * 32
        seals.append(next_seal(before, Position(number, number), [leaf], AT, key))
    return seals


async def read(anchors: Anchors, first: int = 1) -> list[Seal]:
    return [seal async for seal in anchors.read(first)]


async def test_seals_go_in_once_and_come_back(place: str, key: SigningKey) -> None:
    anchors = open_anchors(place)
    assert await anchors.newest(0) is None
    assert await anchors.newest(2000) is None
    seals = chain(key, 40)
    for seal in seals:
        await anchors.put(seal)
    await anchors.put(seals[-1])
    anchors = open_anchors(place)
    assert await read(anchors) == seals
    assert await read(anchors, 38) == seals[37:]
    for guess in (0, 1, 39, 40, 41, 5000):
        assert await anchors.newest(guess) == seals[-1], guess


async def test_another_seal_does_not_go_in(place: str, key: SigningKey) -> None:
    seals, others = chain(key, 3), chain(key, 4, salt=1)
    anchors = open_anchors(place)
    for seal in seals:
        await anchors.put(seal)
    with pytest.raises(ConflictError, match="another seal 3"):
        await anchors.put(others[2])
    if place.startswith("/"):  # a store of objects sees no further than the name
        with pytest.raises(ConflictError, match="another seal 3"):
            await anchors.put(others[3])
    assert await read(anchors) == seals


async def test_it_does_not_begin_in_the_middle(place: str, key: SigningKey) -> None:
    one, two = chain(key, 2)
    anchors = open_anchors(place)
    with pytest.raises(UnreachableError, match="lost the seals before 2"):
        await anchors.put(two)
    for seal in (one, two):
        await anchors.put(seal)
    assert await read(anchors) == [one, two]


async def test_sealing_into_an_object_store(
    engine: AsyncEngine, tmp_path: Path, bucket: str
) -> None:
    trail = await fresh(engine, tmp_path, f"{bucket}/sealing")
    for number in (1, 2, 3):
        await trail.add(number)
        await trail.sealer().seal_all()
    report = await trail.verify()
    assert (report.ok, report.seals_checked, report.unanchored) == (True, 3, 0)
    sealer = trail.sealer()
    assert await sealer.seal_all() == 0
    store = open_store(f"{bucket}/sealing")
    for number in (1, 2, 3):
        await obstore.delete_async(store, f"{number:012d}.json")
    await trail.add(4)
    with pytest.raises(UnreachableError, match="lost the seals before 4"):
        await sealer.seal_all()
    await sealer.seal_all()
    report = await trail.verify()
    assert (report.ok, report.seals_checked, report.unanchored) == (True, 4, 0), "filled again"
    await trail.owner(
        "delete from audit.seals where number = 4",
        "delete from audit.audit_events where event_id like '%/4'",
    )
    report = await trail.verify()
    assert sorted(one.why for one in report.faults) == [
        "1 of 1 rows are gone",
        "the seal is gone from the database",
    ]


async def test_a_store_that_does_not_answer(
    bucket: str, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    anchors = open_anchors(f"{bucket}/away")
    calls: list[Callable[[], object]] = [
        lambda: anchors.put(chain(key, 1)[0]),
        lambda: anchors.newest(1),
        lambda: read(anchors),
    ]
    for call in calls:
        with pytest.raises(UnreachableError, match="does not answer") as error:
            await call()  # type: ignore[misc]
        assert "\n" not in error.value.message


async def test_what_is_no_seal_is_named(bucket: str, tmp_path: Path, key: SigningKey) -> None:
    file = tmp_path / "seals.jsonl"
    anchors = open_anchors(str(file))
    await anchors.put(chain(key, 1)[0])
    file.write_text("{}\n" + file.read_text() + "hello\n")
    with pytest.raises(BadInputError, match="line 1 of"):
        await read(anchors)
    with pytest.raises(BadInputError, match="the last line of"):
        await anchors.newest(1)
    store = open_store(f"{bucket}/odd")
    await obstore.put_async(store, "000000000001.json", b"[]")
    with pytest.raises(BadInputError, match=r"000000000001\.json in s3://trail/odd is no seal"):
        await read(open_anchors(f"{bucket}/odd"))


@pytest.mark.parametrize("torn", ["", "{", '{"number":2,"sealed_at":"2026-11-21T00:00:00Z","aft'])
async def test_a_torn_last_line_is_mended(tmp_path: Path, key: SigningKey, torn: str) -> None:
    file = tmp_path / "seals.jsonl"
    seals = chain(key, 2)
    anchors = open_anchors(str(file))
    await anchors.put(seals[0])
    file.write_text(file.read_text() + torn)
    assert await read(anchors) == seals[:1]
    assert await anchors.newest(2) == seals[0]
    await anchors.put(seals[1])
    assert await read(anchors) == seals
    file.write_text(torn)
    assert await anchors.newest(2) is None
    await anchors.put(seals[0])
    assert await read(anchors) == seals[:1]


@pytest.mark.parametrize("url", ["ftp://host/seals", "s3://", "az://container/seals", "://x"])
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(BadInputError, match="cannot be used") as error:
        open_anchors(url)
    assert "\n" not in error.value.message
