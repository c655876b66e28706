"""The brief of one review as Markdown, HTML, plain text, JSON or mail."""

import json
from typing import Literal

from account_reviews.domain.analysis.model import Analysis
from account_reviews.domain.canonical import plain
from account_reviews.domain.errors import NotFoundError
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.reports.brief import Brief, build_brief
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.brief_view import brief_view
from account_reviews.presentation.mail import Mail, mail_of, written
from account_reviews.presentation.surroundings import ALONE, Surroundings
from account_reviews.presentation.templating import form_of, render
from account_reviews.presentation.words import Words

Format = Literal["md", "html", "json", "text", "mail"]


def brief_of(state: ReviewState, analysis: Analysis | None, policy: Policy) -> Brief:
    """NotFoundError when the review has not come as far as its analysis."""
    if analysis is None:
        raise NotFoundError(
            f"the review {state.review_id} has no analysis: it is {state.phase}",
            hint="wait for it with `reviews watch`",
        )
    return build_brief(
        analysis,
        policy,
        states={change.change_id: item_state for change, item_state in state.changes},
        changes=[change for change, _ in state.changes],
        review_id=state.review_id,
    )


def render_brief(
    brief: Brief,
    format: str,  # noqa: A002  the word users know
    words: Words | None = None,
    beside: Surroundings = ALONE,
) -> str:
    """The document as text. HTML is one self-contained page without scripts.

    `format` is a Format. Without `words` it is written for a reader of the moment of the review,
    in English and UTC.
    """
    if format == "json":
        return json.dumps(plain(brief), indent=2, ensure_ascii=False) + "\n"
    words = words or Words(now=brief.generated_at)
    if format == "mail":
        return written(brief_mail(brief, words, beside))
    view = brief_view(brief, words, beside)
    return render("brief", form_of(format), brief=view, words=words)


def brief_mail(brief: Brief, words: Words, beside: Surroundings = ALONE) -> Mail:
    """The brief as a mail with a text and an HTML part."""
    view = brief_view(brief, words, beside)
    asked = f": {view.decide[0].text} {view.decide[0].until}" if view.decide else ""
    return mail_of("brief", f"Brief of {brief.account_name}{asked}", brief=view, words=words)
