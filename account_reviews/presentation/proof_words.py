"""What a check of the trail found, as sentences for people. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from account_reviews.presentation.story import sentence

if TYPE_CHECKING:
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.presentation.words import Words

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEADS: Final = {
    "missing": "Missing", "extra": "One too many", "differing": "Changed",
    "seal": "A seal is not right", "guard": "What guards the trail is not right",
}  # fmt: skip
_LINE: Final = re.compile(r"timeline/(?P<run>[^/]+)/(?P<number>\d+)@(?P<at>\d+)")
_MOVE: Final = re.compile(r"phase/[^/]+/\d+@(?P<at>\d+)")
_WRITE: Final = re.compile(r"write/.+")
_EVENT: Final = re.compile(r".+/(?P<number>\d+)")


def fault_sentence(
    fault: Mapping[str, Any], state: "ReviewState", words: "Words", said: Mapping[str, str]
) -> str:
    """ "Missing: Taken back: ..., Mon 30 Nov, 12:59. The review has this in its state, ..."

    `said`: request id -> `ac-038-1`.
    """
    why = str(fault["why"])
    about = _about(fault, state, words, said)
    head = _HEADS.get(str(fault["kind"]), str(fault["kind"]))
    what = f"{head}: {about}" if about else head
    return f"{what}. {why[:1].upper()}{why[1:]}."


def _about(
    fault: Mapping[str, Any], state: "ReviewState", words: "Words", said: Mapping[str, str]
) -> str:
    """Which row it is about, or which seal; nothing where that is not known."""
    name = str(fault["event_id"] or "")
    if found := _LINE.fullmatch(name):
        at = words.moment(_time(found["at"]))
        line = _line(state, found["run"], _time(found["at"]))
        told = sentence(line, words, said) if line is not None else "something of the review"
        return f"{told}, {at}"
    if found := _MOVE.fullmatch(name):
        return f"a step of the review, {words.moment(_time(found['at']))}"
    if _WRITE.fullmatch(name):
        return "a write to the CRM"
    if found := _EVENT.fullmatch(name):
        return f"event {found['number']} of the history of the review"
    return f"seal {fault['seal']}" if fault["seal"] is not None else ""


def _line(state: "ReviewState", run_id: str, at: datetime) -> Mapping[str, Any] | None:
    """What the review itself says that it did then."""
    if run_id != state.run_id:
        return None
    return next((one.model_dump() for one in state.timeline if one.at == at), None)


def _time(microseconds: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))
