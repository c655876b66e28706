"""Seven ways to tamper with a sealed trail, each as the owner of the database could: all found."""

import random
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.proofs import proof_of, verify_proof
from account_reviews.audit.verify import verifier
from account_reviews.domain.errors import NegativeAnswerError
from bench.tampering import Tamperer, fill
from tests.support.sealed_trail import Sealed, fresh

SEEDS = 12
KINDS = (
    "edit", "deletion", "insertion", "swap", "truncated tail", "fork", "full rewrite",
)  # fmt: skip


@pytest.fixture(scope="module")
async def trail(engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    """Ten seals over two hundred rows. Whoever tampers rolls back."""
    trail = await fresh(engine, tmp_path_factory.mktemp("sealed"))
    await fill(engine, trail.sealer(), reviews=20, events=10, seals=10)
    return trail


async def test_nothing_is_wrong_with_an_untouched_trail(trail: Sealed) -> None:
    report = await trail.verify()
    assert report.document() == {
        "ok": True,
        "rows": 200,
        "first_bad": None,
        "missing": [],
        "extra": [],
        "differing": [],
        "bad_seals": [],
        "guards": [],
        "seals_checked": 10,
        "unsealed": 0,
        "unanchored": 0,
        "histories": None,
        "histories_gone": 0,
        "warnings": [],
    }


@pytest.mark.parametrize("kind", KINDS)
async def test_every_tampering_is_found(trail: Sealed, kind: str) -> None:
    named = 0
    for seed in range(SEEDS):
        chance = random.Random(f"{kind}{seed}")
        async with trail.engine.connect() as connection:
            way = Tamperer(connection, trail.key, chance).ways()[kind]
            done = await way()
            report = await trail.verifier().verify_on(connection)
            await connection.rollback()
        first = report.first_bad
        assert first is not None, (seed, done)
        assert not report.ok
        assert done.seal in {one.seal for one in report.faults}, (seed, done, report.faults)
        found = {one.event_id for one in report.faults}
        assert set(done.event_ids) <= found, (seed, done, report.faults)
        named += bool(done.event_ids)
        if kind in ("edit", "deletion", "insertion", "swap"):
            assert first.kind is not Kind.SEAL, (seed, done, first)
            assert first.seal == done.seal
    assert named or kind not in ("edit", "insertion", "swap")


@pytest.fixture
async def cut(engine: AsyncEngine, tmp_path: Path) -> Sealed:
    """A trail of its own that may be spoilt for good."""
    return await fresh(engine, tmp_path)


async def test_processes_find_what_one_finds(cut: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are checked in processes of their own, in stretches that end anywhere."""
    await fill(cut.engine, cut.sealer(), reviews=20, events=10, seals=10)
    await cut.owner(
        "update audit.audit_events set actor = 'x' where event_id like '%000000000007/3'",
        "delete from audit.audit_events where event_id like '%000000000012/10'",
        "update audit.seals set signature = previous where number = 4",
    )
    monkeypatch.setattr(verifier, "WORTH_PROCESSES", 1)
    monkeypatch.setattr(verifier, "STRETCH_ROWS", 35)
    many = await cut.verifier(cores=2).verify()
    monkeypatch.undo()
    one = await cut.verifier(cores=1).verify()
    assert many.document() == one.document()
    assert [found.seal for found in many.of(Kind.DIFFERING)] == [4]
    assert [found.seal for found in many.of(Kind.MISSING)] == [7]
    assert {found.seal for found in many.of(Kind.SEAL)} == {4}
    first = many.first_bad
    assert first is not None
    assert first.event_id is not None
    assert first.event_id.endswith("000000000007/3")


async def test_all_seals_and_rows_gone(cut: Sealed) -> None:
    await fill(cut.engine, cut.sealer(), reviews=4, events=5, seals=2)
    await cut.owner("truncate audit.audit_events, audit.seals")
    report = await cut.verify()
    assert sum(one.rows for one in report.of(Kind.MISSING)) == 20
    assert [one.seal for one in report.of(Kind.SEAL)] == [1, 2]


async def test_one_seal_cut_out_of_the_middle(cut: Sealed) -> None:
    """Also where the second place lost it too: the seals behind it do not follow."""
    await fill(cut.engine, cut.sealer(), reviews=6, events=5, seals=3)
    await cut.owner("delete from audit.seals where number = 2")
    report = await cut.verify()
    assert [one.why for one in report.of(Kind.SEAL)] == ["the seal is gone from the database"]
    assert report.seals_checked == 3, "the copy of the second place is checked instead"
    lines = cut.place.read_text().splitlines(keepends=True)
    cut.place.write_text(lines[0] + lines[2])
    assert not (await cut.verify()).ok


@pytest.mark.parametrize("damage", ["swap", "cut", "edit", "garbage", "emptied"])
async def test_tampering_with_the_second_place(cut: Sealed, damage: str) -> None:
    await fill(cut.engine, cut.sealer(), reviews=6, events=5, seals=3)
    one, two, three = cut.place.read_text().splitlines(keepends=True)
    content = {
        "swap": two + one + three,
        "cut": one + three,
        "edit": one + two.replace('"rows":10', '"rows":11') + three,
        "garbage": one + "hello\n" + three,
        "emptied": "",
    }[damage]
    cut.place.write_text(content)
    report = await cut.verify()
    if damage == "emptied":  # it may be a new one; the next sealer fills it
        assert report.ok
        assert report.unanchored == 3
    else:
        assert [one.kind for one in report.faults].count(Kind.SEAL) >= 1
        assert report.document()["missing"] == []


async def test_an_event_that_is_there_twice(cut: Sealed) -> None:
    """The key holds the time too: with another time it is another row, and both get sealed."""
    await cut.add(1, 2)
    await cut.owner(
        "insert into audit.audit_events (event_id, at, source, tenant, event_type, severity, "
        "actor, action, resource) select event_id, at + interval '1 second', source, tenant, "
        "event_type, severity, actor, action, resource from audit.audit_events limit 1"
    )
    await cut.sealer().seal_all()
    report = await cut.verify()
    assert [one.why for one in report.of(Kind.EXTRA)] == ["the event has a row already"]


async def test_proofs_hold_and_fail_with_the_seals(cut: Sealed) -> None:
    from sqlalchemy import text

    from account_reviews.audit.seals.leaves import SELECT, document_of, position_of, row_of

    await fill(cut.engine, cut.sealer(), reviews=7, events=5, seals=3)
    await cut.add(99)
    async with cut.engine.connect() as connection:
        found = await connection.execute(text(f"{SELECT} from audit.audit_events order by seq"))
        rows = [row_of(dict(row)) for row in found.mappings()]
        proof = await proof_of(connection, rows)
    assert len(proof.rows) == len(rows) - 1, "the last one is not sealed yet"
    assert position_of(rows[-1]) not in proof.rows
    for row in rows[:-1]:
        one = proof.rows[position_of(row)]
        seal = proof.seals[one.seal]
        assert verify_proof(document_of(row), one, seal)
        assert not verify_proof({**document_of(row), "actor": "x"}, one, seal)
        other = proof.seals[1 if one.seal > 1 else 2]
        assert not verify_proof(document_of(row), one, other)
    await cut.owner("update audit.seals set leaves = leaves || leaves where number = 2")
    async with cut.engine.connect() as connection:
        with pytest.raises(NegativeAnswerError, match="seal 2"):
            await proof_of(connection, rows)


@pytest.mark.parametrize("moved", ["- interval '2 hours'", "+ interval '11 minutes'"])
async def test_a_time_of_recording_that_does_not_fit_its_seal(cut: Sealed, moved: str) -> None:
    """Before it is sealed nothing else shows it: whoever owns the table sets the default."""
    await cut.add(1)
    await cut.sealer().seal_all()
    await cut.add(2, 3)
    await cut.owner(
        f"update audit.audit_events set recorded_at = recorded_at {moved} where event_id like '%/2'"
    )
    await cut.sealer().seal_all()
    (fault,) = (await cut.verify()).faults
    assert (fault.kind, fault.seal, fault.why) == (
        Kind.DIFFERING,
        2,
        "its time of recording does not fit its seal",
    )
    assert str(fault.event_id).endswith("/2")
