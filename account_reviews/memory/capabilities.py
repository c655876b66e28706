"""What the memories of ours can do, for whoever needs no more of them."""

from typing import Final

from account_reviews.memory.protocol import MemoryCapabilities

POSTGRES: Final = MemoryCapabilities(name="postgres", delete=True, max_batch=500, local=True)
COGNEE: Final = MemoryCapabilities(name="cognee", semantic=True, delete=True, max_batch=100)
