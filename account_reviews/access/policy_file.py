"""The policy as its file says now, for what is judged at the moment it is said."""

from collections.abc import Callable
from pathlib import Path

from account_reviews.domain.errors import PolicyError
from account_reviews.domain.policy.model import SHIPPED, Policy


class PolicyFile:
    """Reads the file again when it changed. `load` gives the whole policy, aliases included."""

    def __init__(self, path: Path | None, load: Callable[[], Policy]) -> None:
        self._path = path or SHIPPED
        self._load = load
        self._seen: tuple[int, int, int] | None = None
        self._policy: Policy | None = None

    def current(self) -> Policy:
        """The policy now. PolicyError for a file that is gone or has a fault, until it is mended:
        the policy of before is no answer, since somebody may have been taken out of it."""
        try:
            stat = self._path.stat()
        except OSError as error:
            self._seen = None
            raise PolicyError(
                f"the policy file {self._path} cannot be read: {error.strerror}"
            ) from None
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if self._policy is None or seen != self._seen:
            self._policy, self._seen = None, None
            self._policy, self._seen = self._load(), seen
        return self._policy
