"""What the rules count, read once from a snapshot. None is unknown: never zero, never healthy."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property

from account_reviews.domain.analysis.evidence import cite, ref
from account_reviews.domain.analysis.model import Evidence
from account_reviews.domain.base import Timestamp
from account_reviews.domain.money import is_currency
from account_reviews.domain.policy.boundaries import BOUNDARIES, crosses, crosses_at
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.records import (
    Account,
    AccountSnapshot,
    ActivityMark,
    Deal,
    DealStage,
    RecordRef,
    RecordType,
)


@dataclass(frozen=True, slots=True)
class StalledDeal:
    """An open deal that does not move. `age` is None for one marked Stalled at no known time."""

    deal: Deal
    age: timedelta | None
    critical: bool


@dataclass(frozen=True)
class Facts:
    """A snapshot seen at `as_of`; what lies after `as_of` is not known yet."""

    snapshot: AccountSnapshot
    as_of: Timestamp
    policy: Policy

    @property
    def account(self) -> Account:
        return self.snapshot.account

    @property
    def currency(self) -> str | None:
        """ISO 4217, of the account's amounts: its free field `currency`; None: nobody says."""
        for name, value in self.account.custom.items():
            code = value.strip().upper()
            if name.casefold() == "currency" and is_currency(code):
                return code
        return None

    def has(self, module: RecordType) -> bool:
        """Whether this CRM holds such records at all."""
        return module in self.snapshot.modules

    @cached_property
    def marks(self) -> tuple[ActivityMark, ...]:
        """Every known activity once, newest first. The exact list wins over the capped one."""
        listed = (
            ActivityMark(id=item.id, type=item.type, at=item.at)
            for item in self.snapshot.activities
        )
        found = {mark.id: mark for mark in (*listed, *self.snapshot.activity_marks)}
        known = [mark for mark in found.values() if mark.at <= self.as_of]
        return tuple(sorted(known, key=lambda mark: (mark.at, mark.id), reverse=True))

    @cached_property
    def interactions(self) -> int | None:
        """Activities within the look-back; the account's own last activity is at least one."""
        if not self.has(RecordType.ACTIVITY):
            return None
        idle = self.idle
        least = 1 if idle is not None and crosses("in_lookback", idle, self.policy) else 0
        return max(least, len(self._within("in_lookback")))

    @cached_property
    def recent(self) -> tuple[ActivityMark, ...]:
        """Activities of the last engagement window."""
        return self._within("recent")

    @cached_property
    def previous(self) -> tuple[ActivityMark, ...]:
        """Activities of the engagement window before the last one."""
        window = timedelta(days=self.policy.engagement.window_days)
        return tuple(mark for mark in self.marks if window < self.as_of - mark.at <= 2 * window)

    @cached_property
    def last_activity(self) -> Evidence | None:
        """The newest sign of contact: the account's own field or its newest activity."""
        field = self.account.last_activity_at
        stated = field if field is not None and field <= self.as_of else None
        newest = self.marks[0] if self.marks else None
        if newest is not None and (stated is None or newest.at > stated):
            return self._cite_mark(newest)
        return cite(self.account, "last_activity_at", at=stated) if stated else None

    @cached_property
    def idle(self) -> timedelta | None:
        """How long ago the last activity was, exactly."""
        last = self.last_activity
        return None if last is None or last.at is None else self.as_of - last.at

    @cached_property
    def open_deals(self) -> tuple[Deal, ...]:
        """Open deals, by id."""
        deals = (deal for deal in self.snapshot.deals if not deal.stage.is_closed)
        return tuple(sorted(deals, key=lambda deal: deal.id))

    @cached_property
    def known_deal_value(self) -> Decimal:
        """Sum of the amounts that are known: a lower bound of the value of the open deals."""
        return sum((deal.amount for deal in self.open_deals if deal.amount is not None), Decimal())

    @cached_property
    def deal_value_is_whole(self) -> bool:
        """True when every open deal is in the snapshot and has an amount."""
        deals = self.snapshot.deals
        cut = self.snapshot.totals.get(RecordType.DEAL, len(deals)) > len(deals)
        all_open = len(self.open_deals) == len(deals)
        missing = any(deal.amount is None for deal in self.open_deals)
        return self.has(RecordType.DEAL) and not missing and not (cut and all_open)

    @cached_property
    def deal_value(self) -> Decimal | None:
        """Total value of the open deals."""
        return self.known_deal_value if self.deal_value_is_whole else None

    @cached_property
    def stalled(self) -> tuple[StalledDeal, ...]:
        """Open deals in one stage for too long, and those marked Stalled."""
        found = (self._stalled(deal) for deal in self.open_deals)
        return tuple(item for item in found if item is not None)

    @cached_property
    def undated(self) -> tuple[Deal, ...]:
        """Open deals of which nobody knows since when they are in their stage."""
        return tuple(
            deal
            for deal in self.open_deals
            if stage_since(deal, self.as_of) is None and deal.stage is not DealStage.STALLED
        )

    @cached_property
    def contract_end(self) -> Evidence | None:
        """The end of the contract, else the renewal date."""
        for field in ("contract_end", "renewal_date"):
            if getattr(self.account, field) is not None:
                return cite(self.account, field, at=self.snapshot.fetched_at)
        return None

    @cached_property
    def contract_days(self) -> int | None:
        """Calendar days from the day of `as_of` (UTC) to the contract's end."""
        end: date | None = self.account.contract_end or self.account.renewal_date
        return None if end is None else (end - self.as_of.astimezone(UTC).date()).days

    def _within(self, boundary: str) -> tuple[ActivityMark, ...]:
        limit = BOUNDARIES[boundary].at(self.policy)
        return tuple(
            mark for mark in self.marks if crosses_at(boundary, self.as_of - mark.at, limit)
        )

    def _cite_mark(self, mark: ActivityMark) -> Evidence:
        whole = next((item for item in self.snapshot.activities if item.id == mark.id), None)
        record = ref(whole) if whole else RecordRef(type=RecordType.ACTIVITY, id=mark.id)
        return Evidence(record=record, field="at", value=_text(mark.at), at=mark.at)

    def _stalled(self, deal: Deal) -> StalledDeal | None:
        since = stage_since(deal, self.as_of)
        age = None if since is None else self.as_of - since
        limit = self.policy.risk.stalled_by_stage.get(deal.stage, self.policy.risk.stalled_days)
        late = age is not None and crosses_at("stalled", age, limit)
        if not late and deal.stage is not DealStage.STALLED:
            return None
        critical = age is not None and late and crosses("stalled_critical", age, self.policy)
        return StalledDeal(deal=deal, age=age, critical=critical)


def stage_since(deal: Deal, as_of: Timestamp) -> Timestamp | None:
    """Since when a deal is in its stage; None when the CRM does not say."""
    if deal.stage_changed_at is not None:
        return deal.stage_changed_at if deal.stage_changed_at <= as_of else None
    entered = [
        change.at
        for change in deal.stage_history
        if change.stage is deal.stage and change.at <= as_of
    ]
    return max(entered, default=None)


def whole_days(age: timedelta) -> int:
    """Completed days, for texts."""
    return max(0, age.days)


def _text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
