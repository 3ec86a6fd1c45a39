"""Events and effects that only one family of scenes has, joined here so that :mod:`profiles.api` names them once."""

from __future__ import annotations

from profiles.amounts import Typed, Weighed
from profiles.barcodes import Barcode
from profiles.foreign import ForeignShown
from profiles.handover import HandoverEffect, HandoverEvent
from profiles.loans import LibraryEffect, LibraryReply
from profiles.orders import Obeyed, OpenOnce
from profiles.paper import NotPrinted, Print
from profiles.questions import Reply
from profiles.screen import ScreenEffect
from profiles.subsidies import PinEntered

_Shown = Barcode | ForeignShown | OpenOnce
FamilyEvent = Reply | Typed | Weighed | _Shown | LibraryReply | HandoverEvent | NotPrinted | PinEntered
FamilyEffect = LibraryEffect | HandoverEffect | Print | ScreenEffect | Obeyed
