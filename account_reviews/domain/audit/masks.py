"""Secrets and personal data in running text, found by their shape.

Every pattern is bounded and begins at a boundary, so that no text costs more than its length.
What our ids, hashes, dates, amounts and versions look like is left as it is.
"""

import re
from typing import Final

REDACTED: Final = "***REDACTED***"
EMAIL: Final = "***@***.***"
PHONE: Final = "***-***-****"
SSN: Final = "***-**-****"
CARD: Final = "****-****-****-****"
LONG_KEY: Final = "****"

_NAMES: Final = (
    r"pass(?:word|wd|phrase)s?|pwd|api[-_ ]?keys?|secrets?|token|authorization|"
    r"(?:private|secret|access|signing|encryption|master)[-_ ]?key|credentials?|cookie|jwt"
)
_NAMED: Final = re.compile(rf"(?i){_NAMES}")
"""Without one of the words nothing below can be found: most texts are done with one look."""
_PEM: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{1,60}-----.*?(?:-----END [A-Z0-9 ]{1,60}-----|\Z)", re.DOTALL
)
_URL: Final = re.compile(
    r"(://[^\s:/@\"']{0,200}):(?!\*{3}@|\d{1,5}(?:[/?#\s]|$))[^\s\"'<>]{0,1000}@"
)
"""User and password of an address. A port is no password, nor is one that is masked already."""
_AUTHORIZATION: Final = re.compile(
    r"(?i)\b(authorization\\?[\"']?\s{0,4}[:=]\s{0,4}(?:b?\\?[\"'])?)"
    r"(?:(?:basic|bearer|digest|token|negotiate|zoho-oauthtoken)\s{1,4})?[^\s\"'\\,;]{4,4000}"
)
_BEARER: Final = re.compile(r"(?i)\b(bearer\s{1,4})[A-Za-z0-9._~+/=-]{8,4000}")
_TEXT_VALUE: Final = (
    r"b?(?:\\\"(?:[^\"\\]|\\[^\"]){0,4000}\\\""
    r"|\"(?:[^\"\\]|\\.){0,4000}\"|'(?:[^'\\]|\\.){0,4000}')"
)
"""In quotes, which may be escaped themselves, or those of bytes."""
_QUOTED: Final = re.compile(
    rf"(?i)((?:{_NAMES})\d{{0,4}}\\?[\"']?\s{{0,4}}[:=]\s{{0,4}})"
    rf"(?:{_TEXT_VALUE}|-?\d[\d.]{{3,40}}(?=[\s,}}\])]|$))"
)
_PAIR: Final = re.compile(
    rf"(?i)([(\[]\s{{0,4}}b?\\?[\"'][\w .-]{{0,60}}?(?:{_NAMES})\d{{0,4}}\\?[\"']"
    rf"\s{{0,4}},\s{{0,4}}){_TEXT_VALUE}(?=\s{{0,4}}[)\]])"
)
"""A name and a value in brackets, as headers are often held."""
_COOKIE: Final = re.compile(
    r"(?i)\b((?:set-)?cookie2?:[ \t]{0,4})(?=[!-<>-~]{1,256}=)[^\r\n]{1,8000}"
)
"""All of the line: which of its parts is the secret one its name does not say."""
_ASSIGNED: Final = re.compile(
    rf"(?i)((?:{_NAMES})\d{{0,4}}\\?[\"']?=)(?!\*\*\*)[^\s\"'\\,;&)\]}}]{{1,4000}}"
)
_AFTER_COLON: Final = re.compile(
    rf"(?i)((?:{_NAMES})\d{{0,4}}:\s{{0,4}})"
    r"(?!\*\*\*)(?=[^\s\"',;&)]{0,4000}\d)[^\s\"',;&)]{4,4000}"
)
"""After a colon a word is prose, as in "token: missing"; with a digit in it, it is a value."""
_JWT: Final = re.compile(
    r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{4,8000}(?:\.[A-Za-z0-9_-]{0,8000})?"
)
_PREFIXED: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|pk|rk)[-_](?:[a-z0-9]{2,12}[-_]){0,3}|gh[pousr]_|github_pat_|glpat-|"
    r"xox[abeprs]-|pat-[a-z]{2,3}\d-|AKIA|ASIA|AIza)[A-Za-z0-9_-]{12,400}"
)
"""Keys that say by their beginning what they are."""
_LONG: Final = re.compile(r"(?<![A-Za-z0-9])(?![0-9a-f]{64}(?![A-Za-z0-9]))[A-Za-z0-9]{32,}")
"""A SHA-256 in small letters is one of ours."""

_EMAIL: Final = re.compile(
    r"(?<![\w.%+'*-])[\w.%+'-]{1,128}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?<![.-])"
)
_SSN: Final = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_PHONE: Final = re.compile(
    r"(?<![\w./+-])(?<!\d )(?:"
    r"\+[1-9]\d{9,14}"
    r"|\+[1-9]\d{0,2}(?:[ .-]?\(\d{1,4}\)|[ .-]\d{1,5})(?:[ .-]?\d{2,5}){1,4}"
    r"|(?:\+?1[ .-])?(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[ .-]\d{4}"
    r"|\d{3} \d{3} \d{4}"
    r")(?![\w-]|\.\d| \d)"
)
"""Only what is written like a phone number: ten digits in a row are an id."""
_CARDS: Final = re.compile(
    r"(?<![\w.])(?:\d{14,16}|(?<!-)\d{4}([ -])\d{4}\1\d{4}\1\d{4}|(?<!-)\d{4}([ -])\d{6}\2\d{5})"
    r"(?![\w-]|\.\d)"
)
_ISSUERS: Final = re.compile(
    r"(?:4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14}|3(?:0[0-5]|[68]\d)\d{11})"
)
"""Length and first digits of a card. The long record ids of a CRM are none of these."""


def mask_secrets(text: str, *, plain_id: bool = False) -> str:
    """Passwords, keys and tokens as `***REDACTED***`, long keys as `****`.

    `plain_id`: the text is known to be an id or a hash, so that its length says nothing.
    """
    if "-----BEGIN" in text:
        text = _PEM.sub(LONG_KEY, text)
    if "://" in text and "@" in text:
        text = _URL.sub(rf"\1:{REDACTED}@", text)
    if (":" in text or "=" in text or "," in text) and _NAMED.search(text):
        text = _COOKIE.sub(rf"\1{REDACTED}", text)
        text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
        text = _QUOTED.sub(rf"\1{REDACTED}", text)
        text = _PAIR.sub(rf"\1{REDACTED}", text)
        text = _ASSIGNED.sub(rf"\1{REDACTED}", text)
        text = _AFTER_COLON.sub(rf"\1{REDACTED}", text)
    if len(text) < 12:
        return text
    text = _BEARER.sub(rf"\1{REDACTED}", text)
    text = _JWT.sub(LONG_KEY, text)
    text = _PREFIXED.sub(LONG_KEY, text)
    if not plain_id and len(text) >= 32:
        text = _LONG.sub(_long, text)
    return text


def mask_personal_data(text: str, *, plain_id: bool = False) -> str:
    """E-mail addresses, phone numbers, social security and card numbers, each as its mask."""
    if "@" in text:
        text = _EMAIL.sub(EMAIL, text)
    if plain_id or len(text) < 10:
        return text
    text = _CARDS.sub(_card, text)
    text = _SSN.sub(SSN, text)
    return _PHONE.sub(_phone, text)


def _long(found: re.Match[str]) -> str:
    return found[0] if found[0].isdigit() else LONG_KEY


def _phone(found: re.Match[str]) -> str:
    digits = sum(map(str.isdigit, found[0]))
    return PHONE if 8 <= digits <= 15 else found[0]


def _card(found: re.Match[str]) -> str:
    digits = "".join(filter(str.isdigit, found[0]))
    return CARD if _ISSUERS.fullmatch(digits) and _luhn(digits) else found[0]


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0
