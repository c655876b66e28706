"""Portfolio and accounts over HTTP: who is first, what is summed up, and lists for spreadsheets."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter

from account_reviews.domain.analysis.model import HealthBand, RiskLevel
from account_reviews.domain.errors import ConflictError
from account_reviews.domain.policy.access import Role
from account_reviews.domain.records import SnapshotRef
from account_reviews.domain.review.approvals import open_request
from account_reviews.domain.review.terms import Terms
from account_reviews.store.digest_days import digest_days, without_digest
from tests.support.review_states import NOW, analysis_result, fresh, task_change
from tests.support.web_site import Web, open_web

router = APIRouter()


@pytest.fixture
async def web(database_url: str, tmp_path: Path) -> AsyncIterator[Web]:
    """The app, and nothing in it."""
    async with open_web(database_url, tmp_path, routers=[router]) as found:
        yield found


@router.get("/closed")
@router.get("/api/v1/closed")
async def closed() -> None:
    raise ConflictError("the review review/ac-1 was closed by ow-1 at 2026-11-21T22:30:00Z")


async def reviewed(
    web: Web,
    account: str,
    name: str,
    *,
    owner: str | None = "ow-1",
    level: RiskLevel = RiskLevel.NONE,
    score: int = 0,
    before: int | None = None,
    value: str | None = None,
    waits: bool = False,
    days_ago: int = 0,
) -> None:
    """A review of an account that has found this."""
    store, tenant = web.parts.store, web.parts.settings.tenant
    owner_name = None if owner is None else f"Owner {owner}"
    previous = None if before is None else {"score": before, "level": "low"}
    stored = await store.put_document(
        "analysis",
        {
            "account_name": name,
            "owner_name": owner_name,
            "risk": {"previous": previous},
            "health": {"band": "at_risk"},
        },
    )
    account_row: dict[str, Any] = {"id": account, "name": name, "annual_revenue": value}
    boss = {"manager_id": "ow-9"} if owner else None
    snapshot = await store.put_document("snapshot", {"account": account_row, "owner": boss})
    state = fresh(account, at=NOW - timedelta(days=days_ago), tenant=tenant)
    found = analysis_result(stored, (task_change(account),))
    state.analysis = found.model_copy(
        update={"risk_level": level, "risk_score": score, "health_band": HealthBand.AT_RISK}
    )
    state.snapshot = SnapshotRef(
        hash=snapshot,
        account_name=name,
        owner_id=owner,
        owner_name=owner_name,
        fetched_at=NOW,
    )
    if waits:
        state.requests = (
            open_request(
                f"req-{tenant}-{account}",
                state.review_id,
                (task_change(account),),
                Terms(),
                NOW,
                approvers=("ow-1",),
                started_by=None,
                deadline=NOW + timedelta(days=1),
            ),
        )
    state.version = 5
    await store.save(state)


async def portfolio(web: Web) -> None:
    await reviewed(web, "ac-1", "Small Danger", level=RiskLevel.CRITICAL, score=90, value="10")
    await reviewed(
        web, "ac-2", "Big Danger", level=RiskLevel.HIGH, score=70, before=40, value="5000.50"
    )
    await reviewed(web, "ac-3", "Unknown Danger", level=RiskLevel.HIGH, score=60, waits=True)
    await reviewed(web, "ac-4", "Rich", owner="ow-2", value="900000", before=20)
    await reviewed(web, "ac-5", "Nobody's", owner=None, value="7")


def order(text: str, *names: str) -> list[str]:
    return sorted(names, key=text.index)


async def test_accounts_at_risk_come_first_and_the_largest_of_them(web: Web) -> None:
    await portfolio(web)
    browser = await web.signed_in(Role.AUDITOR)
    page = (await browser.get("/accounts")).text
    names = ["Big Danger", "Small Danger", "Unknown Danger", "Rich", "Nobody&#39;s"]
    assert order(page, *reversed(names)) == names
    page = (await browser.get("/accounts?sort=value&q=danger")).text
    assert "Rich" not in page
    assert order(page, "Small Danger", "Big Danger") == ["Big Danger", "Small Danger"]
    assert "3 accounts of 5" in page.replace("\n", " ")


async def test_the_newest_review_of_an_account_counts(web: Web) -> None:
    await reviewed(web, "ac-1", "Old Name", level=RiskLevel.CRITICAL, score=99, days_ago=3)
    await reviewed(web, "ac-1", "New Name", score=3)
    browser = await web.signed_in(Role.AUDITOR)
    page = (await browser.get("/portfolio")).text
    assert "0 accounts of 1 at high or critical risk" in page
    page = (await browser.get("/accounts/ac-1")).text
    assert "New Name" in page
    assert "Old Name" not in page


async def test_a_portfolio_is_summed_up_by_owner_and_manager(web: Web) -> None:
    await portfolio(web)
    browser = await web.signed_in(Role.AUDITOR)
    page = (await browser.get("/portfolio")).text
    assert "3 accounts of 5 at high or critical risk, worth 5,010.5" in page
    assert "1 of unknown value" in page
    assert "▲ 1 worse" in page
    assert order(page, "Nobody</a>", "Owner ow-2</a>", "Owner ow-1</a></th>")[-1] == "Nobody</a>"
    page = (await browser.get("/portfolio?by=manager")).text
    assert "No manager" in page
    page = (await browser.get("/owners/Owner ow-2")).text
    assert "Rich" in page
    assert "Big Danger" not in page
    page = (await browser.get("/owners/unassigned")).text
    assert "Nobody&#39;s" in page
    assert (await browser.get("/owners/nobody-at-all")).status_code == 404


async def test_a_name_from_the_crm_acts_neither_on_a_page_nor_in_a_spreadsheet(web: Web) -> None:
    evil = '=HYPERLINK("http://evil.example")'
    await reviewed(web, "ac-1", evil, value="-5")
    await reviewed(web, "ac-2", "<script>alert(1)</script>")
    browser = await web.signed_in(Role.AUDITOR)
    assert "<script>alert" not in (await browser.get("/accounts")).text
    answer = await browser.get("/accounts.csv?sort=name")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="accounts.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["Account"] for row in rows] == ["<script>alert(1)</script>", f"'{evil}"]
    assert rows[1]["Annual revenue"] == "-5"
    assert rows[1]["Health"] == "fragile"


async def test_a_page_tells_an_error_with_names_and_a_program_hears_it_as_it_is(web: Web) -> None:
    await reviewed(web, "ac-1", "Small Danger")
    browser = await web.signed_in(Role.AUDITOR)
    browser.cookies["reviews_zone"] = "Asia/Tokyo"
    page = (await browser.get("/closed")).text
    assert "The review of Small Danger (ac-1) was closed by Owner ow-1 at Sun 22 Nov" in page
    program = await web.program(Role.AUDITOR)
    error = (await program.get("/api/v1/closed")).json()["error"]
    assert error["message"].startswith("the review review/ac-1 was closed by ow-1 at 2026-11-21T")
    assert "review/ac-1" in (await web.browser().get("/closed")).text, "names are for who signed in"


async def test_an_account_that_nobody_knows_is_not_there(web: Web) -> None:
    browser = await web.signed_in(Role.AUDITOR)
    answer = await browser.get("/accounts/ac-none")
    assert answer.status_code == 404
    assert "ac-none" in answer.text
    assert (await browser.get("/reviews/ac-none")).status_code == 404
    assert (await browser.get("/cycles/none")).status_code == 404


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/stop-all", {"reason": "x"}),
        ("/stop-all/release", {"reason": "x"}),
        ("/cycles", {}),
        ("/schedules/weekly-reviews/run", {}),
        ("/operations/memory/full", {}),
        ("/digest", {"owner": "ow-1", "day": "1"}),
    ],
)
async def test_who_may_not_is_refused_and_the_trail_knows(
    web: Web, path: str, form: dict[str, str]
) -> None:
    browser = await web.signed_in(Role.AUDITOR, name="Alba")
    answer = await browser.post(path, data=form)
    assert answer.status_code == 403, answer.text
    refused = {
        row["actor"] for row in await web.trail() if row["event_type"] == "permission_denied"
    }
    assert refused == {"Alba"}


async def test_nothing_is_taken_from_another_site(web: Web) -> None:
    browser = await web.signed_in(Role.ADMIN)
    del browser.headers["x-csrf-token"]
    for path in ("/stop-all", "/accounts", "/cycles", "/standing-in", "/digest"):
        assert (await browser.post(path, data={"reason": "x"})).status_code == 403
    assert await web.parts.halt_history.current(web.parts.settings.tenant) is None


async def test_a_stop_needs_a_reason(web: Web) -> None:
    browser = await web.signed_in(Role.OPERATOR)
    answer = await browser.post("/stop-all", data={"reason": "  "})
    assert answer.status_code == 422
    assert "Say why" in answer.text


async def test_an_owner_chooses_his_days_and_nobody_elses(web: Web) -> None:
    await reviewed(web, "ac-1", "Mine")
    await reviewed(web, "ac-2", "Theirs", owner="ow-2")
    browser = await web.signed_in(Role.ACCOUNT_OWNER, name="Owner ow-1")
    assert "Your days" in (await browser.get("/digest")).text
    answer = await browser.post("/digest", data={"owner": "ow-1", "day": ["1", "4"]})
    assert answer.status_code == 303
    assert (await browser.post("/digest", data={"owner": "ow-2"})).status_code == 403
    assert (await browser.post("/digest", data={"owner": "ow-1", "day": "8"})).status_code == 422
    statements, tenant = web.parts.statements, web.parts.settings.tenant
    found = await digest_days(statements, tenant)
    assert {one: known.days for one, known in found.items()} == {"ow-1": (1, 4)}
    monday = (NOW - timedelta(days=NOW.weekday())).date()
    assert await without_digest(statements, tenant, monday) == frozenset()
    assert await without_digest(statements, tenant, monday + timedelta(1)) == {"ow-1"}
