"""The physical pages of user programs, with how many page tables each is in.

Invariant: a page that is in no table, and that nobody else counts, goes back to the allocator at once.
"""
from __future__ import annotations

from vmm.host.kernel.memory import PageAllocator


class Frames:
    def __init__(self, pages: PageAllocator) -> None:
        self._pages = pages
        self._users: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._users)

    def alloc(self, data: bytes = b"") -> int:
        """A page with ``data``, then zeros; one user."""
        page = self._pages.alloc()
        if data.strip(b"\0"):
            self._pages.ram.write(page, data)
        self._users[page] = 1
        return page

    def share(self, page: int) -> int:
        """One more."""
        self._users[page] += 1
        return page

    def is_shared(self, page: int) -> bool:
        return self._users[page] > 1

    def drop(self, page: int) -> None:
        """One less."""
        self._users[page] -= 1
        if not self._users[page]:
            del self._users[page]
            self._pages.free(page)
