"""What a counter keeps: who works at it, the shift's sums, and the latest sales with what went back of each."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from profiles.amounts import yuan
from profiles.api import State, Subject
from profiles.elsewhere import GivenBack, Returning
from profiles.payment import Payment, PaySettings, PayState
from profiles.reasons import Sentence, counted
from profiles.return_numbers import return_number
from profiles.rules.admission import Admission

SALES_KEPT = 20
"""So many sales can be taken back here; older ones at the desk."""
SALES_SHOWN = 5


class CounterSettings(PaySettings):
    """Settings that every counter with a cashier has."""

    operators: Admission | None = Field(
        default=None, description="who signs in as a cashier; null: nobody, so nothing is taken back here"
    )
    attended: bool = Field(default=False, description="true: nothing is sold while no cashier is signed in")
    receipts: bool = Field(default=True, description="a receipt of each payment, where the lane has a printer")
    sign_out_after_ms: int = Field(
        default=900_000, ge=60_000, le=43_200_000, description="a cashier who does nothing for so long is signed out"
    )

    @field_validator("operators")
    @classmethod
    def not_everyone(cls, value: Admission | None) -> Admission | None:
        """Whoever pays would be a cashier."""
        if value is not None and value.everyone:
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": "收银员不能是所有人，请写明 entitlements 等",
                    "en": "not everyone is a cashier; name entitlements",
                },
            )
        return value


class Operator(State):
    """Who is signed in."""

    namespace: str
    id: bytes
    signed_in: bytes = Field(default=b"", description="the record that says so")

    @property
    def name(self) -> str:
        """As records of money have it: the pseudonym."""
        return f"{self.namespace[:31]}:{self.id.hex()}"

    def is_(self, subject: Subject) -> bool:
        """Whether it is this person."""
        return (self.namespace, self.id) == (subject.namespace, subject.id)


class Sums(State):
    """What was taken and what went back, in one shift. The same comes of the shift's records in the journal."""

    sales: int = 0
    sold_fen: int = 0
    offline: int = Field(default=0, description="sales without the platform")
    offline_fen: int = 0
    returns: int = 0
    returned_fen: int = 0
    counted: int = Field(default=0, description="meals that were counted and not paid")
    funds: dict[str, int] = Field(default_factory=dict, description="by fund, less what went back")

    def with_sale(self, payment: Payment) -> Sums:
        """After a payment."""
        changed = {
            "sales": self.sales + 1,
            "sold_fen": self.sold_fen + payment.amount_fen,
            "offline": self.offline + payment.offline,
            "offline_fen": self.offline_fen + payment.amount_fen * payment.offline,
            "funds": _added(self.funds, payment.funds, 1),
        }
        return self.model_copy(update=changed)

    def with_return(self, funds: Mapping[str, int]) -> Sums:
        """After something went back, by fund."""
        changed = {
            "returns": self.returns + 1,
            "returned_fen": self.returned_fen + sum(funds.values()),
            "funds": _added(self.funds, funds, -1),
        }
        return self.model_copy(update=changed)

    def with_count(self, meals: int) -> Sums:
        """After meals were counted, or a count was taken back."""
        return self.model_copy(update={"counted": self.counted + meals})


class Shift(State):
    """From its opening to its closing, and never over two business dates."""

    number: int
    business_date: str
    sums: Sums = Field(default_factory=Sums)

    @property
    def name(self) -> str:
        """As records of money have it."""
        return f"{self.business_date}-{self.number}"

    def report(self) -> dict[str, str | int | bool]:
        """The public fields of its last record."""
        sums = self.sums.model_dump(exclude={"funds"})
        by_fund = {f"from_{fund}_fen": fen for fund, fen in self.sums.funds.items()}
        net_fen = self.sums.sold_fen - self.sums.returned_fen
        return {"shift": self.name, "business_date": self.business_date, "net_fen": net_fen, **sums, **by_fund}

    def sentence(self) -> Sentence:
        """The same for the cashier."""
        sums = self.sums
        net = (
            yuan(sums.sold_fen - sums.returned_fen)
            if sums.sold_fen >= sums.returned_fen
            else ("-" + yuan(sums.returned_fen - sums.sold_fen))
        )
        return Sentence(
            f"班次 {self.name}：销售 {sums.sales} 笔 {yuan(sums.sold_fen)} 元，其中离线 {sums.offline} 笔，"
            f"退款 {sums.returns} 笔 {yuan(sums.returned_fen)} 元，计次 {sums.counted}，合计 {net} 元",
            f"Shift {self.name}: {counted(sums.sales, 'sale')} {yuan(sums.sold_fen)} yuan, "
            f"{sums.offline} of them offline; {counted(sums.returns, 'return')} {yuan(sums.returned_fen)} yuan; "
            f"{sums.counted} counted; total {net} yuan",
        )


class SoldItem(State):
    """One line of a receipt."""

    label: str
    zh: str
    en: str
    amount_fen: int


class Sale(State):
    """One payment that may be taken back here."""

    number: int
    payment: Payment
    sold_ms: int
    returned: dict[str, int] = Field(default_factory=dict, description="what of each fund went back")
    items: tuple[SoldItem, ...] = Field(default=(), description="for the receipt, of the latest sales")
    off: str = Field(default="", description="the promotion that took something off")
    off_fen: int = 0

    @property
    def left(self) -> dict[str, int]:
        """What of each fund may still go back."""
        return {fund: fen - self.returned.get(fund, 0) for fund, fen in self.payment.funds.items()}

    @property
    def left_fen(self) -> int:
        """What may still go back."""
        return sum(self.left.values())

    def line(self) -> Sentence:
        """One line of the list on the screen."""
        paid, back = yuan(self.payment.amount_fen), yuan(sum(self.returned.values()))
        zh, en = f"第 {self.number} 笔 {paid} 元", f"no. {self.number}: {paid} yuan"
        if self.payment.offline:
            zh, en = f"{zh}（离线）", f"{en} (offline)"
        return Sentence(f"{zh} 已退 {back}", f"{en}, returned {back}") if self.returned else Sentence(zh, en)


class Pending(State):
    """A cashier's card is waited for, or the amount of a refund; not for ever."""

    id: bytes
    refund: int | None = Field(default=None, description="the sale that something is given back of")


class CounterState(PayState):
    """State of a counter, saved with every record."""

    operator: Operator | None = None
    shift: Shift | None = None
    shifts: int = Field(default=0, description="how many there were")
    sold: int = Field(default=0, description="the number of the last sale")
    sales: tuple[Sale, ...] = ()
    pending: Pending | None = Field(default=None, description="what the cashier does next")
    returning: Returning | None = Field(default=None, description="the platform is asked about another till's sale")
    given_back: GivenBack | None = None

    @property
    def awaits_card(self) -> bool:
        """Whether the next card is a cashier's, to sign in or out."""
        return self.pending is not None and self.pending.refund is None

    @property
    def awaits_refund(self) -> bool:
        """Whether the next amount is a refund's."""
        return self.pending is not None and self.pending.refund is not None

    def sale_of(self, intent_id: bytes) -> Sale | None:
        """The sale of an intent."""
        return next((sale for sale in reversed(self.sales) if sale.payment.intent_id == intent_id), None)

    def returnable(self, number: int | None) -> Sale | None:
        """A sale by its number here, or by the one on its receipt."""
        by_receipt = (sale for sale in self.sales if return_number(sale.payment.intent_id) == number)
        return self.sale(number) or next(by_receipt, None)

    def sale(self, number: int | None) -> Sale | None:
        """A sale that may be taken back here."""
        return next((sale for sale in self.sales if sale.number == number), None)


def _added(funds: Mapping[str, int], more: Mapping[str, int], by: int) -> dict[str, int]:
    return {name: funds.get(name, 0) + by * more.get(name, 0) for name in sorted({*funds, *more})}
