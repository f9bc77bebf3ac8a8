"""The checkout in a real browser: over a shop's page, alone, without JavaScript, by keyboard; and the dashboard."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from tests.products.payments.live.conftest import PASSWORD, Shop, new_shop
from tests.support.browser import chromium, needs_chromium, violations
from tests.support.server import LiveServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    needs_chromium,
]
PICTURES = os.environ.get("DODECA_PICTURES")
SHOP_PAGE = """<!doctype html><html lang="en"><title>Corner shop</title><h1>Corner shop</h1>
<button id="pay">Pay</button><pre id="out"></pre>
<script src="{base}/v1/checkout.js"></script>
<script>
const out = document.getElementById("out")
const checkout = new Razorpay({{
  key: "{key}", order_id: "{order}", name: "Corner shop", prefill: {{ email: "asha@example.org" }},
  handler: (paid) => {{ out.textContent = "paid " + JSON.stringify(paid) }},
  modal: {{ ondismiss: () => {{ out.textContent = "left" }} }},
}})
checkout.on("payment.failed", (event) => {{ out.textContent = "failed " + event.error.reason }})
document.getElementById("pay").onclick = () => checkout.open()
</script>"""
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def picture(page: Page, name: str) -> None:
    """A screenshot, where DODECA_PICTURES names a folder."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


@pytest.fixture
def stall() -> Iterator[Any]:
    """A static web server on another origin: `stall(html)` gives the address of a page."""
    pages: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def add(html: str) -> str:
        pages["/"] = html.encode()
        return f"http://localhost:{server.server_port}/"

    yield add
    server.shutdown()
    server.server_close()


def order(shop: Shop, amount: int = 50_000) -> str:
    made = shop.client.order.create({"amount": amount, "currency": "INR", "payment_capture": 1})
    return str(made["id"])


def type_card(page: Any, number: str) -> None:
    page.get_by_label("Card number").fill(number)
    page.get_by_label("Expiry").fill("12/40")
    page.get_by_label("CVV").fill("123")


def test_a_shops_page_takes_a_card_with_3d_secure(browser: Browser, shop: Shop, stall: Any) -> None:
    name = order(shop)
    address = stall(SHOP_PAGE.format(base=f"{shop.url}/payments", key=shop.key[0], order=name))
    page, complaints = browser.new_page(viewport=NARROW), list[str]()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(address)
    page.get_by_role("button", name="Pay").click()
    frame = page.frame_locator("iframe[title=Payment]")
    expect(frame.get_by_label("Email for the receipt")).to_have_value("asha@example.org")

    type_card(frame, "4000 0000 0000 0002")
    frame.get_by_role("button", name="Pay ₹500.00").click()
    expect(page.locator("#out")).to_contain_text("failed payment_declined")
    picture(page, "checkout-js-declined-360")
    type_card(frame, "4111 1111 1111 1111")
    frame.get_by_role("button", name="Pay ₹500.00").click()
    expect(frame.get_by_label("One-time password")).to_be_focused()
    frame.get_by_label("One-time password").fill("12345")
    picture(page, "checkout-js-bank-360")
    frame.get_by_role("button", name="Confirm").click()

    expect(page.locator("#out")).to_contain_text("paid")
    fields = page.evaluate("JSON.parse(document.getElementById('out').textContent.slice(5))")
    assert shop.client.utility.verify_payment_signature(fields)
    assert shop.client.order.fetch(name)["status"] == "paid"
    assert [said for said in complaints if "402" not in said] == []  # the card that was declined
    page.close()


def test_the_snippet_works_in_a_file_of_ones_own(browser: Browser, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "shop.html"
    file.write_text(SHOP_PAGE.format(base=f"{shop.url}/payments", key=shop.key[0], order=order(shop)))
    page = browser.new_page()
    page.goto(file.as_uri())
    page.get_by_role("button", name="Pay").click()
    frame = page.frame_locator("iframe[title=Payment]")
    type_card(frame, "4242 4242 4242 4242")
    frame.get_by_role("button", name="Pay ₹500.00").click()
    expect(page.locator("#out")).to_contain_text("paid")
    page.close()


def test_the_checkout_can_be_closed_in_the_dark(browser: Browser, shop: Shop, stall: Any) -> None:
    address = stall(SHOP_PAGE.format(base=f"{shop.url}/payments", key=shop.key[0], order=order(shop)))
    page = browser.new_page(color_scheme="dark")
    page.goto(address)
    page.get_by_role("button", name="Pay").click()

    close = page.get_by_role("button", name="Close")

    expect(close).to_have_css("background-color", "rgb(255, 255, 255)")  # whatever is below it
    expect(close).to_have_css("color", "rgb(17, 17, 17)")
    page.close()


def test_leaving_the_checkout_by_keyboard_is_told(browser: Browser, shop: Shop, stall: Any) -> None:
    address = stall(SHOP_PAGE.format(base=f"{shop.url}/payments", key=shop.key[0], order=order(shop)))
    page = browser.new_page()
    page.goto(address)
    page.get_by_role("button", name="Pay").press("Enter")
    expect(page.frame_locator("iframe[title=Payment]").get_by_role("heading", name="₹500.00")).to_be_visible()

    page.get_by_role("button", name="Close").focus()
    page.keyboard.press("Escape")

    expect(page.locator("#out")).to_have_text("left")
    expect(page.locator("iframe")).to_have_count(0)
    page.close()


def test_the_checkout_works_without_javascript_and_by_keyboard(browser: Browser, shop: Shop) -> None:
    name = order(shop)
    context = browser.new_context(java_script_enabled=False, viewport=NARROW)
    page = context.new_page()
    page.goto(f"{shop.url}/payments/checkout/{name}")

    page.get_by_label("Card number").focus()
    for text in ("4111111111111111", "12/40", "123"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("One-time password").focus()
    page.keyboard.type("1234")
    page.keyboard.press("Enter")

    expect(page.get_by_text("has your payment")).to_be_visible()
    assert shop.client.order.fetch(name)["status"] == "paid"
    context.close()


def looked_at(page: Page, name: str) -> dict[str, list[str]]:
    """What axe finds wide and light, and narrow and dark, and whether the page is wider than a phone."""
    found: dict[str, list[str]] = {}
    for size, viewport, scheme in (("wide", WIDE, "light"), ("360", NARROW, "dark")):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=cast(Any, scheme))
        found[f"{name}-{size}-{scheme}"] = violations(page)
        picture(page, f"{name}-{size}-{scheme}")
    if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        found[name] = ["wider than a phone"]
    return found


def test_payers_pages_are_accessible(browser: Browser, shop: Shop) -> None:
    context = browser.new_context()
    page = context.new_page()
    found: dict[str, list[str]] = {}
    name = order(shop)
    for method in ("card", "upi", "netbanking", "wallet"):
        page.goto(f"{shop.url}/payments/checkout/{name}?method={method}")
        found |= looked_at(page, f"checkout-{method}")
    page.goto(f"{shop.url}/payments/checkout/{name}")
    type_card(page, "4111 1111 1111 1111")
    page.get_by_role("button", name="Pay ₹500.00").click()
    found |= looked_at(page, "bank")
    page.get_by_label("One-time password").fill("123456")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("has your payment")).to_be_visible()
    found |= looked_at(page, "receipt")

    assert {name: rows for name, rows in found.items() if rows} == {}
    context.close()


def sign_in(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/login")
    page.get_by_label("Username").fill(shop.username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login" not in url)


def test_the_dashboard_follows_payments_as_they_come(live: LiveServer, browser: Browser) -> None:
    shop = new_shop(live)
    page = browser.new_page(viewport=WIDE)
    sign_in(page, shop)
    page.goto(f"{live.url}/payments/dashboard")
    expect(page.locator("live-source")).to_have_attribute("data-state", "open", timeout=20_000)

    made = shop.paid()

    expect(page.get_by_role("link", name=made["razorpay_payment_id"])).to_be_visible(timeout=20_000)
    expect(page.get_by_text("₹500.00").first).to_be_visible()
    page.close()


def test_the_dashboard_is_accessible_wide_and_narrow(live: LiveServer, browser: Browser) -> None:
    shop = new_shop(live)
    for _ in range(2):
        shop.paid()
    shop.client.payment_link.create({"amount": 9900, "currency": "INR", "description": "Tea", "customer": {}})
    csv = b"Date,Amount,Description\n2026-07-01,12.50,Coffee shop\n"
    shop.ask("POST", "/reconciliation/imports", content=csv)
    shop.client.plan.create({"period": "monthly", "item": {"name": "Tea box", "amount": 30_000, "currency": "INR"}})
    shop.client.settlement.create_ondemand_settlement({"amount": 100, "settle_full_balance": True})
    when = 'amount > 100000 && method in ["card", "upi"]'
    shop.ask("PUT", "/routing/rules", json={"rules": [{"when": when, "then": ["sim-beta"]}]}).raise_for_status()
    shop.ask("PUT", "/fraud/rules", json={"rules": [{"name": "Large", "when": when, "action": "review"}]})
    payment = shop.client.payment.all()["items"][0]["id"]
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, shop)
    found: dict[str, list[str]] = {}
    paths = ("", "dashboard", f"dashboard/payments/{payment}", "dashboard/links", "dashboard/subscriptions",
             "dashboard/settlements", "dashboard/reconciliation", "dashboard/analytics", "dashboard/routing",
             "dashboard/risk", "dashboard/webhooks", "dashboard/developers", "dashboard/settings",
             "purse/withdrawals")  # fmt: skip
    for path in paths:
        page.goto(f"{live.url}/payments/{path}")
        found |= looked_at(page, path.replace(payment, "one").replace("/", "-") or "purse")

    assert {name: rows for name, rows in found.items() if rows} == {}
    context.close()
