"""Times of day in settings, as people write them and YAML does not read them."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _clock(value: object) -> object:
    """``HH:MM``. YAML reads an unquoted 12:00 as the number 720, which must not become twelve minutes past midnight."""
    if isinstance(value, time) or (isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value)):
        return value
    raise PydanticCustomError(
        "said",
        "{en}",
        {"zh": '应为加引号的当地时间 HH:MM，如 "11:30"', "en": 'should be a local time HH:MM in quotes, like "11:30"'},
    )


LocalTime = Annotated[time, BeforeValidator(_clock)]
