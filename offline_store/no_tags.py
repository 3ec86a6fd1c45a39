"""CBOR without tags, for bytes that cross a trust boundary: cbor2 builds dates, decimals, huge integers and shared
values of tags, from hostile bytes too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NoReturn

import cbor2


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("tags are not used")


class _NoTags(Mapping[int, cbor2.SemanticDecoderCallback]):
    """Stands for every tag at once."""

    def __getitem__(self, tag: int) -> cbor2.SemanticDecoderCallback:
        return _refuse_tag

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 1


NO_TAGS: Mapping[int, cbor2.SemanticDecoderCallback] = _NoTags()
"""For cbor2's ``semantic_decoders``: whatever its number, a tag is an error."""
