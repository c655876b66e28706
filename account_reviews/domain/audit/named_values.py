"""Secrets in running text that a name gives away: `password = x`, `"api_key": ["x"]`, headers.

A text is looked through from name to name. What a name says is asked of the same function as for
the keys of objects; where the value ends is found by its quotes and brackets, and of an open one
everything up to the end of the line is taken.
"""

import re
from typing import Final

from account_reviews.domain.audit.field_names import HELD, LABELS, is_password, kind_of, words_of
from account_reviews.domain.patterns import pattern

REDACTED: Final = "***REDACTED***"

_WORDS: Final = (
    r"pass|pwd|secret|token|auth|cred|cookie|jwt|otp|bearer|connection[-_ ]?string|"
    r"(?:api|private|access|signing|encryption|master|account|shared|subscription|session|service|"
    r"hmac)[-_ ]?key|kennw|(?<![a-z])(?:pin|private|cv[vc])(?![a-z])"
)
NAMED: Final = pattern(rf"(?i){_WORDS}")
"""Without one of the words no name is a secret one: most texts are done with one look."""
_NAME: Final = pattern(
    rf"(?i)(?P<name>(?:{_WORDS})[\w.-]{{0,60}})(?P<quote>\\?[\"']|%(?:25){{0,3}}2[27])?\]?\s{{0,4}}"
    r"(?P<by>=>|:=|=(?!=)|(?<!\s)={2,3}(?=[^\s=])|={2,3}(?=[ \t]{0,4}[\"'])|:(?!//)"
    r"|%(?:25){0,3}3[ad]|(?<=[\w\"'])[ \t]{1,3}(?:is|was|ist|war|lautet)(?:[ \t]{0,2}:)?(?=[ \t]))"
    r"[ \t]{0,8}(?:\r?\n[ \t]{0,8}(?=[\"'\[{]))?"
)
"""From the word on: the rest of the name, its quote, and what stands before the value."""
_BELOW: Final = pattern(
    r"[ \t]*(?:\r?\n[ \t]*){1,2}(?![\w.-]{1,80}\s{0,4}[:=])"
    r"(?=\S{1,200}[ \t]*(?:[\r\n]|\Z)|[^\s\d]{0,80}\d)"
)
"""To the next line, when one word stands there or one with a digit."""
_FLAG: Final = pattern(r"(?<![\w-])--(?P<name>[A-Za-z][\w-]{1,60})[ \t]{1,4}(?=[^\s-])")
_BEFORE: Final = pattern(r"[\w.-]{0,100}\Z")
_TEXT_VALUE: Final = (
    r"b?(?:\\\"(?:[^\"\\]|\\[^\"]){0,4000}\\\""
    r"|\"(?:[^\"\\]|\\.){0,4000}\"|'(?:[^'\\]|\\.){0,4000}')"
)
"""In quotes, which may be escaped themselves, or those of bytes."""
_CLOSED: Final = pattern(_TEXT_VALUE, re.DOTALL)
_OPENED: Final = pattern(r"b?\\?[\"']")
_PAIR: Final = pattern(
    rf"([(\[]\s{{0,4}}b?\\?[\"'](?P<name>[\w .-]{{1,80}})\\?[\"']\s{{0,4}},\s{{0,4}}){_TEXT_VALUE}"
    r"(?=\s{0,4}[)\]])"
)
"""A name and a value in brackets, as headers are often held."""
_ELEMENT: Final = pattern(
    r"(<(?P<name>[A-Za-z][\w:.-]{1,80})(?:\s[^<>]{0,400})?>)"
    r"(?!(?:true|false|\*\*\*[^<]{0,40})</)(?:<!\[CDATA\[.{0,1000}?\]\]>|[^<]{1,4000})(?=</)",
    re.DOTALL,
)
_LABEL: Final = pattern(
    rf"(?i)\\?[\"'](?:{'|'.join(sorted(LABELS))})\\?[\"']\s{{0,4}}:\s{{0,4}}"
    r"\\?[\"'](?P<name>[\w ./-]{1,80})\\?[\"']"
)
_HELD: Final = pattern(rf"(?i)\\?[\"'](?:{'|'.join(sorted(HELD))})\\?[\"']\s{{0,4}}:\s{{0,4}}")
_REACH: Final = 4_000
"""Characters between a name and its value in which the value is looked for."""
_BLOCK: Final = pattern(r"[|>][-+]?[ \t]*(?:\r?\n[ \t]+[^\r\n]+)+")
"""Of YAML: the lines below that are indented."""
_LITERAL: Final = pattern(r"(?:true|false|null|none|undefined)\b", re.IGNORECASE)
_NUMBER: Final = pattern(r"[\"']?\d{3,12}\b[\"']?(?![.,]\d)")
_NEXT_NAME: Final = pattern(r"\s*[\w.-]+\\?[\"']?\s*[=:]")
_PART: Final = pattern(r"[^\s\"'\\,;&)\]}]+")
_DELIMITERS: Final = "\"',;&)]}.:\\<"
_SCHEMES: Final = frozenset({"basic", "bearer", "digest", "token", "negotiate", "zoho-oauthtoken"})
_PROSE: Final = words_of("""
    a an the is it its was be been has have had not no none nothing null must should can
    cannot could may missing required invalid wrong expired unknown empty given unset and or
    to with for of in on by from this that there see use set too are were will failed refused
    denied unauthorized forbidden only as at
    der die das ein eine ist es nicht kein keine fehlt falsch ungültig erforderlich abgelaufen leer
    unbekannt oder bitte muss soll kann wurde wird siehe
""")
"""After a colon these begin a sentence: `token: it is missing`."""
_STATES: Final = words_of("""
    strong weak secure insecure safe fine good bad correct incorrect right ok okay new old same
    different short long simple complex valid known blank default optional mandatory public private
    ready done gone lost back out off up down here case-sensitive yes hidden secret stolen broken
    forgotten mine yours ours theirs his hers their your our my her what how why who never always
    still already now also just very so about due reset sent kept put held okay easy hard
    sicher unsicher stark schwach neu alt gleich richtig korrekt bekannt vergessen geändert gesetzt
    zurückgesetzt gesperrt gültig da weg zu noch schon immer sehr im am beim geheim öffentlich egal
""")
"""What a password can be without being told: `the password is strong`."""


def mask_named(text: str) -> str:
    """The text without the values that a name in it says are secret."""
    if not NAMED.search(text):
        return text
    if "--" in text:
        text = _cut_out(text, _flags(text))
    if "<" in text:
        text = _ELEMENT.sub(_element, text)
    if ":" in text:
        text = _cut_out(text, _labelled(text))
    text = _cut_out(text, _assigned(text))
    return _PAIR.sub(_pair, text) if "," in text else text


_Spans = list[tuple[int, int]]


def _cut_out(text: str, spans: _Spans) -> str:
    if not spans:
        return text
    parts: list[str] = []
    done = 0
    for start, end in spans:
        parts += (text[done:start], REDACTED)
        done = end
    return "".join(parts) + text[done:]


def _assigned(text: str) -> _Spans:
    """`name = value`, `name: value` and `"name": value`, in every spelling."""
    spans: _Spans = []
    done = 0
    while found := _NAME.search(text, done):
        done = found.end()
        begin = _BEFORE.search(text, max(0, found.start() - 100), found.start())
        name = text[begin.start() if begin else found.start() : found.end("name")]
        kind = kind_of(name)
        if kind not in ("secret", "code"):
            continue
        quoted = found["quote"] is not None and not name.startswith("-")
        start = found.end()
        if found["by"][0].isspace():
            end = _end_of_spoken(text, start, name)
        elif kind == "code" and not quoted:
            end = _end_of_code(text, start, name)
        else:
            below = _BELOW.match(text, start) if is_password(name) else None
            start = below.end() if below else start
            end = _end_of_value(text, start, name, quoted=quoted, colon=found["by"] == ":")
        if end is not None and end > start:
            spans.append((start, end))
            done = end
    return spans


def _flags(text: str) -> _Spans:
    """`--password x`, as commands are quoted."""
    spans: _Spans = []
    for found in _FLAG.finditer(text):
        if kind_of(found["name"]) == "secret" and (not spans or found.start() >= spans[-1][1]):
            end = _end_of_value(text, found.end(), found["name"], quoted=False, colon=True)
            if end is not None:
                spans.append((found.end(), end))
    return spans


def _labelled(text: str) -> _Spans:
    """`{"field": "password", "new": "x"}`: the name is a value itself."""
    spans: _Spans = []
    labels = list(_LABEL.finditer(text))
    starts = [*(label.start() for label in labels[1:]), len(text)]
    done = behind = 0
    for label, following in zip(labels, starts, strict=False):
        if kind_of(label["name"]) in ("secret", "code"):
            begin = _open_brace(text, max(behind, done, label.start() - _REACH), label.start())
            for held in _HELD.finditer(text, begin, min(following, label.end() + _REACH)):
                start = held.end()
                end = _end_of_value(text, start, "", quoted=True, colon=True)
                if start >= done and end is not None:
                    spans.append((start, end))
                    done = end
        behind = label.end()
    return spans


def _open_brace(text: str, start: int, end: int) -> int:
    """Where the object begins that `end` lies in; `start` when it began before that."""
    depth = 0
    for place in range(end - 1, start - 1, -1):
        depth += (text[place] == "}") - (text[place] == "{")
        if depth < 0:
            return place
    return start


def _end_of_value(text: str, start: int, name: str, *, quoted: bool, colon: bool) -> int | None:
    """Where the value ends that begins at `start`; None when there is none, or it is prose."""
    if start >= len(text) or text.startswith("***", start):
        return None
    if _OPENED.match(text, start):
        return _end_of_quoted(text, start)
    if block := _BLOCK.match(text, start):
        return block.end()
    if text[start] in "[{":
        return _end_of_brackets(text, start)
    if _LITERAL.match(text, start) or (text[start] in "(<" and colon):
        return None
    end = _end_of_word(text, start)
    word = text[start:end].lower()
    if word in _SCHEMES and text[end : end + 1] == " ":
        return max(end, _end_of_word(text, end + 1))
    if not colon or quoted or any(map(str.isdigit, word)):
        return end
    if word.strip(".!?…`") in _PROSE or not word.strip(".!?…-`"):
        return None
    more_words = text[end : end + 1] == " " and text[end + 1 : end + 2].isalpha()
    return None if more_words and not is_password(name) else end


def _end_of_spoken(text: str, start: int, name: str) -> int | None:
    """As `_end_of_value`, of a value in a sentence: `the password is x`. What tells how it is, is
    none; nor is a single word that others follow, unless it looks like a password."""
    if start >= len(text) or text.startswith("***", start):
        return None
    opened = _OPENED.match(text, start)
    end = _end_of_quoted(text, start) if opened else _end_of_word(text, start)
    word = text[start:end].lower().strip("\"'\\.!?…`,")
    more_words = text[end : end + 1] == " " and text[end + 1 : end + 2].isalpha()
    if any(map(str.isdigit, word)):
        long_enough = 4 if more_words or kind_of(name) == "code" else 1
        return end if len(word) >= (long_enough if _says_word(name) else 8) else None
    if not word or not is_password(name) or word in _PROSE or word in _STATES:
        return None
    return None if more_words or word.endswith(("ed", "able", "ible")) else end


def _end_of_code(text: str, start: int, name: str) -> int | None:
    """The number of a PIN or a card in a text; `pin: the note` holds none."""
    if name.lower().endswith("private"):
        return None
    found = _NUMBER.match(text, start)
    return found.end() if found else None


def _says_word(name: str) -> bool:
    return is_password(name) or kind_of(name) == "code"


def _end_of_quoted(text: str, start: int) -> int:
    """Behind the closing quote; of an open one the end of the line."""
    line_end = _end_of_line(text, start)
    found = _CLOSED.match(text, start)
    if not found:
        return line_end
    end = found.end()
    mark = text[end - 1]
    while end < line_end and (text[end].isalnum() or text[end] == mark):  # a quote in the value
        further = text.find(mark, end + 1, line_end)
        if further < 0:
            return max(end, _end_of_word(text, end))
        end = further + 1
    return end


def _end_of_brackets(text: str, start: int) -> int:
    """Behind the bracket that closes the one at `start`, which may be the end of the text."""
    depth, place = 0, start
    while place < len(text):
        sign = text[place]
        if sign in "\"'":
            found = _CLOSED.match(text, place)
            place = found.end() if found else place + 1
            continue
        depth += (sign in "[{") - (sign in "]}")
        place += 1
        if depth == 0:
            return place
    return len(text)


def _end_of_word(text: str, start: int) -> int:
    """The end of a value without quotes. What separates values may stand in one as well."""
    end = start
    while end < len(text):
        if found := _PART.match(text, end):
            end = found.end()
        if end >= len(text) or text[end].isspace():
            break
        after = text[end + 1 : end + 2]
        if not after or after.isspace() or after in _DELIMITERS:
            break
        if text[end] in ",;&" and _NEXT_NAME.match(text, end + 1):
            break
        end += 1
    return end


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _pair(found: re.Match[str]) -> str:
    return f"{found[1]}{REDACTED}" if kind_of(found["name"]) == "secret" else found[0]


def _element(found: re.Match[str]) -> str:
    secret = kind_of(found["name"]) in ("secret", "code")
    return f"{found[1]}{REDACTED}" if secret else found[0]
