"""The answer to a command line that cannot be read: one sentence, on every command alike."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from account_reviews.cli.output import Format

if TYPE_CHECKING:
    from account_reviews.domain.errors import BadInputError

_PARSER_WORDS = re.compile(r"^(Value error|Assertion failed), ")


def asked_format(words: Sequence[str]) -> Format:
    """The form that the words ask for, however far the parser came; TABLE where they do not."""
    pairs = zip(words, [*words[1:], ""], strict=False)  # of no words there is no pair
    for word, following in pairs:
        given = following if word in ("-o", "--output") else word
        for beginning in ("--output=", "-o=", "-o"):
            given = given.removeprefix(beginning) if word.startswith(beginning) else given
        if given != word and given.lower() in tuple(Format):
            return Format(given.lower())
    return Format.TABLE


def as_bad_input(error: Exception, words: Sequence[str]) -> "BadInputError | None":
    """The parser's complaint as our error; None when it is not one of the parser."""
    from account_reviews.domain.errors import BadInputError

    complaint = getattr(error, "format_message", None)
    if complaint is None:
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "reviews"
    sentence = _about_the_value(error, words) or str(complaint()).rstrip(".")
    return BadInputError(sentence, hint=f"try: {path} --help")


def help_of(error: Exception) -> str | None:
    """The help text when the complaint is that a group was called without a verb."""
    return str(error) if type(error).__name__ == "NoArgsIsHelpError" else None


def check_words(words: Sequence[str]) -> None:
    """BadInputError for an argument that is not UTF-8: nothing could store or send it."""
    from account_reviews.domain.errors import BadInputError

    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise BadInputError(f"the argument {word!a} is not UTF-8") from None


def _about_the_value(error: Any, words: Sequence[str]) -> str | None:
    """The sentence names the option and what was given, not only what was expected."""
    names: Sequence[str] = getattr(getattr(error, "param", None), "opts", ())
    reason = _PARSER_WORDS.sub("", getattr(error, "message", "") or "").rstrip(".")
    given = _given(names, words)
    if not reason or given is None:
        return None
    if repr(given) in reason:
        return f"{names[0]}: {reason}"
    return f"{names[0]} is {given!r}: {reason[:1].lower()}{reason[1:]}"


def _given(names: Sequence[str], words: Sequence[str]) -> str | None:
    for word, following in zip(words, [*words[1:], None], strict=False):
        name, equals, value = word.partition("=")
        if name in names and name.startswith("-"):
            return value if equals else following
    return None
