"""A digest as Markdown, HTML or JSON. What comes from a CRM is always escaped."""

import json

from account_reviews.domain.canonical import plain
from account_reviews.domain.reports.digest import Digest
from account_reviews.presentation.portfolio import form_of, template


def render_digest(digest: Digest, form: str) -> str:
    """A digest as `md` (or `markdown`), `html` or `json`.

    Without news Markdown is one line. HTML is one page without scripts.
    """
    if form == "json":
        return json.dumps(plain(digest), indent=2, ensure_ascii=False)
    return template("digest", form_of(form)).render(digest=digest).rstrip("\n")
