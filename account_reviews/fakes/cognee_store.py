"""What the fake Cognee holds: users, datasets, documents, and the runs that work them off."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

CHUNK: Final = 2000
"""Characters of one piece of text."""
_WORD: Final = re.compile(r"\w+")


@dataclass
class User:
    id: str
    email: str
    password: str = field(repr=False)
    keys: set[str] = field(default_factory=set, repr=False)


@dataclass
class Dataset:
    id: str
    name: str
    owner: str
    created_at: datetime


@dataclass
class Document:
    """One thing that was added. It is found once a run that began after it has ended well."""

    id: str
    dataset_id: str
    owner: str
    name: str
    text: str
    label: str | None
    metadata: Mapping[str, Any] | None
    node_set: frozenset[str]
    listed_at: datetime
    ready_at: datetime | None = None

    @property
    def digest(self) -> str:
        return hashlib.md5(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Run:
    id: str
    dataset_id: str
    begins: datetime
    ends: datetime
    fails: bool


class CogneeStore:
    """Everything in it, and what a search finds. `settle` brings it up to a moment."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.tokens: dict[str, tuple[str, datetime]] = {}
        self.datasets: dict[str, Dataset] = {}
        self.documents: dict[str, Document] = {}
        self.runs: list[Run] = []
        self.failing_runs = 0
        """So many runs to come fail."""
        self.leaks = False
        """Searches give what is of other node sets and of other users, too."""
        self.deleted: list[str] = []

    def new_id(self) -> str:
        """Never given before, also not by a server that was started anew."""
        return str(uuid4())

    def add_user(self, email: str, password: str, *keys: str) -> User:
        user = User(self.new_id(), email, password, set(keys))
        self.users[user.id] = user
        return user

    def dataset_of(self, owner: str, name: str, now: datetime) -> Dataset:
        """The owner's dataset of that name, made where there is none."""
        for one in self.datasets.values():
            if (one.owner, one.name) == (owner, name):
                return one
        made = Dataset(self.new_id(), name, owner, now)
        self.datasets[made.id] = made
        return made

    def add(
        self,
        dataset: Dataset,
        owner: str,
        files: Iterable[tuple[str, str, str | None, Mapping[str, Any] | None]],
        node_set: Collection[str],
        at: datetime,
    ) -> list[Document]:
        """Each file once: what says the same is the same."""
        found = []
        for name, text, label, metadata in files:
            made = Document(
                self.new_id(),
                dataset.id,
                owner,
                name,
                text,
                label,
                metadata,
                frozenset(node_set),
                at,
            )
            same = next(
                (
                    one
                    for one in self.documents.values()
                    if (one.dataset_id, one.owner, one.digest) == (dataset.id, owner, made.digest)
                ),
                None,
            )
            if same is None:
                self.documents[made.id] = same = made
            else:
                same.node_set |= made.node_set
            found.append(same)
        return found

    def begin(self, dataset_id: str, begins: datetime, takes: timedelta, *, fails: bool) -> Run:
        """A run over all that the dataset has until it begins."""
        if self.failing_runs:
            self.failing_runs, fails = self.failing_runs - 1, True
        made = Run(self.new_id(), dataset_id, begins, begins + takes, fails)
        self.runs.append(made)
        return made

    def settle(self, now: datetime) -> None:
        """Runs that have ended by now have done their work."""
        for run in self.runs:
            if run.fails or run.ends > now:
                continue
            for one in self.documents.values():
                due = one.dataset_id == run.dataset_id and one.listed_at <= run.begins
                if due and one.ready_at is None:
                    one.ready_at = run.ends

    def status(self, dataset_id: str, now: datetime) -> str | None:
        """Of the newest run that has begun."""
        begun = [run for run in self.runs if run.dataset_id == dataset_id and run.begins <= now]
        if not begun:
            return None
        last = max(begun, key=lambda run: run.begins)
        if last.ends > now:
            return "DATASET_PROCESSING_STARTED"
        return f"DATASET_PROCESSING_{'ERRORED' if last.fails else 'COMPLETED'}"

    def search(
        self, datasets: Collection[str], words: str, node_names: Collection[str] | None, top_k: int
    ) -> list[tuple[Document, int, str, float]]:
        """Pieces of text with their place in the document, those first that share most words.

        As with vectors, what shares none comes too, while there is room.
        """
        asked = set(_WORD.findall(words.lower()))
        found = []
        for one in self.documents.values():
            if one.ready_at is None:
                continue
            named = node_names is None or not one.node_set.isdisjoint(node_names)
            if not self.leaks and (one.dataset_id not in datasets or not named):
                continue
            for place, start in enumerate(range(0, max(1, len(one.text)), CHUNK)):
                piece = one.text[start : start + CHUNK]
                shared = asked & set(_WORD.findall(piece.lower()))
                found.append((one, place, piece, len(shared) / (len(asked) or 1)))
        found.sort(key=lambda hit: -hit[3])
        return found[:top_k]
