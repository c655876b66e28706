"""Which level the product is on, by how its services stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.service_levels import Service, ServiceLevel, level_of

NAMES = ("database", "temporal", "workers", "read model", "crm", "memory")
WEEK = 7 * 86400.0


def level(
    *away: str, halted: bool = False, age: float | None = 60, breaker: str | None = "closed"
) -> ServiceLevel:
    services = tuple(
        Service(name, name not in away, "", breaker=breaker if name == "crm" else None)
        for name in NAMES
    )
    return level_of(services, halted=halted, snapshot_age_seconds=age, max_stale_seconds=WEEK)


@pytest.mark.parametrize(
    ("away", "age", "breaker", "expected"),
    [
        ((), 60, "closed", "full"),
        ((), None, None, "full"),
        (("memory",), 60, "closed", "degraded"),
        (("crm",), 60, "closed", "degraded"),
        (("crm",), WEEK, "open", "degraded"),
        (("crm",), WEEK + 1, "closed", "minimal"),
        (("crm",), None, "open", "minimal"),
        (("memory",), None, "closed", "degraded"),
        ((), 60, "open", "degraded"),
        ((), 60, "half_open", "degraded"),
        (("workers",), 60, "closed", "minimal"),
        (("temporal", "crm"), 60, "closed", "minimal"),
        (("database",), 60, "closed", "minimal"),
        (("read model",), 60, "closed", "minimal"),
    ],
)
def test_levels(
    away: tuple[str, ...], age: float | None, breaker: str | None, expected: str
) -> None:
    assert level(*away, age=age, breaker=breaker) == expected
    assert level(*away, age=age, breaker=breaker, halted=True) == "maintenance"


@given(
    away=st.sets(st.sampled_from(NAMES)),
    more=st.sampled_from(NAMES),
    age=st.one_of(st.none(), st.floats(0, 1e7)),
    breaker=st.sampled_from(["closed", "open", "half_open", None]),
)
def test_one_more_that_is_away_makes_nothing_better(
    away: set[str], more: str, age: float | None, breaker: str | None
) -> None:
    order = list(ServiceLevel)
    before = level(*away, age=age, breaker=breaker)
    after = level(*away, more, age=age, breaker=breaker)
    assert order.index(after) >= order.index(before)
    assert before.works == (before in ("full", "degraded"))
