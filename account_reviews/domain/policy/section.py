"""What every table of the policy is."""

from pydantic import ConfigDict

from account_reviews.domain.base import Model


class Section(Model):
    """One table of the policy."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=False)
