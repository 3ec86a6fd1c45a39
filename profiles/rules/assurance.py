"""The least assurance that a lane accepts, as people write it in its settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from profiles.api import Assurance


def by_name(value: object) -> object:
    """Read an assurance by its name."""
    if isinstance(value, str):
        names = {level.name.lower().replace("_", "-"): level for level in Assurance}
        if value not in names:
            raise PydanticCustomError(
                "said",
                "{en}",
                {"zh": f"应为 {'、'.join(names)} 之一", "en": f"should be one of {', '.join(names)}"},
            )
        return names[value]
    return value


LeastAssurance = Annotated[Assurance, BeforeValidator(by_name)]
