"""Deny lists: one bit a credential, one bitmap an issuer; and the small emergency list beside them.

The bitmap is that of the IETF Token Status List (draft-ietf-oauth-status-list §4.1, one bit an entry): entry ``i`` is
bit ``i mod 8``, least significant first, of byte ``i div 8``: a list of ten million citizens is 1.25 MB.
"""

from __future__ import annotations

from typing import Protocol

from agent.credentials.trust import Term


class Bits(Protocol):
    """Bytes, in memory or elsewhere."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: int, /) -> int: ...


class Keys(Protocol):
    """Sorted keys of one size, such as an :class:`agent.bundles.table.Table`."""

    def __contains__(self, key: object, /) -> bool: ...


class StatusList:
    """The deny list of one issuer: ``bits`` hold entry 0 first, ``size`` entries altogether."""

    __slots__ = ("_bits", "size", "term", "version")

    def __init__(self, bits: Bits, size: int, term: Term, version: int = 0) -> None:
        if not 0 < size <= 8 * len(bits):
            raise ValueError(f"{len(bits)} bytes hold no {size} entries")
        self._bits = bits
        self.size = size
        self.term = term
        self.version = version

    def revoked(self, index: int) -> bool:
        """Whether entry ``index`` is revoked. An entry beyond the list is: nobody ever vouched for it (§8.3)."""
        if 0 <= index < self.size:
            return bool(self._bits[index >> 3] >> (index & 7) & 1)
        return True

    def __repr__(self) -> str:
        return f"StatusList(version={self.version}, size={self.size})"


class EmergencyList:
    """Tokens and media that are denied everywhere at once, whoever issued them."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Keys = frozenset()) -> None:
        self._keys = keys

    def holds(self, token_or_medium: bytes) -> bool:
        """Whether these 16 bytes are denied."""
        return token_or_medium in self._keys
