"""Work that calls the outside: units of work with acquirers between them. Only those that answer from memory (the
simulators) are asked inside one, so that what is intended and what came of it are stored together.

A crash between two units leaves an intent that a job finishes: an attempt without outcome is inquired about, a capture
or refund without answer is asked for again under its key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import msgspec
import structlog

from dodeca.kernel.crypto import Keyring
from dodeca.kernel.errors import DodecaError, Invalid, Upstream
from dodeca.products.payments import acquirers
from dodeca.products.payments.acquirers.protocol import Acquirer, Approved, Ask, CardData, Unknown, at_once, guarded
from dodeca.products.payments.at_hand import at_hand
from dodeca.products.payments.models import Order, Payment, Refund
from dodeca.products.payments.service import attempts, billing, captures, disputes, methods, paying, refunds
from dodeca.products.payments.service.attempts import Answer
from dodeca.products.payments.service.cards import CardFacts, facts
from dodeca.products.payments.service.desk import Desk, desk_by_id
from dodeca.products.payments.service.paying import PayRequest
from dodeca.products.payments.service.steps import Ahead, Step, locked

if TYPE_CHECKING:
    from dodeca.kernel.db import WriteSession
    from dodeca.kernel.platform import Platform

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Till(Protocol):
    """Whose till it is, found with the unit's Session. `ahead` is called as soon as the merchant is known, before rows
    are locked: it may ask what goes in the same trip."""

    def __call__(self, session: Any, /, *, ahead: Ahead | None = None) -> Desk: ...


def card_key(keyring: Keyring) -> bytes:
    """The installation's key for cards' fingerprints."""
    return keyring.key("payments.card")


def card_facts(keyring: Keyring, card: CardData) -> CardFacts:
    """What of a card may enter the database."""
    return facts(card, card_key(keyring))


async def pay(platform: Platform, desk: Desk, request: PayRequest, card: CardData | None = None) -> str:
    """Try to pay; gives the payment's id, whatever became of it. Raises what `paying.begin` refuses."""
    return await paid(platform, _at(desk), desk.mode, request, card, show=lambda _session, row: row.id)


def _at(desk: Desk) -> Till:
    """A till that is known already."""

    def till(_session: Any, *, ahead: Ahead | None = None) -> Desk:
        if ahead is not None:
            ahead(desk.merchant)
        return desk

    return till


async def paid(
    platform: Platform,
    till: Till,
    mode: str,
    request: PayRequest,
    card: CardData | None,
    *,
    show: Callable[[Any, Payment], T],
) -> T:
    """The same, at a till that is found in the unit of work; gives what `show` makes of the payment. `show` must not
    raise: what happened is to be stored."""
    kept = request
    if card is not None:
        again = request.save or request.subscription_id is not None
        vaults = await tokenise_everywhere(platform, card, mode) if again else {}
        kept = msgspec.structs.replace(request, card=card_facts(platform.keyring, card), vaults=vaults)

    def begin(session: WriteSession) -> Step:
        return paying.begin(session, till(session, ahead=partial(paying.ask_ahead, session, kept)), kept)

    _last, found = await _followed(platform, begin, card, show)
    return found


async def _followed(
    platform: Platform,
    begin: Callable[[WriteSession], Step],
    card: CardData | None,
    show: Callable[[Any, Payment], T],
) -> tuple[Step, T]:
    """Follow the steps from `begin` on; gives the last, and what `show` makes of the payment."""

    def unit(session: WriteSession) -> tuple[Step, T | None]:
        at_hand(platform).expect_acquirers(session)
        step = immediately(session, begin(session), card)
        return step, show(session, step.work.payment) if step.kind == "done" and step.work is not None else None

    step, found = await platform.db.awrite(unit)
    if step.kind == "done":
        return step, cast(T, found)
    try:
        last = await go_on(platform, step, card)
        return last, await platform.db.aread(lambda session: show(session, session.get_one(Payment, last.payment_id)))
    except DodecaError as error:
        error.details.setdefault("payment_id", step.payment_id)  # it was begun: asking again would begin another
        raise


async def go_on(platform: Platform, step: Step, card: CardData | None = None) -> Step:
    """Follow the steps until there is nothing more to ask."""
    while step.kind != "done":
        answer = await _asked(step, card)
        asked = msgspec.structs.replace(step, work=None)
        step = await platform.db.awrite(
            lambda session, s=asked, a=answer: immediately(session, attempts.take(session, s, a), card)  # type: ignore[misc]
        )
    return step


def immediately(session: WriteSession, step: Step, card: CardData | None = None) -> Step:
    """Follow the steps that need nobody outside, in the unit of work that they come from: whatever it stores is stored
    together with its answers."""
    while step.acquirer is not None and step.acquirer.is_immediate:
        step = attempts.take(session, step, at_once(_asked(step, card)))
    if step.work is not None:
        step.work.store(session)
    return step


async def _asked(step: Step, card: CardData | None) -> Answer:
    """What the acquirer of a step answers."""
    acquirer, ask = step.acquirer, step.ask
    if acquirer is None:
        raise TypeError("A step that asks names whom.")
    if ask is None:
        return Answer(
            await guarded(acquirer.capture(f"cap:{step.payment_id}", step.reference, step.amount, step.currency))
        )
    vault, started = ask.vault, time.monotonic()
    if card is not None and vault is None:
        vault = await acquirer.tokenise(card)
        ask = msgspec.structs.replace(ask, vault=vault)
    result = await guarded(acquirer.authorise(ask))
    return Answer(result, vault, round((time.monotonic() - started) * 1000))


async def answer(platform: Platform, payment_id: str, reply: str) -> None:
    """Hand the payer's OTP or choice to the acquirer. Raises Invalid for a wrong OTP that may be typed again."""
    step = await platform.db.awrite(lambda session: attempts.answer(session, payment_id, reply))
    if step.acquirer is None or step.ask is None:
        raise TypeError("A step that asks names whom.")
    ask: Ask = step.ask
    result = await guarded(step.acquirer.complete_authentication(ask, step.reference, reply))
    following = await platform.db.awrite(lambda session: attempts.answered(session, ask.key, result))
    if following.refused:
        raise Invalid(following.refused, field="otp")
    await go_on(platform, following)


async def capture(platform: Platform, desk: Desk, payment_id: str, amount: int | None, currency: str | None) -> None:
    """Capture an authorised payment. Raises Invalid, Conflict, NotFound, Upstream."""
    await captured(platform, _at(desk), payment_id, amount, currency, show=lambda _session, _payment: None)


async def captured(
    platform: Platform,
    till: Till,
    payment_id: str,
    amount: int | None,
    currency: str | None,
    *,
    show: Callable[[Any, Payment], T],
) -> T:
    """The same, at a till that is found in the unit of work; gives what `show` makes of the payment."""
    last, found = await _followed(
        platform, lambda session: captures.request(session, till(session), payment_id, amount, currency), None, show
    )
    error = captures.refused(last)
    if error is not None:
        raise error
    return found


async def repeat_capture(platform: Platform, payment_id: str) -> None:
    """Ask again for a capture that was never answered."""

    def again(session: WriteSession) -> Step | None:
        work = locked(session, payment_id)
        if work.payment.capturing_at is None or work.payment.status != "authorized":
            return None
        return captures.step_of(session, work)

    step = await platform.db.awrite(again)
    if step is not None:
        await go_on(platform, step)


async def refund(platform: Platform, begin: Callable[[WriteSession], Refund]) -> Refund:
    """Make a refund with `begin` and ask for it where that is still to be done. Raises what `begin` refuses."""
    made = await platform.db.awrite(begin)
    if made.status != "pending":
        return made
    await ask_refund(platform, made.id)
    return await platform.db.aread(lambda session: session.get_one(Refund, made.id))


async def ask_refund(platform: Platform, refund_id: str) -> bool:
    """Ask the acquirer for a pending refund; false when it is still pending."""
    wanted = await platform.db.aread(lambda session: refunds.to_ask(session, refund_id))
    if wanted is None:
        return True
    acquirer, reference, amount, currency = wanted
    result = await guarded(acquirer.refund(refund_id, reference, amount, currency))
    return await platform.db.awrite(lambda session: refunds.finish(session, refund_id, result))


async def inquire(platform: Platform, attempt_id: str, number: int) -> None:
    """Ask what became of an attempt without outcome, and plan the next inquiry where nobody knows yet."""
    wanted = await platform.db.aread(lambda session: attempts.to_inquire(session, attempt_id))
    if wanted is None:
        return
    acquirer, ask = wanted
    result = await guarded(acquirer.inquire(ask))
    if isinstance(result, Unknown):
        await platform.db.awrite(lambda session: attempts.inquire_again(session, attempt_id, number))
        return
    step = await platform.db.awrite(lambda session: attempts.record(session, attempt_id, Answer(result)))
    await go_on(platform, step)
    if getattr(getattr(acquirer, "settings", None), "duplicate_callbacks", False):
        again = await platform.db.awrite(lambda session: attempts.record(session, attempt_id, Answer(result)))
        await go_on(platform, again)


async def void(platform: Platform, payment_id: str) -> None:
    """Tell the acquirer that an authorisation is not needed. Raises Upstream, so that the job is repeated."""

    def whom(session: WriteSession) -> tuple[Acquirer, str]:
        payment = locked(session, payment_id).payment
        return acquirers.acquirer(session, payment.acquirer or ""), payment.acquirer_reference or ""

    acquirer, reference = await platform.db.awrite(whom)
    result = await guarded(acquirer.void(f"void:{payment_id}", reference))
    if not isinstance(result, Approved):
        raise Upstream("The acquirer did not void the authorisation.")


async def decide_dispute(platform: Platform, dispute_id: str) -> None:
    """Ask how a contested dispute was decided; one that nobody answered in time is lost."""
    wanted = await platform.db.aread(lambda session: disputes.to_decide(session, dispute_id))
    outcome = None
    if wanted is not None:
        acquirer, reference, documents = wanted
        outcome = await acquirer.decide_dispute(reference, documents)
        if outcome is None:  # asked again by the job that looks for those
            return
    await platform.db.awrite(lambda session: disputes.decide(session, dispute_id, outcome))


async def tokenise_everywhere(platform: Platform, card: CardData, mode: str) -> dict[str, str]:
    """Put a card into the vault of every acquirer of the mode that can be reached."""
    found = await platform.db.aread(lambda session: acquirers.installed(session, mode))
    vaults: dict[str, str] = {}
    for name, (acquirer, enabled) in found.items():
        if enabled and "card" in acquirer.capabilities.methods:
            try:
                vaults[name] = await acquirer.tokenise(card)
            except DodecaError as error:
                log.warning("payments.vault_unreachable", acquirer=name, error=str(error))
    return vaults


async def charge(platform: Platform, order_id: str, account_id: str, method_id: str) -> None:
    """Charge an order to a saved method, unless it was tried before: a repeated job must not charge twice."""

    def begin(session: WriteSession) -> Step | None:
        order = session.get_one_locked(Order, order_id)
        if order.attempts or order.status == "paid":
            return None
        desk = desk_by_id(session, order.merchant_id, order.mode)
        row = methods.chargeable(session, account_id, method_id)
        request = PayRequest(
            amount=order.amount,
            currency=order.currency,
            method=row.method_type,
            order_id=order.id,
            kept_card_id=row.card_id,
            vpa=row.vpa,
            recurring=True,
            payer_account_id=account_id,
        )
        return immediately(session, paying.begin(session, desk, request))

    step = await platform.db.awrite(begin)
    if step is not None:
        await go_on(platform, step)


async def exhaust(platform: Platform, step: Callable[[WriteSession], int]) -> None:
    """Do a step that takes a batch, each time in a unit of its own, until there is nothing left for it."""
    while await platform.db.awrite(step):
        pass


async def bill(platform: Platform, subscription_id: str) -> None:
    """Take what is due for a subscription, if anything is."""

    def begin(session: WriteSession) -> Step | None:
        step = billing.begin_charge(session, subscription_id)
        return None if step is None else immediately(session, step)

    step = await platform.db.awrite(begin)
    if step is not None:
        await go_on(platform, step)


async def bill_all(platform: Platform, clock_id: str | None = None) -> int:
    """Take all that is due for all subscriptions, cycle after cycle; gives how many charges were begun.

    Those whose trial ends are told before, and what nobody agreed to in time is over."""
    for step in (billing.tell_trial_ends, billing.expire):
        await exhaust(platform, partial(step, clock_id=clock_id))
    total = 0
    while names := await platform.db.aread(lambda session: billing.due(session, clock_id)):
        for name in names:
            await bill(platform, name)
        total += len(names)
    return total
