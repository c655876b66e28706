"""What the memory is told of an account: what is known, and nothing of what is not."""

from datetime import timedelta
from decimal import Decimal

from account_reviews.domain.records import Account, AccountSnapshot, AccountStatus, Contact
from account_reviews.memory.account_items import LastReview, checksum, item_of
from tests.support.cycles import AS_OF, MODULES, account, at_risk


def test_the_same_facts_are_the_same_whenever_they_were_read() -> None:
    first = item_of(account("a"), None)
    later = account("a").model_copy(
        update={"as_of": AS_OF + timedelta(days=1), "fetched_at": AS_OF + timedelta(days=1)}
    )
    assert checksum(item_of(later, None)) == checksum(first)
    assert checksum(item_of(at_risk("a"), None)) != checksum(first)
    reviewed = LastReview(closed_at=AS_OF, risk_level="high", health_score=41.6)
    item = item_of(account("a"), reviewed)
    assert checksum(item) != checksum(first)
    assert "risk high; health 42" in item.text
    assert item.attributes["health_score"] == 41.6


def test_what_is_not_known_is_not_said() -> None:
    bare = AccountSnapshot(
        account=Account(id="x", version="1", name="مرحبا 🚀"),
        modules=MODULES,
        fetched_at=AS_OF,
        as_of=AS_OF,
    )
    item = item_of(bare, None)
    assert item.text == "Account: مرحبا 🚀."
    assert item.title == "Snapshot of مرحبا 🚀"
    assert "status" not in item.attributes
    assert (item.account_id, item.source.record_id) == ("x", "x")


def test_people_are_named_without_their_addresses() -> None:
    people = [
        Contact(id="1", version="1", account_id="a", name="Ann", title="CFO", email="a@x.example"),
        Contact(id="2", version="1", account_id="a", name="Bo", is_sponsor=True),
        Contact(id="3", version="1", account_id="a", name="Cy", active=False),
    ]
    rich = Account(
        id="a",
        version="1",
        name="Acme",
        status=AccountStatus.ACTIVE,
        annual_revenue=Decimal(1000000),
        billing_city="Leeds",
    )
    snapshot = account("a").model_copy(update={"contacts": tuple(people), "account": rich})
    item = item_of(snapshot, None)
    assert "3 contacts: Ann (CFO); Bo, sponsor." in item.text
    assert "revenue 1000000" in item.text
    assert "@" not in item.text
