"""A Zoho CRM, API v8, as far as reviews ask it."""

from account_reviews.fakes.zoho.service import create_zoho

__all__ = ["create_zoho"]
