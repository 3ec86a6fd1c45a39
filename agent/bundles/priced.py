"""The contents of ``price-list`` and ``tariff`` bundles: small, read whole, and always full bundles, never deltas.

Who signs a price can mistype it, so every rule is held here as well as where the bundle is made, and each breach has a
name (:class:`PriceFault`). What the terminal cannot be sure to charge correctly is not installed; the old one stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeVar

from pydantic import Field

from agent.bundles.errors import BundleError, BundleFault
from agent.bundles.manifest import Manifest
from agent.sync.contract.errors import ContractError
from agent.sync.contract.messages import TimeMs
from agent.sync.contract.wire import Key, Message, Wire
from profiles.amounts import MAX_AMOUNT_FEN
from profiles.published import Gives, Item, Pairs, Per, Prices, Promotion, Steps, Tariff, Window
from profiles.reasons import Sentence

MAX_PRICES_BYTES = 1 << 20
MAX_TARIFF_BYTES = 4 << 20
MAX_ITEMS = 4_096
MAX_PROMOTIONS = 256
MAX_TABLES = 64
MAX_STEPS = 256
MAX_PLACES = 512
MAX_NAME_CHARS = 32
MAX_VALUE = 0xFFFF_FFFE
_CODE = re.compile(r"[0-9]{1,14}")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_WHOSE = re.compile(r"[a-z][a-z0-9-]{0,31}")

_Text = Annotated[str, Field(max_length=64)]
_Number = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Per = Annotated[Per, Field(strict=False)]
_Gives = Annotated[Gives, Field(strict=False)]


class PriceFault(Enum):
    """What is wrong with a price list or a tariff, for who signs it."""

    CODE = (
        "code",
        Sentence("编号应为 1 至 14 位数字", "a code is 1 to 14 digits"),
    )
    ID = ("id", Sentence("标识应为小写字母、数字或连字符", "an id is made of a-z, 0-9 and -"))
    NAME = ("name", Sentence("名称应为 1 至 32 个可见字符", "a name has 1 to 32 printable characters"))
    PRICE = (
        "price",
        Sentence(f"价格应为 1 至 {MAX_AMOUNT_FEN} 分", f"a price is 1 to {MAX_AMOUNT_FEN} fen"),
    )
    DUPLICATE = ("duplicate", Sentence("重复出现", "stands there twice"))
    ORDER = ("order", Sentence("没有按顺序排列", "stands out of order"))
    WINDOW = ("window", Sentence("结束时间应晚于开始时间", "it ends before it begins"))
    OVERLAP = (
        "overlap",
        Sentence("与同一标识的另一项时间重叠", "overlaps in time with another entry of the same id"),
    )
    DISCOUNT = (
        "discount",
        Sentence(
            "优惠应为 1% 至 99%，或小于起用金额的固定金额，二者取一",
            "a discount is either 1 to 99 percent, or an amount below least_fen",
        ),
    )
    STEPS = (
        "steps",
        Sentence(
            "分段须逐段上升，数值在范围内",
            "the steps must rise, and their values be within bounds",
        ),
    )
    PAIRS = (
        "pairs",
        Sentence("区间表的大小或数值不对", "the table of pairs has another size, or a value beyond its bounds"),
    )

    def __init__(self, code: str, sentence: Sentence) -> None:
        self.code = code
        self.sentence = sentence

    def at(self, where: str) -> BundleError:
        """The refusal, with the place that it is about."""
        where = where if where.isprintable() else ascii(where)
        told = Sentence(f"{where}：{self.sentence.zh}", f"{where}: {self.sentence.en}")
        return BundleError(BundleFault.CONTENT, told)


class ItemRow(Wire):
    """An item; the bounds are :func:`prices_in_force`'s."""

    code: Annotated[_Text, Key(1)]
    zh: Annotated[_Text, Key(2)]
    en: Annotated[_Text, Key(3)]
    price_fen: Annotated[_Number, Key(4)]
    per: Annotated[_Per, Key(5)]


class PricesContent(Message):
    """A price list: items by code, each once."""

    MAX_BYTES: ClassVar[int] = MAX_PRICES_BYTES
    items: Annotated[tuple[ItemRow, ...], Field(min_length=1, max_length=MAX_ITEMS), Key(1)]


class WindowedRow(Wire):
    """What holds from one moment (included) until another (excluded)."""

    id: Annotated[_Text, Key(1)]
    from_ms: Annotated[TimeMs, Key(2)]
    until_ms: Annotated[TimeMs, Key(3)]


class PromotionRow(WindowedRow):
    """A :class:`profiles.published.Promotion`."""

    zh: Annotated[_Text, Key(4)]
    en: Annotated[_Text, Key(5)]
    whose: Annotated[_Text | None, Key(6)] = None
    least_fen: Annotated[_Number, Key(7)]
    percent: Annotated[_Number, Key(8)]
    off_fen: Annotated[_Number, Key(9)]
    most_fen: Annotated[_Number | None, Key(10)] = None


class StepsRow(WindowedRow):
    """A :class:`profiles.published.Steps`."""

    gives: Annotated[_Gives, Key(4)]
    rows: Annotated[tuple[tuple[_Number, _Number], ...], Field(min_length=1, max_length=MAX_STEPS), Key(5)]


class PairsRow(WindowedRow):
    """A :class:`profiles.published.Pairs`."""

    gives: Annotated[_Gives, Key(4)]
    places: Annotated[tuple[_Text, ...], Field(min_length=1, max_length=MAX_PLACES), Key(5)]
    cells: Annotated[bytes, Field(max_length=4 * MAX_PLACES**2), Key(6)]


class TariffContent(Message):
    """A tariff: promotions, steps and pairs, each by id and then by time."""

    MAX_BYTES: ClassVar[int] = MAX_TARIFF_BYTES
    promotions: Annotated[tuple[PromotionRow, ...], Field(max_length=MAX_PROMOTIONS), Key(1)]
    steps: Annotated[tuple[StepsRow, ...], Field(max_length=MAX_TABLES), Key(2)]
    pairs: Annotated[tuple[PairsRow, ...], Field(max_length=MAX_TABLES), Key(3)]


_M = TypeVar("_M", PricesContent, TariffContent)


def own_name(manifest: Manifest) -> str:
    """What settings call it: the bundle's name without its kind."""
    return manifest.name.removeprefix(f"{manifest.kind.value}-")


def prices_in_force(data: bytes, name: str, version: int) -> Prices:
    """The price list as profiles have it. Raises :class:`BundleError`."""
    rows = _read(PricesContent, data).items
    _hold_order([row.code for row in rows])
    items = {row.code: _item(row) for row in rows}
    return Prices(name, version, MappingProxyType(items))


def tariff_in_force(data: bytes, name: str, version: int) -> Tariff:
    """The tariff as profiles have it. Raises :class:`BundleError`."""
    content = _read(TariffContent, data)
    for rows in (content.promotions, content.steps, content.pairs):
        _hold_windows(rows)
    return Tariff(
        name,
        version,
        tuple(_promotion(row) for row in content.promotions),
        tuple(_steps(row) for row in content.steps),
        tuple(_pairs(row) for row in content.pairs),
    )


def always_full() -> BundleError:
    """There are no deltas of these."""
    return BundleError(
        BundleFault.CONTENT,
        Sentence("这类数据包只能是完整包", "bundles of this kind are always full ones"),
    )


def _item(row: ItemRow) -> Item:
    if _CODE.fullmatch(row.code) is None:
        raise PriceFault.CODE.at(row.code)
    if not 1 <= row.price_fen <= MAX_AMOUNT_FEN:
        raise PriceFault.PRICE.at(row.code)
    return Item(row.code, _name(row.code, row.zh, row.en), row.price_fen, row.per)


def _promotion(row: PromotionRow) -> Promotion:
    by_percent = 1 <= row.percent <= 99 and row.off_fen == 0
    by_amount = row.percent == 0 and 1 <= row.off_fen < row.least_fen
    if not (by_percent or by_amount) or not 0 <= row.least_fen <= MAX_AMOUNT_FEN:
        raise PriceFault.DISCOUNT.at(row.id)
    if row.most_fen is not None and not 1 <= row.most_fen <= MAX_AMOUNT_FEN:
        raise PriceFault.DISCOUNT.at(row.id)
    if row.whose is not None and _WHOSE.fullmatch(row.whose) is None:
        raise PriceFault.ID.at(f"{row.id}, for")
    name = _name(row.id, row.zh, row.en)
    window = Window(row.from_ms, row.until_ms)
    return Promotion(row.id, window, name, row.whose, row.least_fen, row.percent, row.off_fen, row.most_fen)


def _steps(row: StepsRow) -> Steps:
    rises = all(before[0] < after[0] for before, after in pairwise(row.rows))
    if not rises or not all(0 <= number <= MAX_VALUE for step in row.rows for number in step):
        raise PriceFault.STEPS.at(row.id)
    if row.gives is Gives.FEN and any(value > MAX_AMOUNT_FEN for _, value in row.rows):
        raise PriceFault.PRICE.at(row.id)
    return Steps(row.id, Window(row.from_ms, row.until_ms), row.gives, row.rows)


def _pairs(row: PairsRow) -> Pairs:
    _hold_order(row.places, row.id)
    if any(_ID.fullmatch(place) is None for place in row.places):
        raise PriceFault.ID.at(row.id)
    if len(row.cells) != 4 * len(row.places) ** 2:
        raise PriceFault.PAIRS.at(row.id)
    pairs = Pairs(row.id, Window(row.from_ms, row.until_ms), row.gives, row.places, row.cells)
    values = (int.from_bytes(row.cells[at : at + 4], "big") for at in range(0, len(row.cells), 4))
    if row.gives is Gives.FEN and any(MAX_AMOUNT_FEN < value <= MAX_VALUE for value in values):
        raise PriceFault.PRICE.at(row.id)
    return pairs


def _name(where: str, zh: str, en: str) -> Sentence:
    if not all(0 < len(text.strip()) <= MAX_NAME_CHARS and text.isprintable() for text in (zh, en)):
        raise PriceFault.NAME.at(where)
    return Sentence(zh, en)


def _hold_order(names: Iterable[str], where: str = "") -> None:
    for before, after in pairwise(names):
        place = f"{where}, {after}" if where else after
        if before == after:
            raise PriceFault.DUPLICATE.at(place)
        if before > after:
            raise PriceFault.ORDER.at(place)


def _hold_windows(rows: Sequence[WindowedRow]) -> None:
    for row in rows:
        if _ID.fullmatch(row.id) is None:
            raise PriceFault.ID.at(row.id)
        if row.from_ms >= row.until_ms:
            raise PriceFault.WINDOW.at(row.id)
    for before, after in pairwise(rows):
        if (before.id, before.from_ms) > (after.id, after.from_ms):
            raise PriceFault.ORDER.at(after.id)
        if before.id == after.id and after.from_ms < before.until_ms:
            raise PriceFault.OVERLAP.at(after.id)


def _read(model: type[_M], data: bytes) -> _M:
    try:
        return model.decode(data)
    except ContractError as error:
        raise BundleError(BundleFault.CONTENT, error) from error
