"""What the name of a field says of its value: the same for keys of objects and names in texts."""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

Kind = Literal["secret", "code", "tokens", "phone", "ssn", "card", "iban", "id", "other_id"]
"""`code` is a secret as a field, and a word like any other in a text or a list. `tokens` are mostly
a number of them, and secrets when they are texts. `id` is an id of
ours or of a CRM, whatever it looks like; `other_id` is one by its name, which may yet be a card."""

MAX_KEY: Final = 200
"""Characters of a name that are looked at, from its end."""


def words_of(text: str) -> frozenset[str]:
    """The words of a list that is written as a text."""
    return frozenset(text.split())


LABELS: Final = words_of("""
    name key field attribute property column header label setting param parameter variable
    path option fieldname field_name keyname key_name attributename attribute_name propertyname
    property_name paramname param_name
""")
"""Keys of objects whose value is the name of what stands beside it."""
HELD: Final = words_of("""
    value values new old before after from to was is now current previous original content
    default text data new_value old_value newvalue oldvalue raw val vals new_val old_val newval
    oldval fieldvalue field_value stringvalue string_value
""")
"""Keys of what such a name is of."""

_PASSWORDS: Final = (
    *("password", "passwords", "passwd", "pwd", "passphrase", "passphrases", "passcode"),
    *(
        "passcodes",
        "passwordhash",
        "passwdhash",
        "otp",
        "totp",
        "passwort",
        "passwörter",
        "kennwort",
    ),
    *("passwoerter", "kennwörter", "kennwoerter", "dbpass", "userpass", "rootpass", "adminpass"),
    *("pgpass", "mysqlpass", "smtppass", "ftppass", "sshpass", "loginpass"),
)
_SECRET: Final = (
    *_PASSWORDS,
    *("apikey", "apikeys", "secret", "secrets", "token", "authorization", "authheader"),
    *("privatekey", "secretkey", "accesskey", "signingkey", "encryptionkey", "masterkey"),
    *("accountkey", "sharedkey", "subscriptionkey", "sessionkey", "servicekey", "hmackey"),
    *("privatekeys", "secretkeys", "accesskeys", "signingkeys", "encryptionkeys"),
    *("credential", "credentials", "cookie", "cookies", "jwt", "bearer", "connectionstring"),
)
"""Ends of names, without what separates words: `apiKey`, `API-KEY` and `x_api_key` end so."""
_SECRET_WORDS: Final = frozenset((*_SECRET, "auth", "oauth", "oauth2", "pass", "creds", "cred"))
"""Whole words: `author` is none, `basic_auth` ends with one."""

_SAY_ABOUT: Final = words_of("""
    count counts type types policy policies name names length size limit limits expires expiry
    expiration expired expire at url uri file files path paths by on in manager rotation age
    ttl status state enabled required set valid usage used budget total min max kind format
    version algorithm scheme field fields error errors exception failure provider endpoint
    server host method mode changed updated created seconds days page form missing ok scope
    scopes store issuer audience invalid attempts user ring richtlinie richtlinien regel regeln
    ablauf anzahl
""")
"""Last words of names that are about a secret and hold none: `token_count`, `password_policy`."""

_CODES: Final = frozenset({"pin", "cvv", "cvc"})
"""Last words of names. `private` as a whole name is the private one of a pair of keys."""
_TOKENS: Final = "tokens"
_PHONE: Final = ("phone", "phonenumber", "mobile", "mobilenumber", "fax", "telephone", "cellphone")
_SSN: Final = ("ssn", "socialsecuritynumber")
_CARD: Final = ("cardnumber", "creditcard", "pan")
_ID: Final = ("id", "ids", "hash", "hashes", "sha256", "ref", "refs", "digest", "uuid", "root")
_OURS: Final = words_of("""
    account owner contact deal note task activity record review workflow run request item
    change decision cycle event schedule recommendation trace span snapshot user tenant entry
    parent first operation policy proposal evidence rule analysis message memory update
    session halt batch import document entries baseline by
""")
"""Whose ids stand in reviews and CRMs: never taken for a phone number or a card."""
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NOT_ALNUM: Final = re.compile(r"[\W_]+")


@lru_cache(maxsize=8192)
def kind_of(key: str, extra: tuple[str, ...] = ()) -> Kind | None:
    """What a field of that name holds. `extra`: more names of secret fields."""
    compact = _compact(key)
    bare = compact.rstrip("0123456789").removesuffix("value")
    words = _words(key)
    if bare.endswith(_SECRET) or compact.endswith(_SECRET):
        return "secret"
    if key.count(" ") < 2 and _is_secret(words):  # with more it is a sentence
        return "secret"
    if any(compact.endswith(_compact(name)) for name in extra if _compact(name)):
        return "secret"
    if bare == "private" or (words and words[-1] in _CODES and key.count(" ") < 2):
        return "code"
    if compact.endswith(_TOKENS):
        return "tokens"
    if bare.endswith(_PHONE):
        return "phone"
    if bare.endswith(_SSN):
        return "ssn"
    if bare in _CARD or bare.endswith(_CARD[0]):
        return "card"
    if bare.endswith("iban"):
        return "iban"
    return _id_kind(words, extra)


def is_password(name: str) -> bool:
    """True for names after which any word at all is the secret."""
    bare = _compact(name).rstrip("0123456789")
    return bare.endswith(_PASSWORDS)


def _id_kind(words: tuple[str, ...], extra: tuple[str, ...]) -> Kind | None:
    if not words or words[-1] not in _ID:
        return None
    stem = words[:-1]
    while stem and stem[-1] in _ID:
        stem = stem[:-1]
    if stem and kind_of("_".join(stem), extra) == "secret":
        return "secret"
    ours = not stem or stem[-1] in _OURS or stem[-1].removesuffix("s") in _OURS
    return "id" if ours else "other_id"


def _is_secret(words: tuple[str, ...]) -> bool:
    """A secret word anywhere, as in `api_key_prod`, unless the last word says it is about one."""
    if not words or words[-1] in _SAY_ABOUT or words[-1] in _ID:
        return False
    pairs = (first + second for first, second in pairwise(words))
    return any(word in _SECRET_WORDS for word in (*words, *pairs))


def _words(key: str) -> tuple[str, ...]:
    short = unicodedata.normalize("NFKC", key[-MAX_KEY:])
    found = [word.lower() for word in _WORDS.findall(short)]
    while found and found[-1].isdigit():
        # `sha256` is one word, the number of `password_2` says nothing
        number = found.pop()
        if found and found[-1] + number == "sha256":
            found[-1] = "sha256"
    return tuple(found)


def _compact(key: str) -> str:
    short = key[-MAX_KEY:]
    return _NOT_ALNUM.sub("", unicodedata.normalize("NFKC", short).casefold())
