"""What a cashier puts together for whoever pays next: an amount, or things of a price list by piece and by weight."""

from __future__ import annotations

from pydantic import Field

from profiles.amounts import MAX_AMOUNT_FEN, AmountProblem, yuan
from profiles.api import State
from profiles.published import Item, Per
from profiles.reasons import Sentence

MAX_LINES = 40
MAX_GRAMS = 30_000
_WEIGH_IT = Sentence(
    "按重量计价，请称重：放上秤，或输入克数并按重量键",
    "Sold by weight; please weigh it: on the scale, or by its grams and the weight key",
)
_TOO_LIGHT = Sentence("重量太小，请重新称重", "It weighs too little; please weigh it again")


class Line(State):
    """One thing of a basket."""

    code: str
    zh: str = ""
    en: str = ""
    grams: int = Field(default=0, description="0: sold by the piece")
    amount_fen: int

    @property
    def label(self) -> str:
        """As the record has it: ``12``, or ``20:350g``."""
        return f"{self.code}:{self.grams}g" if self.grams else self.code


class Basket(State):
    """An order, from its first key until it is paid, taken back or has waited too long."""

    id: bytes = b""
    amount_fen: int = 0
    lines: tuple[Line, ...] = ()
    prices: str = Field(default="", description="name and version of the signed price list of its lines")
    grams: int = Field(default=0, description="typed, for the next thing by weight")
    bill: str = Field(default="", description="the number of the bill that is paid")
    first: str = Field(default="", description="the kind of account that the holder wants to pay first")
    guests: int = Field(default=0, description="so many guests' meals, at the price of the moment they are paid")

    def public(self) -> dict[str, str | int | bool]:
        """What of it stands in the record of the intent."""
        stated: dict[str, str | int | bool] = {}
        if self.lines:
            stated["items"] = ",".join(line.label for line in self.lines)
        if self.prices:
            stated["price_list"] = self.prices
        if self.bill:
            stated["bill"] = self.bill
        if self.guests:
            stated["guests"] = self.guests
        return stated

    def with_item(self, item: Item, on_scale_grams: int) -> Basket | Sentence:
        """With one thing more, by the typed weight before the scale's; or why not, for the cashier."""
        grams = 0
        if item.per is Per.KILOGRAM:
            grams = self.grams or on_scale_grams
            if grams == 0:
                return _WEIGH_IT
        amount_fen = item.cost_fen(grams) if grams else item.price_fen
        if amount_fen == 0:
            return _TOO_LIGHT
        if len(self.lines) >= MAX_LINES or self.amount_fen + amount_fen > MAX_AMOUNT_FEN:
            return AmountProblem.TOO_MUCH.sentence
        line = Line(code=item.code, zh=item.name.zh, en=item.name.en, grams=grams, amount_fen=amount_fen)
        changed = {"amount_fen": self.amount_fen + amount_fen, "lines": (*self.lines, line), "grams": 0}
        return self.model_copy(update=changed)

    def told(self, item: Item) -> Sentence:
        """What the screen says of the line that was added last."""
        line, due = self.lines[-1], yuan(self.amount_fen)
        weight = f" {line.grams} g" if line.grams else ""
        price = yuan(line.amount_fen)
        return Sentence(
            f"{item.name.zh}{weight}：{price} 元，请付款 {due} 元",
            f"{item.name.en}{weight}: {price}; please pay {due} yuan",
        )


NO_ORDER = Basket()
"""Nothing was put together, as where a price is fixed."""
