"""Sequences whose items are read from disk when asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

Place = TypeVar("Place")
Item = TypeVar("Item")


class LazilyRead(Sequence[Item], Generic[Place, Item]):
    """Items read when asked for; the latest stay in memory, one at least, however many there are.

    Args:
        places: Where each is.
        read: One of them, from its place.
        size: Of an item, bytes.
        memory: Bytes that those which stay may take.
    """

    def __init__(
        self, places: Sequence[Place], read: Callable[[Place], Item], size: Callable[[Item], int], memory: float
    ) -> None:
        self.places = tuple(places)
        self._read, self._size, self._memory = read, size, memory
        self._held: OrderedDict[int, Item] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> LazilyRead[Place, Item]: ...
    def __getitem__(self, index: int | slice) -> Item | LazilyRead[Place, Item]:
        if isinstance(index, slice):
            return LazilyRead(self.places[index], self._read, self._size, self._memory)
        number = range(len(self))[index]
        if number not in self._held:
            self._held[number] = self._read(self.places[number])
            self._bytes += self._size(self._held[number])
            while self._bytes > self._memory and len(self._held) > 1:
                self._bytes -= self._size(self._held.popitem(last=False)[1])
        self._held.move_to_end(number)
        return self._held[number]
