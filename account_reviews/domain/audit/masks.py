"""Secrets and personal data in running text, found by their shape.

Every pattern is bounded and begins at a boundary, so that no text costs more than its length.
What our ids, hashes, dates, amounts and versions look like is left as it is.
"""

import re
from collections.abc import Collection
from typing import Final

from account_reviews.domain.audit.field_names import kind_of
from account_reviews.domain.audit.named_values import NAMED, REDACTED, mask_named
from account_reviews.domain.patterns import pattern

__all__ = ["REDACTED", "mask_personal_data", "mask_secrets"]

EMAIL: Final = "***@***.***"
PHONE: Final = "***-***-****"
SSN: Final = "***-**-****"
CARD: Final = "****-****-****-****"
IBAN: Final = "**** **** ****"
LONG_KEY: Final = "****"

_PEM: Final = pattern(
    r"-----BEGIN [A-Z0-9 ]{1,60}-----.*?(?:-----END [A-Z0-9 ]{1,60}-----|\Z)", re.DOTALL
)
_URL: Final = pattern(r"(://(?P<user>[^\s:/@\"']{0,200})):(?!\*{3}@)(?P<secret>[^\s\"<>]{0,1000})@")
"""User and password of an address. What is masked already is none."""
_TEMPLATE: Final = ("USER", "PASSWORD")
"""What our hints write for them."""
_PORT: Final = pattern(r"\d{1,5}(?:[/?#]|\Z)")
_QUERY: Final = pattern(
    r"(?i)([?&](?:sig|signature|x-(?:amz|goog)-(?:signature|credential|security-token)|key|code|hmac"
    r"|auth|sas|sv_sig|pass)=)(?!\*\*\*)[^&#\s\"'<>]{1,4000}"
)
"""Parameters of an address that sign it or open it."""
_AUTHORIZATION: Final = pattern(
    r"(?i)\b(authorization\\?[\"']?\s{0,4}[:=]\s{0,4}(?:b?\\?[\"'])?)"
    r"(?!\*\*\*)(?:(?:basic|bearer|digest|token|negotiate|zoho-oauthtoken)\s{1,4})?[^\s\"'\\,;]{4,4000}"
)
_BEARER: Final = pattern(r"(?i)\b(bearer\s{1,4})[A-Za-z0-9._~+/=-]{8,4000}")
_SQL_SAYS: Final = pattern(r"DETAIL:|parameters: |query argument \$|invalid input syntax")
_SQL_VALUES: Final = pattern(
    r"(?P<row>(?:DETAIL:\s{1,4}|^)Failing row contains \()[^\r\n]*"
    r"|(?P<key>Key \([^()\r\n]{1,400}\)=\()[^\r\n]*?(?P<after>\) (?:already|conflicts|is|in)\b|$)"
    r"|(?P<list>\[parameters: )(?!\*\*\*)[^\r\n]*"
    r"|(?P<argument>invalid input for query argument \$\d{1,5}: )[^\r\n]*?"
    r"(?P<why> \([^()\r\n]*\)|$)"
    r"|(?P<syntax>invalid input syntax for type [\w ]{1,60}: )[^\r\n]*",
    re.MULTILINE,
)
"""What the database and its driver quote of the values of a statement, to the end of the line."""
_PART: Final = (
    r"[\w-]{1,60}\s{0,2}=\s{0,2}(?:\\?[\"'][^\"'\\\r\n]{0,2000}\\?[\"']|[^\s,\"'\\]{0,2000})"
)
_PARTS: Final = pattern(
    r"(?i)\b(authorization\\?[\"']?\s{0,4}[:=]\s{0,4}(?:b?\\?[\"'])?)"
    rf"[\w-]{{1,40}}\s{{1,4}}{_PART}(?:\s{{0,4}},\s{{0,4}}{_PART}){{0,40}}"
)
"""Credentials in several parts, as those of Digest, OAuth 1 and AWS are."""
_CURL: Final = pattern(
    r"(?<!\S)((?:-[A-Za-z]{0,6}[uU][ =]{0,2}|--(?:proxy-)?user[ =]{1,2})(?P<quote>\\?[\"'])?"
    r"[^\s:\"']{0,200}:)(?!\*\*\*)(?(quote)[^\"'\r\n]{1,400}|[^\s\"']{1,400})"
)
"""User and password as curl takes them."""
_COOKIE: Final = pattern(r"(?i)\b((?:set-)?cookie2?:[ \t]{0,4})(?=[!-<>-~]{1,256}=)[^\r\n]{1,8000}")
"""All of the line: which of its parts is the secret one its name does not say."""
_JWT: Final = pattern(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,8000}(?:\.[A-Za-z0-9_-]{0,32000}){1,4}")
"""Signed ones have three parts, encrypted ones five, of which the second may be empty."""
_PREFIXED: Final = pattern(
    r"(?<![A-Za-z0-9])(?:(?:(?:sk|pk|rk)[-_](?:[a-z0-9]{2,12}[-_]){0,3}|gh[pousr]_|github_pat_|"
    r"glpat-|xox[abeprs]-|xapp-|pat-[a-z]{2,3}\d-|AKIA|ASIA|AIza|ya29\.|whsec_|shp(?:at|ss|ca|pa)_|"
    r"npm_|pypi-|dop_v1_|hf_|rvw_|key-(?=[0-9a-f]{32}))[A-Za-z0-9_-]{12,400}"
    r"|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,120}"
    r"|1000\.[0-9a-f]{32}\.[0-9a-f]{32}|SK[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}"
    r"|(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{16,200})"
)
"""Keys that say by their form what they are."""
_LONG: Final = pattern(
    r"(?P<path>(?<![^\s\"'(\[=<>,:])(?<!GET )(?<!PUT )(?<!HEAD )(?<!POST )(?<!PATCH )(?<!DELETE )"
    r"(?:~|\.{1,2})?/(?!/)[^\s\"'()<>|,;?&=#]{1,4096})"
    r"|(?<![A-Za-z0-9])(?P<long>[A-Za-z0-9]{32,})"
)
"""What is part of the path of a file is a name there."""
_HASH: Final = pattern(r"(?:[0-9a-f]{32}|[0-9A-F]{32}|[0-9a-f]{40}|[0-9a-f]{64})")
"""Ids of cycles, decisions, traces and accounts, and hashes."""
_WORD: Final = pattern(r"[A-Za-z]?(?:[a-z]+|[A-Z]+)")

_EMAIL: Final = pattern(
    r"(?<![\w.%+'*-])[\w.%+'-]{1,128}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?<![.-])"
)
_SSN: Final = pattern(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_PHONE: Final = pattern(
    r"(?<![\w./+-])(?<!\d )(?:"
    r"\+[1-9]\d{9,14}"
    r"|\+[1-9]\d{0,2}(?:[ .-]?\(\d{1,4}\)|[ .-]\d{1,5})(?:[ .-]?\d{2,5}){1,4}"
    r"|(?:\+?1[ .-])?(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[ .-]\d{4}"
    r"|\d{3} \d{3} \d{4}"
    r"|\(?0[1-9]\d{1,4}\)?(?:[ /-]|(?<=\)))\d{3,8}(?:[ -]\d{2,5}){0,3}"
    r"|0[1-9](?:[ .]\d{2}){4}"
    r")(?![\w-]|\.\d| \d)"
)
"""Only what is written like a phone number, with a country or an area before it: ten digits in
a row are an id."""
_CARDS: Final = pattern(
    r"(?<![\w.])(?:\d{14,16}|(?<!-)\d{4}([ .-])\d{4}\1\d{4}\1\d{4}|(?<!-)\d{4}([ .-])\d{6}\2\d{5})"
    r"(?![\w-]|\.\d)"
)
_ISSUERS: Final = pattern(
    r"(?:4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14}|3(?:0[0-5]|[68]\d)\d{11})"
)
"""Length and first digits of a card. The long record ids of a CRM are none of these."""
_IBAN: Final = pattern(
    r"(?i)(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?P<gap>[ -]?)[A-Z0-9]{4}(?:(?P=gap)[A-Z0-9]{4}){1,6}"
    r"(?:(?P=gap)[A-Z0-9]{1,3})?(?![A-Za-z0-9])"
)
_COUNTRIES: Final = {
    15: "NO",
    16: "BE",
    18: "DK FO FI GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
"""Length of an account number, and the countries that have it."""
_IBAN_LENGTHS: Final = {
    country: length for length, countries in _COUNTRIES.items() for country in countries.split()
}
_PERSONAL: Final = pattern(
    r"(\\?[\"'](?P<name>[\w .-]{1,80})\\?[\"']\s{0,4}:\s{0,4})"
    r"(?:(?P<quote>\\?[\"'])[^\"'\\]{0,100}\d[^\"'\\]{0,100}(?P=quote)|\d{6,20}(?![\d.]))"
)
"""A field of an object in a text, of which the name says what it holds."""
_MASKS: Final = {"phone": PHONE, "ssn": SSN, "card": CARD, "iban": IBAN}


def mask_secrets(text: str, *, plain_id: bool = False, known: Collection[str] = ()) -> str:
    """Passwords, keys and tokens as `***REDACTED***`, long keys as `****`.

    `plain_id`: the text is known to be an id or a hash, so that its length says nothing. `known`
    holds words that the reader has given himself, which are no keys however long they are.
    """
    if "-----BEGIN" in text:
        text = _PEM.sub(LONG_KEY, text)
    if "://" in text and "@" in text:
        text = _URL.sub(_address, text)
    if "curl" in text:
        text = _CURL.sub(rf"\1{REDACTED}", text)
    if "=" in text:
        text = _QUERY.sub(rf"\1{REDACTED}", text)
    if _SQL_SAYS.search(text):
        text = _SQL_VALUES.sub(_sql_value, text)
    if NAMED.search(text):
        if ":" in text or "=" in text:
            text = _COOKIE.sub(rf"\1{REDACTED}", text)
            text = _PARTS.sub(rf"\1{REDACTED}", text)
            text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
        text = mask_named(text)
    if len(text) < 12:
        return text
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    text = _JWT.sub(LONG_KEY, text)
    text = _PREFIXED.sub(LONG_KEY, text)
    if not plain_id and len(text) >= 32:
        text = _LONG.sub(lambda found: _long(found, known), text)
    return text


def mask_personal_data(text: str, *, plain_id: bool = False) -> str:
    """E-mail addresses, phone, social security, card and account numbers, each as its mask."""
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(EMAIL, text)
    if plain_id or len(text) < 10:
        return text
    if ":" in text:
        text = _PERSONAL.sub(_named_personal, text)
    text = _without_ibans(text)
    text = _CARDS.sub(_card, text)
    text = _SSN.sub(SSN, text)
    return _PHONE.sub(_phone, text)


def _sql_value(found: re.Match[str]) -> str:
    kept = next(found[name] for name in ("row", "key", "list", "argument", "syntax") if found[name])
    return f"{kept}{REDACTED}{found['after'] or found['why'] or ''}"


def _address(found: re.Match[str]) -> str:
    """A number before a path is the port of a host, and the password of whoever is none."""
    if (found["user"], found["secret"]) == _TEMPLATE:
        return found[0]
    host = "." in found["user"] or found["user"] == "localhost"
    if host and _PORT.match(found["secret"]):
        return found[0]
    return f"{found[1]}:{REDACTED}@"


def _long(found: re.Match[str], known: Collection[str]) -> str:
    text = found[0]
    if found["path"] or text.isdigit() or _HASH.fullmatch(text) or _WORD.fullmatch(text):
        return text
    return text if text in known else LONG_KEY


def _phone(found: re.Match[str]) -> str:
    digits = sum(map(str.isdigit, found[0]))
    least = 9 if found[0].lstrip("(").startswith("0") else 8
    return PHONE if least <= digits <= 15 else found[0]


def _named_personal(found: re.Match[str]) -> str:
    mask = _MASKS.get(kind_of(found["name"]) or "")
    if mask is None:
        return found[0]
    quote = found["quote"] or ""
    return f"{found[1]}{quote}{mask}{quote}"


def _card(found: re.Match[str]) -> str:
    digits = "".join(filter(str.isdigit, found[0]))
    return CARD if _ISSUERS.fullmatch(digits) and _luhn(digits) else found[0]


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _without_ibans(text: str) -> str:
    parts: list[str] = []
    done = place = 0
    while found := _IBAN.search(text, place):
        end = _end_of_iban(text, found.start(), found.end())
        place = end or found.start() + 4
        if end is not None:
            parts += (text[done : found.start()], IBAN)
            done = end
    return "".join(parts) + text[done:]


def _end_of_iban(text: str, start: int, end: int) -> int | None:
    """Only with the length of its country and the right check digits; words may follow it."""
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
    signs = [place for place in range(start, end) if text[place].isalnum()][:length]
    if not length or len(signs) < length or text[signs[-1] + 1 : signs[-1] + 2].isalnum():
        return None
    number = "".join(text[place] for place in signs)
    checked = int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1
    return signs[-1] + 1 if checked else None
