"""What a notice says, and what it does not."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.base import Scalar
from account_reviews.domain.proposals import Action, ProposedChange, proposal_hash
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.reports.digest import Digest, WaitingRequest
from account_reviews.domain.review.approvals import ApprovalRequest, open_request
from account_reviews.domain.review.notices import Notice, NoticeKind
from account_reviews.domain.review.terms import Terms
from account_reviews.notifications.messages import (
    Addressee,
    Subject,
    Wording,
    day_of,
    digest_message,
    local_time,
    notice_message,
)
from account_reviews.notifications.protocol import Message
from tests.support.channels import words_of

NOW = datetime(2026, 9, 28, 7, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
REQUEST = "5e3c1f00-0000-4000-8000-000000000001"
LATER = "What nobody approved until then is not written and is dropped."
DEADLINE = "Thu 1 Oct 2026, 09:00 (Europe/Berlin)"
ACCOUNT = Subject(account_id="ac-1", name="Zürich AG")
ANN = Addressee(recipient="owner-1", name="Ann Smith", address="ann@example.com", zone=BERLIN)
SILENT, OPEN = Wording(words=words_of), Wording(words=words_of, personal_data=True)


def change(
    action: Action = Action.UPDATE_CONTACT,
    title: str = "Set the phone of Bob Jones",
    before: str = "+49 30 1234567",
    after: str = "+49 30 7654321",
    name: str = "Bob Jones",
) -> ProposedChange:
    record = RecordRef(type=RecordType.CONTACT, id="co-1", name=name, version="3")
    fields: dict[str, Scalar] = {"phone": after}
    was: dict[str, Scalar] = {"phone": before}
    return ProposedChange(
        change_id="0123456789abcdef",
        action=action,
        account_id="ac-1",
        record=record,
        before=was,
        after=fields,
        hash=proposal_hash(action, record, was, fields),
        rule="rule",
        title=title,
        rationale="Bob Jones wrote from bob@example.com that he moved.",
    )


def request_for(*changes: ProposedChange, **terms: object) -> ApprovalRequest:
    return open_request(
        REQUEST,
        "review/ac-1",
        changes or (change(),),
        Terms.model_validate(terms),
        NOW,
        approvers=("owner-1",),
        started_by="starter",
    )


def notice(kind: NoticeKind = NoticeKind.REQUEST, **more: object) -> Notice:
    given: dict[str, object] = {"kind": kind, "request_id": "r", "at": NOW, **more}
    return Notice.model_validate(given)


def said(
    kind: NoticeKind = NoticeKind.REQUEST,
    *changes: ProposedChange,
    wording: Wording = SILENT,
    **more: object,
) -> Message:
    request = request_for(*changes)
    return notice_message("k", notice(kind, **more), request, ACCOUNT, ANN, wording)


def test_a_request_names_account_deadline_and_how_to_decide() -> None:
    message = said()
    assert message.subject == (
        "Decide by Thu 1 Oct 2026, 09:00 (Europe/Berlin): 1 proposed change for Zürich AG"
    )
    assert message.text.splitlines() == [
        "1 proposed change for Zürich AG waits for your decision.",
        f"The deadline is {DEADLINE}. {LATER}",
        "",
        "  1 update of a contact",
        "",
        "Look at them:",
        "  reviews approvals show 5e3c1f00-0000-4000-8000-000000000001",
        "Decide, on all or with --item on one:",
        f"  reviews approvals approve {REQUEST} --as owner-1",
        f'  reviews approvals reject {REQUEST} --as owner-1 --reason "..."',
    ]
    assert message.data["deadline"] == "2026-10-01T07:00:00Z"
    assert message.data["actions"] == {"update_contact": 1}


def test_a_link_leads_to_the_page_when_there_are_pages() -> None:
    message = said(wording=Wording(words=words_of, web_url="https://reviews.example.com/"))
    url = "https://reviews.example.com/requests/5e3c1f00-0000-4000-8000-000000000001"
    assert message.text.endswith(f"\nDecide: {url}\n")
    assert "  reviews " not in message.text
    assert message.data["url"] == url
    assert said().data["url"] is None


@pytest.mark.parametrize(
    ("kind", "more", "begins"),
    [
        (NoticeKind.REMINDER, {}, "Reminder, decide by Thu 1 Oct 2026, 09:00 (Europe/Berlin): "),
        (NoticeKind.ESCALATION, {"level": 2}, "Escalation (level 2), to be decided by Thu"),
        (NoticeKind.ESCALATION, {"critical": True}, "Escalation (high risk), to be decided by"),
        (NoticeKind.EXPIRED, {}, "Expired without a decision: 1 proposed change for Zürich AG"),
    ],
)
def test_each_kind_says_what_it_is(kind: NoticeKind, more: dict[str, Any], begins: str) -> None:
    assert said(kind, **more).subject.startswith(begins)


def test_what_has_expired_asks_for_nothing() -> None:
    text = said(NoticeKind.EXPIRED).text
    assert "approve" not in text
    assert "What was not decided is not written." in text


def test_what_becomes_of_the_undecided_is_as_the_policy_says() -> None:
    request = request_for(on_timeout="defer")
    message = notice_message("k", notice(), request, ACCOUNT, ANN, SILENT)
    assert "not written and is put off to the next review." in message.text


PERSONAL = ("Bob", "Jones", "bob@example.com", "+49 30 1234567", "+49 30 7654321", "7654321")


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_without_leave_no_person_and_no_value_is_named(kind: NoticeKind) -> None:
    message = said(kind)
    everything = f"{message.subject}\n{message.text}\n{message.data}"
    for word in (*PERSONAL, "ann@example.com", "Ann"):
        assert word not in everything


def test_with_leave_it_shows_what_would_be_written() -> None:
    message = said(wording=OPEN)
    assert "  Contact Bob Jones, Phone: +49 30 1234567 → +49 30 7654321" in message.text
    changes = json.loads(json.dumps(message.data["changes"]))
    assert [one["after"] for one in changes] == [{"phone": "+49 30 7654321"}]


def test_a_new_task_is_shown_as_the_record_that_it_makes() -> None:
    task = change(Action.CREATE_TASK, title="Create task: Call").model_copy(
        update={
            "before": {},
            "after": {"subject": "Call", "owner_id": "owner-1", "due_at": "2026-10-01T07:00:00Z"},
        }
    )
    about = Subject(account_id="ac-1", short_id="ac-1-3", people={"owner-1": "Ann Smith"})
    message = notice_message("k", notice(), request_for(task), about, ANN, OPEN)
    assert message.text.splitlines()[3:9] == [
        "  New task for Ann Smith, due Thu 1 Oct, 09:00: Call",
        "    Why: Bob Jones wrote from bob@example.com that he moved.",
        "",
        "Look at them:",
        "  reviews approvals show ac-1-3",
        "Decide, on all or with --item on one:",
    ]
    assert message.data["command"] == f"reviews approvals show {REQUEST}"


def test_links_name_the_request_as_people_do_and_say_how_the_account_is() -> None:
    about = Subject(account_id="ac-1", short_id="ac-1-3", standing="Risk: high, 70 of 100.")
    wording = Wording(
        words=words_of,
        web_url="https://reviews.example.com",
        links=lambda request, to: f"/l/{to}",
    )
    message = notice_message("k", notice(), request_for(), about, ANN, wording)
    assert message.text.splitlines()[2] == "Risk: high, 70 of 100."
    assert message.text.splitlines()[-3:] == [
        "Decide: https://reviews.example.com/l/owner-1",
        "This link decides without signing in, once, and is yours alone.",
        "To look at all of it, sign in: https://reviews.example.com/requests/ac-1-3",
    ]


WORDS = st.text(min_size=3, max_size=30).filter(lambda text: len(text.split()) > 0)


@given(title=WORDS, before=WORDS, after=WORDS, name=WORDS)
def test_nothing_of_a_proposal_reaches_a_notice_without_leave(
    title: str, before: str, after: str, name: str
) -> None:
    """Whatever a proposal holds, the notice of another one of the same kind reads the same."""
    one = said(NoticeKind.REQUEST, change(title=title, before=before, after=after, name=name))
    other = said()
    assert (one.subject, one.text, one.data) == (other.subject, other.text, other.data)


HOSTILE = st.text(alphabet="ab\r\n\t\x00\x1b\u2028\u202e<>&-", min_size=1, max_size=40)


@given(title=HOSTILE, before=HOSTILE, after=HOSTILE, account=HOSTILE)
def test_no_text_adds_a_line(title: str, before: str, after: str, account: str) -> None:
    """A title with line ends cannot put a command of its own among ours."""
    request = request_for(change(title=title, before=before, after=after))
    plain = request_for(change())
    about = Subject(account_id="ac-1", name=account)
    shown = notice_message("k", notice(), request, about, ANN, OPEN)
    usual = notice_message("k", notice(), plain, ACCOUNT, ANN, OPEN)
    assert len(shown.text.splitlines()) == len(usual.text.splitlines())
    assert "\n" not in shown.subject


def test_an_account_that_is_called_by_an_address_is_masked() -> None:
    about = Subject(account_id="ac-1", name="bob@example.com")
    message = notice_message("k", notice(), request_for(), about, ANN, SILENT)
    assert "bob@" not in f"{message.subject}{message.text}{message.data}"


def test_a_name_with_blanks_is_quoted_for_the_shell() -> None:
    to = Addressee(recipient="Ann Smith; rm -rf /", zone=BERLIN)
    message = notice_message("k", notice(), request_for(), ACCOUNT, to, SILENT)
    assert "--as 'Ann Smith; rm -rf /'" in message.text


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "Sun 25 Oct 2026, 00:30 (UTC)"),
        ("Europe/Berlin", "Sun 25 Oct 2026, 02:30 (Europe/Berlin)"),
        ("America/New_York", "Sat 24 Oct 2026, 20:30 (America/New_York)"),
        ("Asia/Kathmandu", "Sun 25 Oct 2026, 06:15 (Asia/Kathmandu)"),
    ],
)
def test_a_deadline_is_named_in_a_zone(zone: str, shown: str) -> None:
    assert local_time(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), ZoneInfo(zone)) == shown


def a_digest(waiting: int = 1) -> Digest:
    return Digest(
        owner_id="owner-1",
        owner_name="Ann Smith",
        day=date(2026, 10, 1),
        since=NOW,
        nothing_new=not waiting,
        summary=f"0 accounts changed; {waiting} requests to decide; 0 reviews closed.",
        first_accounts=(),
        changed=(),
        waiting=tuple(
            WaitingRequest(
                request_id=f"r-{number}",
                review_id="review/ac-1",
                account_id="ac-1",
                account_name="Zürich AG",
                deadline=NOW + timedelta(hours=number),
                overdue=number == 0,
                items=("Set the phone of Bob Jones",),
            )
            for number in range(waiting)
        ),
        decided=(),
        seen=(),
    )


def test_a_digest_says_what_waits_and_where_the_rest_is() -> None:
    message = digest_message("k", a_digest(2), ANN, SILENT, "THE WHOLE", NOW)
    assert message.subject.startswith("Account reviews, Thu 1 Oct 2026: 0 accounts changed; ")
    assert "OVERDUE since Mon 28 Sep 2026, 09:00 (Europe/Berlin): Zürich AG (1 change)" in (
        message.text
    )
    assert "reviews approvals show r-1" in message.text
    assert "reviews digest --owner owner-1 --day 2026-10-01" in message.text
    assert "Bob" not in message.text
    assert "THE WHOLE" not in message.text


def test_a_digest_shows_all_of_it_with_leave() -> None:
    message = digest_message("k", a_digest(), ANN, OPEN, "THE WHOLE", NOW)
    assert message.text == "THE WHOLE\n"


def test_a_long_digest_stays_short() -> None:
    message = digest_message("k", a_digest(50), ANN, SILENT, "", NOW)
    assert message.text.count("approvals show") == 20
    assert "and 30 more: reviews approvals list --owner owner-1" in message.text


def test_days_have_no_leading_zero() -> None:
    assert day_of(date(2026, 10, 1)) == "Thu 1 Oct 2026"
    assert day_of(date(2026, 10, 20)) == "Tue 20 Oct 2026"


def test_a_link_that_decides_is_for_whoever_the_message_is_for() -> None:
    asked: list[tuple[str, str]] = []

    def link(request: ApprovalRequest, by: str) -> str:
        asked.append((request.request_id, by))
        return "/l/token"

    wording = Wording(words=words_of, web_url="https://reviews.example.com/", links=link)
    message = said(wording=wording)
    assert "https://reviews.example.com/l/token" in message.text
    assert message.data["decide_url"] == "https://reviews.example.com/l/token"
    assert {by for _, by in asked} == {message.recipient}
    assert "decide_url" not in said(wording=Wording(words=words_of, links=link)).data
