"""What becomes of a place that is taken, and a model of starters, crashes and closings."""

from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from account_reviews.domain.admission import (
    GRACE,
    Execution,
    Reservation,
    Verdict,
    full,
    has_place,
    judge,
)

LONG_AGO = GRACE * 2


def reservation(**fields: Any) -> Reservation:
    given = {"run_id": None, "alone": LONG_AGO, **fields}
    return Reservation(reservation_id="mine", workflow_id="review/a", **given)


def execution(reservation_id: str | None = "mine", run_id: str = "run", **fields: Any) -> Execution:
    return Execution(run_id=run_id, reservation_id=reservation_id, **{"is_open": True, **fields})


def test_the_last_place_is_a_place() -> None:
    assert has_place(99, 100)
    assert not has_place(100, 100)
    assert not has_place(101, 100), "the policy may have been lowered"
    assert full(100).message == "Maximum concurrent reviews (100) reached"
    assert full(100).exit_code == 6


def test_an_open_review_keeps_its_place() -> None:
    assert judge(reservation(), execution()) is Verdict.KEEP
    assert judge(reservation(run_id="run"), execution(reservation_id=None)) is Verdict.KEEP


def test_a_closed_review_has_none() -> None:
    assert judge(reservation(), execution(is_open=False)) is Verdict.FREE
    assert judge(reservation(run_id="run"), execution(is_open=False)) is Verdict.FREE
    assert judge(reservation(run_id="run"), execution(run_id="next")) is Verdict.FREE
    assert judge(reservation(run_id="run"), None) is Verdict.FREE


def test_one_that_never_began_has_its_place_while_its_starter_is_at_work() -> None:
    for newest in (None, execution("theirs"), execution("theirs", is_open=False)):
        assert judge(reservation(alone=None), newest) is Verdict.KEEP
        assert judge(reservation(alone=timedelta(0)), newest) is Verdict.LATER
        assert judge(reservation(alone=GRACE), newest) is Verdict.FREE


MOST = 3
ACCOUNTS = ("a", "b", "c", "d", "e")


class Starter:
    """One `reviews start --interactive`, step by step; any step may be its last."""

    def __init__(self, name: str, account: str) -> None:
        self.name, self.account = name, account
        self.at_work = True
        self.died_at = timedelta(0)
        self.sent = False
        """Its request is on its way to Temporal, which has not taken it up."""


class House(RuleBasedStateMachine):
    """Temporal, the table and starters, with the rules of the product between them.

    What it relies on: a request of a starter that died is taken up within GRACE, or never.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = timedelta(0)
        self.number = 0
        self.rows: dict[str, dict[str, Any]] = {}
        self.newest: dict[str, dict[str, Any]] = {}
        self.starters: dict[str, Starter] = {}

    reads: Any = Bundle("reads")
    judged: Any = Bundle("judged")

    # What starters do.

    @rule(account=st.sampled_from(ACCOUNTS))
    def a_starter_takes_a_place(self, account: str) -> None:
        if not has_place(len(self.rows), MOST):
            return
        self.number += 1
        name = f"r{self.number}"
        self.starters[name] = Starter(name, account)
        self.rows[name] = {"account": account, "run_id": None, "alone_since": None}

    @precondition(lambda self: self.starters)
    @rule(data=st.data(), dies=st.booleans())
    def a_starter_sends_its_start(self, data: st.DataObject, dies: bool) -> None:
        starter = self._one(data)
        starter.sent = starter.sent or starter.at_work
        if dies:
            self._die(starter)

    @precondition(lambda self: self.starters)
    @rule(data=st.data(), answer_is_lost=st.booleans())
    def temporal_takes_a_start_up(self, data: st.DataObject, answer_is_lost: bool) -> None:
        starter = self._one(data)
        if not starter.sent:
            return
        running = self.newest.get(starter.account)
        refused = running is not None and running["open"]
        if not refused:
            self.newest[starter.account] = {
                "run_id": f"run-{starter.name}", "reservation": starter.name, "open": True,
            }  # fmt: skip
        if starter.at_work and refused and not answer_is_lost:
            self.rows.pop(starter.name, None)
        starter.at_work = False
        del self.starters[starter.name]

    @precondition(lambda self: self.starters)
    @rule(data=st.data())
    def a_starter_dies(self, data: st.DataObject) -> None:
        self._die(self._one(data))

    # What else is started, and what reviews do.

    @rule(account=st.sampled_from(ACCOUNTS))
    def somebody_starts_one_that_is_not_interactive(self, account: str) -> None:
        if not self._is_open(account):
            self.number += 1
            plain = {"run_id": f"plain-{self.number}", "reservation": None, "open": True}
            self.newest[account] = plain

    @rule(account=st.sampled_from(ACCOUNTS))
    def a_review_saves(self, account: str) -> None:
        newest = self.newest.get(account)
        if newest is not None and newest["open"] and newest["reservation"]:
            unknown = {"account": account, "run_id": None, "alone_since": None}
            row = self.rows.setdefault(newest["reservation"], unknown)
            row["run_id"] = newest["run_id"]

    @rule(account=st.sampled_from(ACCOUNTS), saves=st.booleans())
    def a_review_ends(self, account: str, saves: bool) -> None:
        """Without a save when it is terminated."""
        if self._is_open(account):
            self.newest[account]["open"] = False
            if saves:
                self.rows.pop(self.newest[account]["reservation"], None)

    @rule(account=st.sampled_from(ACCOUNTS))
    def temporal_forgets_a_closed_one(self, account: str) -> None:
        if account in self.newest and not self._is_open(account):
            del self.newest[account]

    # What happens when the house is full: read, ask, free; the world goes on between these.

    @rule(target=reads)
    def somebody_reads_the_rows(self) -> list[Reservation]:
        return [self._reservation(name) for name in self.rows]

    @rule(target=judged, read=reads)
    def and_asks_temporal(self, read: list[Reservation]) -> list[Reservation]:
        asked = [(one, judge(one, self._execution(one.workflow_id))) for one in read]
        return [one for one, verdict in asked if verdict is Verdict.FREE]

    @rule(free=judged)
    def and_settles_what_it_said(self, free: list[Reservation]) -> None:
        for one in free:
            row = self.rows.get(one.reservation_id)
            if row is not None and row["run_id"] == one.run_id:
                del self.rows[one.reservation_id]

    @rule()
    def somebody_does_all_three(self) -> None:
        self.and_settles_what_it_said(self.and_asks_temporal(self.somebody_reads_the_rows()))

    @rule(seconds=st.integers(1, 3))
    def time_goes_on(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        for starter in list(self.starters.values()):
            if not starter.at_work and self.now - starter.died_at >= GRACE:
                del self.starters[starter.name]

    # What must hold.

    @invariant()
    def no_more_are_open_than_there_are_places(self) -> None:
        seated = [one for one in self.newest.values() if one["open"] and one["reservation"]]
        assert len(seated) <= MOST
        assert all(one["reservation"] in self.rows for one in seated)

    @invariant()
    def no_place_is_lost(self) -> None:
        """Once nobody is at work, whatever is not open has no place after one check."""
        if self.starters:
            return
        for name in self.rows:
            self._reservation(name)
        read = [self._reservation(name, later=GRACE) for name in self.rows]
        kept = {
            one.reservation_id
            for one in read
            if judge(one, self._execution(one.workflow_id)) is Verdict.KEEP
        }
        assert kept == {
            one["reservation"] for one in self.newest.values() if one["open"] and one["reservation"]
        }

    def _one(self, data: st.DataObject) -> Starter:
        return self.starters[data.draw(st.sampled_from(sorted(self.starters)))]

    def _die(self, starter: Starter) -> None:
        if starter.at_work:
            starter.at_work, starter.died_at = False, self.now

    def _is_open(self, account: str) -> bool:
        return account in self.newest and bool(self.newest[account]["open"])

    def _reservation(self, name: str, later: timedelta = timedelta(0)) -> Reservation:
        """As it is read, which notes that its starter is gone."""
        row = self.rows[name]
        at_work = name in self.starters and self.starters[name].at_work
        if not at_work and row["alone_since"] is None:
            row["alone_since"] = self.now
        return Reservation(
            reservation_id=name,
            workflow_id=row["account"],
            run_id=row["run_id"],
            alone=None if at_work else self.now + later - row["alone_since"],
        )

    def _execution(self, account: str) -> Execution | None:
        found = self.newest.get(account)
        if found is None:
            return None
        return Execution(
            run_id=found["run_id"], reservation_id=found["reservation"], is_open=found["open"]
        )


TestHouse = House.TestCase
TestHouse.settings = settings(max_examples=300, stateful_step_count=40)
