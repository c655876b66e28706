"""What people call the services that are asked over HTTP."""

from typing import Final

_NAMES: Final = {"zoho": "Zoho CRM", "hubspot": "HubSpot", "cognee": "Cognee"}


def service_name(service: str) -> str:
    """By the name of its budget and breaker; that name where it is none of ours."""
    return _NAMES.get(service, service)
