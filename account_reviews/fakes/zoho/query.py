"""COQL: a query is read, held against its limits, and answered."""

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from account_reviews.fakes.zoho.org import Org, Row, User
from account_reviews.fakes.zoho.schema import AREA, LOOKUP, OWNER, QUERIED, USER_FIELDS

COLUMNS, CRITERIA, IN_VALUES, ROWS, OFFSET, ORDERS, GROUPS, RELATIONS = (
    50, 25, 50, 2_000, 100_000, 10, 4, 2,
)  # fmt: skip
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.|'')*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])"""
    r"""|(?P<word>[A-Za-z_$][\w.$]*)|(?P<sign>!=|>=|<=|<>|[(),=<>*]))"""
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge,
    "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_TOTALS: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "count": len, "max": max, "min": min, "sum": sum, "avg": lambda found: sum(found) / len(found),
}  # fmt: skip


class QueryError(Exception):
    """`code` and details as Zoho tells them."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


@dataclass(frozen=True)
class Test:
    """One criterion."""

    column: str
    sign: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Group:
    """Criteria that are joined by `and` or by `or`."""

    word: str
    parts: tuple["Test | Group", ...]


@dataclass(frozen=True)
class Column:
    name: str
    total: str | None = None
    """count, max, min, sum or avg."""
    alias: str | None = None

    @property
    def key(self) -> str:
        shown = self.name if self.total is None else f"{self.total.upper()}({self.name})"
        return self.alias or shown


@dataclass
class Query:
    columns: list[Column]
    module: str
    where: Test | Group | None = None
    groups: list[str] = field(default_factory=list)
    orders: list[tuple[str, bool]] = field(default_factory=list)
    """Columns, and whether they fall."""
    limit: int = 200
    offset: int = 0

    @property
    def credits(self) -> int:
        return 1 if self.limit <= 200 else 2 if self.limit <= 1_000 else 3


class _Reader:
    """Tokens one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(text.rstrip().rstrip(";")):
            found = _TOKEN.match(text, place)
            if found is None:
                raise QueryError("SYNTAX_ERROR", "the query cannot be read", near=text[place:][:20])
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            place = found.end()
        self._place = 0

    def peek(self) -> str:
        found = self._tokens[self._place : self._place + 1]
        return found[0][1].lower() if found else ""

    def take(self, kind: str | None = None) -> str:
        if self._place >= len(self._tokens):
            raise QueryError("SYNTAX_ERROR", "the query ends too early")
        found, text = self._tokens[self._place]
        if kind is not None and found != kind:
            raise QueryError("SYNTAX_ERROR", f"{kind} expected", near=text)
        self._place += 1
        return text

    def column(self) -> str:
        """The name of a column; one that leads through a lookup into one module stands in quotes,
        as `'What_Id->Accounts.id'`."""
        kind = self._tokens[self._place][0] if self.peek() else ""
        return self.take().strip("'") if kind == "string" else self.take("word")

    def skip(self, *words: str) -> bool:
        """Whether these words come now; they are passed then."""
        ahead = [text.lower() for _, text in self._tokens[self._place :][: len(words)]]
        if ahead != list(words):
            return False
        self._place += len(words)
        return True

    def expect(self, word: str) -> None:
        if not self.skip(word):
            raise QueryError("SYNTAX_ERROR", f"{word} expected", near=self.peek())

    def value(self) -> Any:
        kind, text = self._tokens[self._place] if self.peek() else ("", "")
        if kind == "string":
            self._place += 1
            return text[1:-1].replace("''", "'").replace("\\'", "'")
        if kind == "number":
            self._place += 1
            return float(text) if "." in text else int(text)
        if text.lower() in ("true", "false"):
            self._place += 1
            return text.lower() == "true"
        raise QueryError("SYNTAX_ERROR", "a value is expected", near=text)


def parse(text: str) -> Query:
    """A query within its limits. QueryError."""
    reader = _Reader(text)
    reader.expect("select")
    columns = [_column(reader)]
    while reader.skip(","):
        columns.append(_column(reader))
    reader.expect("from")
    query = Query(columns, reader.take("word"))
    if reader.skip("where"):
        query.where = _criteria(reader)
    if reader.skip("group", "by"):
        query.groups = _names(reader)
    if reader.skip("order", "by"):
        query.orders = _orders(reader)
    while reader.peek() in ("limit", "offset"):
        _window(reader, query)
    if reader.peek():
        raise QueryError("SYNTAX_ERROR", "unexpected end of query", near=reader.peek())
    _hold(query)
    return query


def _column(reader: _Reader) -> Column:
    name = reader.column()
    total = None
    if reader.skip("("):
        total = name.lower()
        if total not in _TOTALS:
            raise QueryError("INVALID_QUERY", f"no function {name}", column_name=name)
        name = reader.take()
        reader.expect(")")
    alias = reader.take("word") if reader.skip("as") else None
    return Column(name, total, alias)


def _names(reader: _Reader) -> list[str]:
    names = [reader.take("word")]
    while reader.skip(","):
        names.append(reader.take("word"))
    return names


def _orders(reader: _Reader) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    while True:
        name = reader.take("word")
        falls = reader.skip("desc")
        if not falls:
            reader.skip("asc")
        found.append((name, falls))
        if not reader.skip(","):
            return found


def _window(reader: _Reader, query: Query) -> None:
    if reader.take().lower() == "offset":
        query.offset = int(reader.take("number"))
        return
    query.limit = int(reader.take("number"))
    if reader.skip(","):
        query.offset, query.limit = query.limit, int(reader.take("number"))


def _criteria(reader: _Reader) -> Test | Group:
    """One or two parts; more have to stand in brackets, two by two."""
    first = _part(reader)
    word = reader.peek()
    if word not in ("and", "or"):
        return first
    reader.take()
    both = Group(word, (first, _part(reader)))
    if reader.peek() in ("and", "or"):
        raise QueryError("SYNTAX_ERROR", "more than two criteria need brackets", near=reader.peek())
    return both


def _part(reader: _Reader) -> Test | Group:
    if reader.skip("("):
        inner = _criteria(reader)
        reader.expect(")")
        return inner
    column = reader.column()
    if reader.skip("is", "not", "null"):
        return Test(column, "not null", ())
    if reader.skip("is", "null"):
        return Test(column, "null", ())
    if reader.skip("between"):
        low = reader.value()
        reader.expect("and")
        return Test(column, "between", (low, reader.value()))
    negated = "not " if reader.skip("not") else ""
    if reader.skip("in"):
        reader.expect("(")
        values = [reader.value()]
        while reader.skip(","):
            values.append(reader.value())
        reader.expect(")")
        return Test(column, f"{negated}in", tuple(values))
    if reader.skip("like"):
        return Test(column, f"{negated}like", (reader.value(),))
    sign = reader.take("sign").replace("<>", "!=")
    if sign not in _COMPARE:
        raise QueryError("SYNTAX_ERROR", "a comparison is expected", near=sign)
    return Test(column, sign, (reader.value(),))


def tests_of(part: Test | Group | None) -> Iterator[Test]:
    if isinstance(part, Test):
        yield part
    elif part is not None:
        for one in part.parts:
            yield from tests_of(one)


def _hold(query: Query) -> None:
    tests = list(tests_of(query.where))
    limits = [
        (len(query.columns), COLUMNS, "columns"), (len(tests), CRITERIA, "criteria"),
        (query.limit, ROWS, "LIMIT"), (query.offset, OFFSET, "OFFSET"),
        (len(query.orders), ORDERS, "ORDER BY"), (len(query.groups), GROUPS, "GROUP BY"),
        *((len(test.values), IN_VALUES, "values of in") for test in tests),
    ]  # fmt: skip
    for found, most, what in limits:
        if found > most:
            raise QueryError("LIMIT_EXCEEDED", f"too many {what}", limit=most, limit_due_to=what)
    if query.where is None:
        raise QueryError("SYNTAX_ERROR", "missing clause", clause="where")
    names = [name for name, _ in query.orders]
    if len(set(names)) < len(names):
        raise QueryError("DUPLICATE_DATA", "duplicate column in ORDER BY")
    relations = {column.name.partition(".")[0] for column in query.columns if "." in column.name}
    if len(relations) > RELATIONS:
        raise QueryError("JOIN_LIMIT_EXCEEDED", "too many relations", limit=RELATIONS)


class Answering:
    """One query over the org as it stands."""

    def __init__(self, org: Org, query: Query) -> None:
        self._org = org
        self._query = query
        if query.module not in QUERIED:
            raise QueryError("INVALID_QUERY", "the module is not supported", module=query.module)
        where = [(test.column, True) for test in tests_of(query.where)]
        shown = [(column.name, False) for column in query.columns if column.name != "*"]
        rest = [(name, False) for name in (*query.groups, *(one for one, _ in query.orders))]
        aliases = {column.key for column in query.columns}
        for name, tested in (*where, *shown, *(one for one in rest if one[0] not in aliases)):
            self._check(name, tested=tested)

    def answer(self) -> tuple[list[dict[str, Any]], bool]:
        """The page, and whether there is more."""
        query = self._query
        rows = [row for row in self._candidates() if self._holds(query.where, row)]
        if query.groups or any(column.total for column in query.columns):
            shown = self._totals(rows)
        else:
            for name, falls in reversed(query.orders or [("id", False)]):
                rows.sort(key=partial(self._place, name), reverse=falls)
            window = rows[query.offset : query.offset + query.limit]
            return [self._shown(row) for row in window], len(rows) > query.offset + query.limit
        return shown[query.offset : query.offset + query.limit], len(
            shown
        ) > query.offset + query.limit

    def _check(self, name: str, *, tested: bool) -> None:
        first, into, rest = _path_of(name)
        if self._query.module == "Users":
            known = next((one for one in USER_FIELDS if one.name == first), None)
        else:
            known = self._org.fields[self._query.module].get(first)
        if known is None:
            raise QueryError("INVALID_QUERY", "column given seems to be invalid", column_name=name)
        if into and into not in known.lookup:
            raise QueryError("INVALID_QUERY", f"{first} does not lead there", column_name=name)
        if rest and known.type not in (LOOKUP, OWNER):
            raise QueryError("INVALID_QUERY", f"{first} leads nowhere", column_name=name)
        if tested and known.type == AREA:
            raise QueryError(
                "INVALID_QUERY", "multi-line fields are not allowed in criteria", column_name=name
            )

    def _candidates(self) -> Iterable[Row | User]:
        if self._query.module == "Users":
            return self._org.users.values()
        rows = self._org.rows[self._query.module]
        ids = self._ids(self._query.where)
        if ids is None:
            return list(rows.values())
        return [rows[one] for one in ids if one in rows]

    def _ids(self, part: Test | Group | None) -> set[str] | None:
        """The only records that can hold; None: any can."""
        if isinstance(part, Test):
            if part.sign not in ("=", "in"):
                return None
            values = [str(value) for value in part.values]
            if part.column == "id":
                return set(values)
            name, _, rest = _path_of(part.column)
            if rest not in ("", "id"):
                return None
            known = self._org.fields[self._query.module].get(name)
            if known is None or known.type != LOOKUP:
                return None
            module = self._query.module
            return {row.id for value in values for row in self._org.children(module, name, value)}
        if part is None:
            return None
        found = [self._ids(one) for one in part.parts]
        sets = [one for one in found if one is not None]
        if part.word == "and":
            return min(sets, key=len) if sets else None
        return set().union(*sets) if len(sets) == len(found) else None

    def _holds(self, part: Test | Group | None, row: Row | User) -> bool:
        if part is None:
            return True
        if isinstance(part, Test):
            return _test(part, self._raw(row, part.column))
        each = (self._holds(one, row) for one in part.parts)
        return all(each) if part.word == "and" else any(each)

    def _raw(self, row: Row | User, name: str) -> Any:
        first, into, rest = _path_of(name)
        if isinstance(row, User):
            return _user_value(row, first)
        value = self._org.raw(row, first)
        if into and value not in self._org.rows.get(into, {}):
            return None
        if not rest or rest == "id" or value is None:
            return value
        user = self._org.users.get(value)
        if user is not None:
            return _user_value(user, rest)
        known = self._org.fields[row.module][first]
        for module in known.lookup:
            found = self._org.rows.get(module, {}).get(value)
            if found is not None:
                return self._raw(found, rest)
        return None

    def _shown(self, row: Row | User) -> dict[str, Any]:
        if isinstance(row, User):
            shown = row.shown()
            return {column.key: shown.get(column.name) for column in self._query.columns}
        found: dict[str, Any] = {"id": row.id}
        for column in self._query.columns:
            if "." in column.name:
                value = self._raw(row, column.name)
                found[column.key] = value.isoformat() if isinstance(value, datetime) else value
                continue
            value = self._org.value(row, column.name)
            if isinstance(value, dict):
                value = {"id": value["id"]}
            found[column.key] = value
        return found

    def _place(self, name: str, row: Row | User) -> tuple[bool, Any]:
        return _order(self._raw(row, name))

    def _totals(self, rows: list[Row | User]) -> list[dict[str, Any]]:
        groups: dict[tuple[Any, ...], list[Row | User]] = {}
        for row in rows:
            key = tuple(self._raw(row, name) for name in self._query.groups)
            groups.setdefault(key, []).append(row)
        if not rows and not self._query.groups:
            groups[()] = []
        found = [self._total(members) for members in groups.values()]
        for name, falls in reversed(self._query.orders):
            found.sort(key=partial(_place_of, name), reverse=falls)
        return found

    def _total(self, members: list[Row | User]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column in self._query.columns:
            if column.total is None:
                first = members[0]
                shown = None if isinstance(first, User) else self._org.value(first, column.name)
                found[column.key] = {"id": shown["id"]} if isinstance(shown, dict) else shown
                continue
            values = [self._raw(row, column.name) for row in members if column.name != "*"]
            kept = [value for value in values if value is not None]
            total = _TOTALS[column.total](kept) if kept or column.total == "count" else None
            found[column.key] = total.isoformat() if isinstance(total, datetime) else total
        return found


def _path_of(name: str) -> tuple[str, str, str]:
    """(the field, the module it is followed into or "", what is asked of the record there)."""
    first, _, rest = name.partition(".")
    field_name, _, into = first.partition("->")
    return field_name, into, rest


def _user_value(user: User, name: str) -> Any:
    if name == "Reporting_To":
        return user.manager_id
    return user.shown().get(name)


def _place_of(name: str, shown: dict[str, Any]) -> tuple[bool, Any]:
    value = shown.get(name)
    return _order(value["id"] if isinstance(value, dict) else value)


def _order(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def _test(test: Test, value: Any) -> bool:
    wanted = [_as(value, one) for one in test.values]
    match test.sign:
        case "null":
            return value is None
        case "not null":
            return value is not None
        case "in":
            return value in wanted
        case "not in":
            return value not in wanted
        case "between":
            return value is not None and wanted[0] <= value <= wanted[1]
        case "like" | "not like":
            pattern = re.escape(str(wanted[0])).replace("%", ".*")
            found = re.fullmatch(pattern, str(value or ""), re.IGNORECASE | re.DOTALL) is not None
            return found == (test.sign == "like")
        case sign:
            if value is None:
                return sign == "!="
            try:
                return _COMPARE[sign](value, wanted[0])
            except TypeError:
                raise QueryError(
                    "INVALID_QUERY", "the value does not fit its column", column_name=test.column
                ) from None


def _as(value: Any, wanted: Any) -> Any:
    """What a query names, in the type of the field."""
    if isinstance(value, datetime) and isinstance(wanted, str):
        try:
            moment = datetime.fromisoformat(wanted)
        except ValueError:
            raise QueryError("INVALID_QUERY", f"{wanted} is no time") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, str) and isinstance(wanted, int | float):
        return str(wanted)
    return wanted
