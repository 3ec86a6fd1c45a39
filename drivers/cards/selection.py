"""Which applications a lane accepts, in which order, over which interface; and the reading of one card by that plan."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated, cast

from pydantic import Field as Bounded
from pydantic import field_validator
from pydantic_core import PydanticCustomError

from drivers.api import CardChannel, CardError, CardFault, CardReading, DriverSettings, Interface
from drivers.cards.api import CardApplication, CardContent, CardSession, Field

GROUP = "onecard.cards"


class UnknownApplication(LookupError):
    """No card application of that name is installed."""


def names() -> tuple[str, ...]:
    """All installed card applications, sorted."""
    return tuple(sorted(entry_points(group=GROUP).names))


@cache
def application(name: str) -> CardApplication:
    """The card application of that name; applications hold no state, so one serves all lanes.

    Raises :class:`UnknownApplication`.
    """
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise UnknownApplication(name)
    return cast("CardApplication", next(iter(found)).load()())


class ApplicationRule(DriverSettings):
    """One application and where it may be used.

    ``interfaces`` maps a generation to the interfaces allowed for it (applications without generations have the one
    generation 1); a generation that is missing is refused. Left out, the application's own default holds: a social
    security card of generation 2 is inserted, one of generation 3 may be tapped.
    """

    application: str
    interfaces: Mapping[Annotated[int, Bounded(ge=1, le=99)], frozenset[Interface]] | None = None

    @field_validator("application")
    @classmethod
    def _installed(cls, value: str) -> str:
        if value not in names():
            raise PydanticCustomError(
                "said",
                "{en}",
                {
                    "zh": f"没有安装这种卡应用；现有：{'、'.join(names())}",
                    "en": f"no card application of this name is installed; there are: {', '.join(names())}",
                },
            )
        return value

    def allows(self, interface: Interface, generation: int | None = None) -> bool:
        """Whether that generation may be used over the interface; without one, whether any may."""
        table = application(self.application).interfaces if self.interfaces is None else self.interfaces
        if generation is None:
            return any(interface in allowed for allowed in table.values())
        return interface in table.get(generation, frozenset())


class CardPlan(DriverSettings):
    """What a lane reads from cards. PBOC is off unless it is named."""

    applications: Annotated[tuple[ApplicationRule, ...], Bounded(min_length=1, max_length=8)] = Bounded(
        default_factory=lambda: (
            ApplicationRule(application="social-security"),
            ApplicationRule(application="t-union"),
        ),
        description="tried in this order; the first that the card carries and the interface allows is read",
    )
    wanted: frozenset[Field] = Bounded(default=frozenset(), description="fields beside identifier and validity")
    apdu_budget: int = Bounded(default=32, ge=4, le=128, description="most commands that one card may cost")

    @field_validator("applications")
    @classmethod
    def _once(cls, value: tuple[ApplicationRule, ...]) -> tuple[ApplicationRule, ...]:
        if len({rule.application for rule in value}) < len(value):
            raise PydanticCustomError(
                "said", "{en}", {"zh": "同一应用列了两次", "en": "an application is listed twice"}
            )
        return value


def read_card(channel: CardChannel, plan: CardPlan, reader_name: str) -> CardReading:
    """Read the first of the plan's applications that the card carries and may be used over this interface.

    Applications that this interface allows to no generation are tried last and asked for nothing more than who they
    are: only so can a citizen be told to insert the card instead of tapping it. Raises :class:`CardError`
    (UNSUPPORTED, INTERFACE, and what applications raise) and :class:`ReaderError`.
    """
    session = CardSession(channel, plan.apdu_budget)
    refused = False
    for rule in sorted(plan.applications, key=lambda rule: not rule.allows(session.interface)):
        usable = rule.allows(session.interface)
        if refused and not usable:
            break
        content = application(rule.application).read(session, plan.wanted if usable else frozenset())
        if content is None:
            continue
        if rule.allows(session.interface, content.generation):
            return _reading(session, rule.application, content, reader_name)
        refused = True
    raise CardError(CardFault.INTERFACE if refused else CardFault.UNSUPPORTED, session.interface.value)


def _reading(session: CardSession, name: str, content: CardContent, reader_name: str) -> CardReading:
    return CardReading(
        reader=reader_name,
        at_ns=session.last_answer_ns,
        application=name,
        interface=session.interface,
        issuer=content.issuer,
        identifier=content.identifier,
        authenticated=content.authenticated,
        fields={field.value: value for field, value in content.fields.items()},
        valid_from=content.valid_from,
        valid_until=content.valid_until,
        apdu_count=session.apdu_count,
    )
