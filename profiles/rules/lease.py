"""The platform's lease (租约): so long a terminal may take money, or give it back, without hearing of the platform.

A box that was stolen goes on deciding, but not about money: its platform renews the lease no more, and what is on the
disk ends by itself. Doors are never asked about it.
"""

from __future__ import annotations

from collections.abc import Iterator

from profiles.published import Published
from profiles.reasons import ReasonEnum, Sentence
from profiles.trace import Asked, Rule

_S = Sentence


class LeaseReason(ReasonEnum):
    """What is said where the lease has ended."""

    LEASE_ENDED = (
        "lease-ended",
        _S("此处暂停收款，请到服务台付款", "No money is taken here now; please pay at the service desk"),
        _S(
            "平台的租约已到期：接通网络，平台会续约；长期离线时请安装平台新发的租约",
            "the platform's lease has ended: connect the terminal, which renews it, or bring it the platform's new one",
        ),
    )


def rules(facts: Published) -> Iterator[Asked]:
    """Whether the lease holds; of a terminal that was never given one nothing is asked."""
    holds = facts.lease()
    if holds is not None:
        yield Rule.LEASE, holds, LeaseReason.LEASE_ENDED


def refusal(facts: Published) -> ReasonEnum | None:
    """Why no money may move, if it may not."""
    return LeaseReason.LEASE_ENDED if facts.lease() is False else None
