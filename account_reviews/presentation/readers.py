"""How whoever reads is written to: their language and zone, the currency, labels and names."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Final

from babel import Locale
from babel.core import UnknownLocaleError

from account_reviews.config.reader import locale_names, mapping_words
from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.policy.model import Policy
from account_reviews.notifications.messages import Addressee, Wording
from account_reviews.presentation.words import Words
from account_reviews.presentation.zones import reader_zone

_USUAL: Final = "en_GB"


def reader_words(
    settings: Settings,
    policy: Policy,
    *,
    now: datetime,
    locale: str | None = None,
    zone: str | tzinfo | None = None,
    people: Mapping[str, str] | None = None,
) -> Words:
    """Words for one reader.

    `locale` and `zone` are the reader's own, where they are known; ones that nobody knows are
    passed over. Then come REVIEWS_LOCALE and REVIEWS_TIME_ZONE, what the machine says, and British
    English and UTC. `people`: id -> name. BadInputError where REVIEWS_LOCALE is no locale.
    """
    mapped = mapping_words(settings.crm_mapping)
    return Words(
        now=now,
        zone=reader_zone(settings, zone),
        locale=_locale(locale, settings),
        currency=mapped.currency or policy.money.currency or None,
        labels=mapped.labels,
        people=people or {},
    )


def notice_wording(settings: Settings, policy: Policy) -> Wording:
    """How notices are written: for each addressee now, in the addressee's zone."""

    def words_of(to: Addressee, people: Mapping[str, str]) -> Words:
        now = datetime.now(UTC)
        return reader_words(settings, policy, now=now, zone=to.zone, people=people)

    personal = policy.notifications.personal_data
    return Wording(words=words_of, personal_data=personal, web_url=settings.web_url)


def _locale(own: str | None, settings: Settings) -> Locale:
    found = _parsed(own)
    if found is not None:
        return found
    if settings.locale is not None:
        found = _parsed(settings.locale)
        if found is None:
            raise BadInputError(
                f"REVIEWS_LOCALE is {settings.locale!r}, which is no locale",
                hint="write it like en_GB or de_AT",
            )
        return found
    usable = (_parsed(name) for name in locale_names())
    return next((one for one in usable if one), Locale.parse(_USUAL))


def _parsed(name: str | None) -> Locale | None:
    if not name:
        return None
    try:
        return Locale.parse(name.partition(".")[0].replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return None
