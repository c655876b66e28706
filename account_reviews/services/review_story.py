"""Everything a person sees of one review on its page."""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from account_reviews.bootstrap import Parts
from account_reviews.domain.access.roles import Subject
from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.review.state import ReviewState, WrittenChange
from account_reviews.domain.review.undo import item_of, why_not
from account_reviews.presentation.review_documents import timeline_document
from account_reviews.presentation.stages import Remembered, Stage, stages_of
from account_reviews.presentation.story import sentence
from account_reviews.presentation.words import Difference, Words
from account_reviews.services.halts import halt_lines
from account_reviews.services.lookup import short_ids
from account_reviews.services.portfolio import portfolio_reader
from account_reviews.services.reviews import Connect, show_review


@dataclass(frozen=True)
class ShownChange:
    """One change with what became of it. `why_not_undone`: a sentence, None where it can be
    taken back as far as the review knows."""

    change: ProposedChange
    state: ItemState
    told: str
    differences: tuple[Difference, ...]
    decided_by: str | None
    reason: str | None
    written: WrittenChange | None
    why_not_undone: str | None


@dataclass(frozen=True)
class ReviewStory:
    """One review. `document` is that of `reviews show`; `lines` are (minute,
    sentences)."""

    state: ReviewState
    analysis: Analysis | None
    document: dict[str, Any]
    stages: tuple[Stage, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]
    changes: tuple[ShownChange, ...]
    short_ids: dict[str, str]
    next: str

    @property
    def subject(self) -> Subject:
        """Whose it is, for whoever asks who may."""
        state = self.state
        return Subject(
            owner_id=state.snapshot.owner_id if state.snapshot else None,
            owner_name=state.snapshot.owner_name if state.snapshot else None,
            started_by=state.started_by,
        )


async def review_story(
    parts: Parts, connect: Connect, words: Words, review: str, run_id: str | None = None
) -> ReviewStory:
    """A review by id, or by the id or name of its account. ReviewNotFoundError."""
    state, analysis, document = await show_review(parts, connect, review, run_id)
    named = await short_ids(parts, state)
    row = await portfolio_reader(parts).remembered(state.run_id)
    timeline = timeline_document(state, await halt_lines(parts, state))
    return ReviewStory(
        state=state,
        analysis=analysis,
        document=document,
        stages=stages_of(state, words, Remembered(*row) if row else None),
        lines=_told(timeline, words, named),
        changes=tuple(_shown(state, change, became, words) for change, became in state.changes),
        short_ids=named,
        next=words.next_step(state, named).text.partition("; ")[0],
    )


def _told(
    timeline: list[dict[str, Any]], words: Words, named: dict[str, str]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What happened, in its order; what is of one minute together."""
    found = [(words.moment(line["at"]), sentence(line, words, named)) for line in timeline]
    groups = groupby(found, key=lambda one: one[0])
    return tuple((minute, tuple(told for _, told in several)) for minute, several in groups)


def _shown(
    state: ReviewState, change: ProposedChange, became: ItemState, words: Words
) -> ShownChange:
    item = item_of(state, change.change_id)
    return ShownChange(
        change=change,
        state=became,
        told=words.change(state.told(change)),
        differences=tuple(words.differences(state.told(change))),
        decided_by=item.decided_by if item else None,
        reason=item.reason if item else None,
        written=state.written.get(change.change_id),
        why_not_undone=why_not(state, change.change_id),
    )
