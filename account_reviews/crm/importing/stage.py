"""Staging: rows wait in temporary tables, are checked against each other, then merged.

Statements work on whole tables, so that memory does not grow with the files.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    DefaultClause,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable

from account_reviews.crm.importing.csv_stream import KEPT_PROBLEMS, Problems
from account_reviews.crm.importing.fields import MODULES, Module
from account_reviews.crm.importing.rows import Value
from account_reviews.crm.sql.tables import (
    account_owner_changes,
    accounts,
    deal_stage_changes,
    deals,
)
from account_reviews.domain.base import Timestamp


class Outcome(StrEnum):
    """What becomes of a staged row; none yet: it is good so far."""

    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    REPEAT = "repeat"
    DANGLING = "dangling"
    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


BATCH: Final = 2000


class Stage:
    """The staged rows of one module, from all the files that fill it."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.target = module.table
        columns = [Column(name, module.table.c[name].type) for name in module.fields]
        self.table = Table(
            f"stage_{module.name}",
            MetaData(),
            Column("row_file_no", Integer),
            Column("row_line", Integer),
            Column("row_outcome", Text),
            Column("row_digest", Text),
            Column("row_detail", Text, comment="the column that dangles, the place of the first"),
            *columns,
            prefixes=["TEMPORARY"],
            postgresql_on_commit="DROP",
        )
        self.filled: dict[int, tuple[str, ...]] = {}
        """file number -> the columns that file fills."""

    @property
    def open(self) -> ColumnElement[bool]:
        """Rows that nothing speaks against so far."""
        return self.table.c.row_outcome.is_(None)

    async def create(self, connection: AsyncConnection) -> None:
        """Make the temporary table; it ends with the transaction."""
        await connection.execute(CreateTable(self.table))

    async def copy(self, connection: AsyncConnection, rows: Sequence[tuple[Value, ...]]) -> None:
        """Add rows in the order of the table's columns."""
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None
        await driver.copy_records_to_table(
            self.table.name, records=rows, columns=[column.name for column in self.table.c]
        )

    def record(
        self,
        file_no: int,
        line: int,
        outcome: Outcome | None,
        digest: str,
        values: dict[str, Value],
    ) -> tuple[Value, ...]:
        """One row for `copy`."""
        data = (values.get(name) for name in self.module.fields)
        return (file_no, line, outcome, digest, None, *data)

    async def analyze(self, connection: AsyncConnection) -> None:
        """Let the planner know how much there is."""
        await connection.execute(text(f"analyze {self.table.name}"))

    async def mark_duplicates(self, connection: AsyncConnection, distinct: set[int]) -> None:
        """The first row of a key stays. Equal rows of a `distinct` file are repeats, no mistake."""
        table = self.table
        keys = [table.c[name] for name in self.module.key]
        window: dict[str, Any] = {
            "partition_by": keys,
            "order_by": (table.c.row_file_no, table.c.row_line),
        }
        ranked = (
            select(
                table.c.row_file_no,
                table.c.row_line,
                func.row_number().over(**window).label("place"),
                func.first_value(table.c.row_file_no).over(**window).label("first_file"),
                func.first_value(table.c.row_line).over(**window).label("first_line"),
                func.first_value(table.c.row_digest).over(**window).label("first_digest"),
            )
            .where(self.open)
            .subquery()
        )
        repeats = and_(
            table.c.row_file_no.in_(distinct),
            ranked.c.first_file == table.c.row_file_no,
            ranked.c.first_digest == table.c.row_digest,
        )
        await connection.execute(
            update(table)
            .values(
                row_outcome=case((repeats, Outcome.REPEAT), else_=Outcome.DUPLICATE),
                row_detail=ranked.c.first_file.cast(Text) + " " + ranked.c.first_line.cast(Text),
            )
            .where(
                ranked.c.place > 1,
                ranked.c.row_file_no == table.c.row_file_no,
                ranked.c.row_line == table.c.row_line,
            )
        )

    async def forget_owners(
        self,
        connection: AsyncConnection,
        problems: Problems,
        names: Sequence[str],
        stages: dict[str, "Stage"],
        files: Sequence[int],
    ) -> None:
        """In rows of these files an owner that is not there becomes unknown, and is reported.

        The fingerprint of such a row differs, so that it is taken again once the owner is there.
        """
        for field in self.module.fields.values():
            if field.references == "owners" and not field.required:
                where = [*self._dangles(field.name, "owners", stages)]
                where.append(self.table.c.row_file_no.in_(files))
                await self._report_owners(connection, problems, names, field.name, where)
                mark = func.md5(self.table.c.row_digest + field.name)
                await connection.execute(
                    update(self.table).values({field.name: None, "row_digest": mark}).where(*where)
                )

    async def _report_owners(
        self,
        connection: AsyncConnection,
        problems: Problems,
        names: Sequence[str],
        name: str,
        where: Sequence[ColumnElement[bool]],
    ) -> None:
        table = self.table
        total = await connection.scalar(select(func.count()).select_from(table).where(*where)) or 0
        place = (table.c.row_file_no, table.c.row_line)
        query = select(*place, table.c[name]).where(*where).order_by(*place).limit(KEPT_PROBLEMS)
        message = f"{name} points at one of owners that does not exist; it is unknown now"
        listed = 0
        for file_no, line, value in await connection.execute(query):
            listed += 1
            problems.add(names[file_no], line, message, column=name, value=value)
        problems.add_uncounted(total - listed)

    async def mark_dangling(self, connection: AsyncConnection, stages: dict[str, "Stage"]) -> None:
        """Mark rows that point at a record which neither stands in the CRM nor comes with them."""
        found = 1
        while found:
            found = 0
            for field in self.module.fields.values():
                if field.references is not None:
                    found += await self._mark_column(
                        connection, field.name, field.references, stages
                    )
            if all(field.references != self.module.name for field in self.module.fields.values()):
                return

    async def _mark_column(
        self, connection: AsyncConnection, name: str, references: str, stages: dict[str, "Stage"]
    ) -> int:
        done = await connection.execute(
            update(self.table)
            .values(row_outcome=Outcome.DANGLING, row_detail=name)
            .where(*self._dangles(name, references, stages))
        )
        return done.rowcount

    def _dangles(
        self, name: str, references: str, stages: dict[str, "Stage"]
    ) -> list[ColumnElement[bool]]:
        """Good rows whose value names a record that is not there and does not come."""
        value = self.table.c[name]
        there = MODULES[references].table
        conditions = [self.open, value.is_not(None), ~exists().where(there.c.id == value)]
        coming = stages.get(references)
        if coming is not None:
            other = coming.table.alias("coming")
            conditions.append(~exists().where(other.c.id == value, other.c.row_outcome.is_(None)))
        return conditions

    async def report(
        self,
        connection: AsyncConnection,
        problems: Problems,
        names: Sequence[str],
        stages: dict[str, "Stage"],
        *,
        follow_ons: bool,
    ) -> None:
        """List duplicates and dangling references.

        `follow_ons`: also those that only miss a row of this import that was itself refused.
        """
        table = self.table
        where: ColumnElement[bool] = table.c.row_outcome.in_((Outcome.DUPLICATE, Outcome.DANGLING))
        follows = self._follows(stages)
        if not follow_ons:
            where = and_(where, ~follows)
        total = await connection.scalar(select(func.count()).select_from(table).where(where)) or 0
        query = (
            select(table, follows.label("follows"))
            .where(where)
            .order_by(table.c.row_file_no, table.c.row_line)
            .limit(KEPT_PROBLEMS)
        )
        listed = 0
        for row in (await connection.execute(query)).mappings():
            listed += 1
            file = names[row["row_file_no"]]
            column, value, message = self._describe(row, names)
            problems.add(file, row["row_line"], message, column=column, value=value)
        problems.add_uncounted(total - listed)

    def _follows(self, stages: dict[str, "Stage"]) -> ColumnElement[bool]:
        found: ColumnElement[bool] = literal(value=False)
        for field in self.module.fields.values():
            coming = stages.get(field.references or "")
            if coming is not None:
                other = coming.table.alias(f"refused_{field.name}")
                refused = exists().where(other.c.id == self.table.c[field.name])
                found = or_(found, and_(self.table.c.row_detail == field.name, refused))
        return and_(self.table.c.row_outcome == Outcome.DANGLING, found)

    def _describe(self, row: Any, names: Sequence[str]) -> tuple[str, str, str]:
        if row["row_outcome"] == Outcome.DUPLICATE:
            keys = self.module.key
            value = " ".join(str(row[name]) for name in keys)
            first, line = str(row["row_detail"]).split()
            other = int(first) != row["row_file_no"]
            place = f"line {line} of {names[int(first)]}" if other else f"line {line}"
            message = f"{' and '.join(keys)} stands in {place} already"
            return ", ".join(keys), value, message
        name = str(row["row_detail"])
        references = self.module.fields[name].references
        reason = "was left out" if row["follows"] else "does not exist"
        hint = "; `unknown_owners` in the mapping takes it" if references == "owners" else ""
        return name, str(row[name]), f"{name} points at one of {references} that {reason}{hint}"

    async def compare(self, connection: AsyncConnection) -> None:
        """Decide for every good row whether it is new, changed or the same."""
        for file_no, columns in self.filled.items():
            same = [
                self._stored(name).is_not_distinct_from(self.target.c[name]) for name in columns
            ]
            unchanged = and_(*same)
            if self.module.versioned:
                unchanged = or_(self.table.c.row_digest == self.target.c.digest, unchanged)
            await connection.execute(
                update(self.table)
                .values(row_outcome=case((unchanged, Outcome.UNCHANGED), else_=Outcome.UPDATED))
                .where(self.open, self.table.c.row_file_no == file_no, self._matches())
            )
        await connection.execute(
            update(self.table).values(row_outcome=Outcome.INSERTED).where(self.open)
        )

    async def merge(self, connection: AsyncConnection, at: Timestamp | None) -> None:
        """Write what `compare` found into the tables of the CRM."""
        if self.target is accounts:
            await self._keep_owners(connection, at)
        names = [*self.module.fields, *(["digest"] if self.module.versioned else [])]
        rows = select(*(self._stored(name) for name in names)).where(
            self.table.c.row_outcome == Outcome.INSERTED
        )
        await connection.execute(insert(self.target).from_select(names, rows))
        for file_no, columns in self.filled.items():
            changes: dict[str, Any] = {name: self._stored(name) for name in columns}
            changes |= self._outdated(columns, at)
            if self.module.versioned:
                await self._store_digests(connection, file_no)
                changes["version"] = self.target.c.version + 1
            if set(changes) <= set(self.module.key):
                continue
            await connection.execute(
                update(self.target)
                .values(changes)
                .where(
                    self._matches(),
                    self.table.c.row_file_no == file_no,
                    self.table.c.row_outcome == Outcome.UPDATED,
                )
            )

    def _outdated(self, columns: tuple[str, ...], at: Timestamp | None) -> dict[str, Any]:
        """Times that a file does not bring and that its changes make wrong.

        Since when a deal is in a stage that the file gives it is unknown. What was modified last by
        a review was modified again: some time before the moment the files speak of.
        """
        there = self.target.c
        found: dict[str, Any] = {}
        if "stage_changed_at" in there and "stage" in columns:
            moved = self._stored("stage") != there.stage
            found["stage_changed_at"] = case((moved, null()), else_=there.stage_changed_at)
        if "modified_at" in there:
            moment = func.now() if at is None else literal(at, there.modified_at.type)
            known = there.modified_at.is_not(None)
            found["modified_at"] = case((known, moment), else_=null())
        return {name: value for name, value in found.items() if name not in columns}

    async def _store_digests(self, connection: AsyncConnection, file_no: int) -> None:
        await connection.execute(
            update(self.target)
            .values(digest=self.table.c.row_digest)
            .where(
                self._matches(),
                self.table.c.row_file_no == file_no,
                self.table.c.row_outcome.in_((Outcome.UPDATED, Outcome.UNCHANGED)),
                self.table.c.row_digest != self.target.c.digest,
            )
        )

    async def _keep_owners(self, connection: AsyncConnection, at: Timestamp | None) -> None:
        """An account that comes with another owner had one before."""
        with_owner = [no for no, columns in self.filled.items() if "owner_id" in columns]
        moment = func.now() if at is None else literal(at, accounts.c.created_at.type)
        rows = select(self.table.c.id, moment, accounts.c.owner_id, self.table.c.owner_id).where(
            self.table.c.row_outcome == Outcome.UPDATED,
            self.table.c.row_file_no.in_(with_owner),
            self.table.c.id == accounts.c.id,
            self.table.c.owner_id.is_distinct_from(accounts.c.owner_id),
        )
        names = ["account_id", "at", "previous_owner_id", "owner_id"]
        add = insert(account_owner_changes).from_select(names, rows)
        replaced = {name: add.excluded[name] for name in names[2:]}
        await connection.execute(add.on_conflict_do_update(index_elements=names[:2], set_=replaced))

    async def keep_stages(self, connection: AsyncConnection) -> None:
        """A deal that came with a new stage went into it then. After histories are merged."""
        if self.target is not deals:
            return
        table = self.table
        rows = select(table.c.id, table.c.stage_changed_at, table.c.stage).where(
            table.c.row_outcome.in_((Outcome.INSERTED, Outcome.UPDATED)),
            table.c.stage_changed_at.is_not(None),
        )
        add = insert(deal_stage_changes).from_select(["deal_id", "at", "stage"], rows)
        await connection.execute(add.on_conflict_do_nothing())

    async def count(self, connection: AsyncConnection) -> dict[tuple[int, str], int]:
        """(file number, outcome) -> rows."""
        table = self.table
        query = select(table.c.row_file_no, table.c.row_outcome, func.count()).group_by(
            table.c.row_file_no, table.c.row_outcome
        )
        return {(row[0], row[1]): row[2] for row in await connection.execute(query)}

    def _matches(self) -> ColumnElement[bool]:
        keys = self.module.key
        return tuple_(*(self.table.c[name] for name in keys)) == tuple_(
            *(self.target.c[name] for name in keys)
        )

    def _stored(self, name: str) -> ColumnElement[Any]:
        """The staged value as it is stored: an empty one takes the default of the table."""
        if name == "digest":
            return self.table.c.row_digest
        staged: ColumnElement[Any] = self.table.c[name]
        default = self.target.c[name].server_default
        if not isinstance(default, DefaultClause):
            return staged
        return func.coalesce(staged, default.arg)
