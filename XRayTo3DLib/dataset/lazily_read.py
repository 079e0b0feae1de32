"""Sequences whose items are read from disk when asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

Place = TypeVar("Place")
Item = TypeVar("Item")


class LazilyRead(Sequence[Item], Generic[Place, Item]):
    """Items read when asked for; the latest stay in memory.

    Args:
        places: Where each is.
        read: One of them, from its place.
        keep: How many stay in memory.
    """

    def __init__(self, places: Sequence[Place], read: Callable[[Place], Item], keep: int) -> None:
        self._places, self._read, self._keep = tuple(places), read, max(1, keep)
        self._held: OrderedDict[int, Item] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> LazilyRead[Place, Item]: ...
    def __getitem__(self, index: int | slice) -> Item | LazilyRead[Place, Item]:
        if isinstance(index, slice):
            return LazilyRead(self._places[index], self._read, self._keep)
        number = range(len(self))[index]
        if number not in self._held:
            self._held[number] = self._read(self._places[number])
            while len(self._held) > self._keep:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number]
