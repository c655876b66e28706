"""How commands answer: tables for people, one JSON document for programs, one-sentence errors."""

import errno
import json
import os
import re
import sys
from collections.abc import Coroutine
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from account_reviews.presentation.terminal import note, print_json_text, print_text

if TYPE_CHECKING:
    from account_reviews.domain.errors import ReviewsError

_T = TypeVar("_T")

UNWRITABLE = 5
"""The exit code when standard output takes nothing: a full disk."""


class Format(StrEnum):
    """What an answer looks like. Verbs see TABLE and JSON: `chosen` turns the others into these."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


_asked: list[Format] = [Format.TABLE]
"""The word behind `-o` of this process."""


def chosen(form: Format) -> Format:
    """Remember the word behind `-o`; gives the kind of answer that a verb has to make."""
    _asked[:] = [form]
    return {Format.WIDE: Format.TABLE, Format.YAML: Format.JSON}.get(form, form)


def is_wide() -> bool:
    """True when all columns of tables are wanted, whole."""
    return _asked[0] is Format.WIDE


def is_for_people() -> bool:
    """True unless a document for programs is wanted."""
    return _asked[0] in (Format.TABLE, Format.WIDE)


def print_json(document: object) -> None:
    """One JSON document on stdout. Models and times take their canonical form."""
    from account_reviews.domain.canonical import plain

    print_document(json.dumps(plain(document), indent=2, ensure_ascii=False))


def print_line(document: object) -> None:
    """One JSON line, for streams."""
    from account_reviews.domain.canonical import plain

    print_document(json.dumps(plain(document), ensure_ascii=False))


def print_document(text: str, *, err: bool = False) -> None:
    """JSON as it was dumped; the same document in YAML where that is asked for."""
    if _asked[0] is not Format.YAML:
        print_json_text(text, err=err)
        return
    from account_reviews.presentation.yaml_text import as_yaml

    stream = sys.stderr if err else sys.stdout
    print_text(as_yaml(text, getattr(stream, "encoding", None)), err=err)


def fail(error: Exception, output: Format = Format.TABLE) -> NoReturn:
    """One sentence on stderr (JSON with -o json) and the error's exit code, without secrets.

    An error that is not ours becomes one sentence too, with its traceback only when
    REVIEWS_LOG_LEVEL is debug.
    """
    from account_reviews.domain.audit.masks import mask_secrets
    from account_reviews.domain.errors import ReviewsError

    if not isinstance(error, ReviewsError):
        error = _unexpected(error)
    typed = _typed()
    message = mask_secrets(error.message, known=typed)
    hint = None if error.hint is None else mask_secrets(error.hint, known=typed)
    if output is Format.JSON:
        body = {"code": error.code, "message": message, "hint": hint}
        print_document(json.dumps({"error": body}, ensure_ascii=False), err=True)
    else:
        note(message + (f" ({hint})" if hint else ""))
    leave(error.exit_code)


def _typed() -> set[str]:
    """Long words of the command line: an id that was typed is told as it was typed."""
    return {word for text in sys.argv[1:] for word in re.findall("[A-Za-z0-9]{32,}", text)}


def _unexpected(error: Exception) -> "ReviewsError":
    import traceback

    from account_reviews.config.settings import is_debugging
    from account_reviews.domain.audit.masks import mask_secrets
    from account_reviews.domain.errors import ReviewsError, UnreachableError

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return UnreachableError(_unwritten(error))
    if is_debugging():
        trace = "".join(traceback.format_exception(error)).rstrip()
        print_text(mask_secrets(trace), err=True)
    return ReviewsError(
        " ".join(f"unexpected {type(error).__name__}: {error}".split()),
        hint="this is a fault of the program; REVIEWS_LOG_LEVEL=debug shows where",
    )


def leave(code: int) -> NoReturn:
    """End now: flush and `os._exit`, since the SDK's threads can abort a normal exit."""
    if tracing := sys.modules.get("account_reviews.telemetry.client_tracing"):
        tracing.close()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # closed by the caller
                stream.flush()
        except BrokenPipeError:
            _end_of_pipe()
        except OSError as error:
            if code == 0:
                os.write(2, f"{_unwritten(error)}\n".encode())
            code = code or UNWRITABLE
    os._exit(code)


def _unwritten(error: OSError) -> str:
    return f"the answer cannot be written: {error.strerror}"


def _end_of_pipe() -> NoReturn:
    """The reader went away, as `head` does: nothing is wrong."""
    os._exit(0)


def run(work: Coroutine[Any, Any, _T], output: Format = Format.TABLE) -> _T:
    """Run a command's coroutine; every error becomes its sentence and exit code."""
    try:
        import asyncio

        return asyncio.run(work)
    except KeyboardInterrupt:
        work.close()  # it may never have begun
        leave(130)
    except BrokenPipeError:
        _end_of_pipe()
    except Exception as error:  # noqa: BLE001  nobody is to see a traceback
        fail(error, output)
