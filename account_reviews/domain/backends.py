"""What a backend says of itself."""

from account_reviews.domain.base import Model


class Health(Model):
    ok: bool
    detail: str
    hint: str | None = None
