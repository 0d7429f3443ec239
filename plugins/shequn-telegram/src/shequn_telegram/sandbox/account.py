"""Methods around the bot itself: identity, updates, commands, files, Stars."""

from __future__ import annotations

import json
import re
from typing import Any

from shequn_telegram.sandbox.calls import Call, Described, method
from shequn_telegram.sandbox.parameters import Parameters
from shequn_telegram.sandbox.refusal import bad
from shequn_telegram.sandbox.send import begin, finish
from shequn_telegram.sandbox.state import ADMIN_RIGHTS, CHANNEL_RIGHTS, GROUP_RIGHTS
from shequn_telegram.sandbox.updates import check_webhook

__all__: list[str] = []

_COMMAND = re.compile(r"/?[a-z0-9_]{1,32}")


@method("getMe")
def get_me(call: Call) -> Any:
    """Tell who the bot is."""
    return {
        **call.bot.user.json(),
        "can_join_groups": True,
        "can_read_all_group_messages": not call.bot.privacy,
        "supports_guest_queries": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
        "can_manage_bots": False,
        "supports_join_request_queries": False,
    }


@method("logOut")
def log_out(_call: Call) -> Any:
    """Leave the server."""
    return True


method("close")(log_out)


# updates; getUpdates itself waits and is served by the application


@method("setWebhook")
def set_webhook(call: Call) -> Any:
    """Deliver updates to an address."""
    params, queue = call.params, call.bot.queue
    url, secret = params.text("url"), params.text("secret_token")
    if not url:
        return delete_webhook(call)
    check_webhook(url, secret)
    queue.set_allowed(params.nested("allowed_updates"))
    if params.flag("drop_pending_updates"):
        queue.clear()
    queue.custom_certificate = "certificate" in params.files
    queue.ip_address = params.text("ip_address")
    limit = params.integer("max_connections") or 40
    already = queue.url == url and queue.secret == secret
    queue.set_webhook(url, secret=secret, max_connections=limit if 1 <= limit <= 100 else 40)
    return Described(True, "Webhook is already set" if already else "Webhook was set")


@method("deleteWebhook")
def delete_webhook(call: Call) -> Any:
    """Stop delivering updates."""
    queue = call.bot.queue
    if call.params.flag("drop_pending_updates"):
        queue.clear()
    was = bool(queue.url)
    queue.delete_webhook()
    return Described(True, "Webhook was deleted" if was else "Webhook is already deleted")


@method("getWebhookInfo")
def webhook_info(call: Call) -> Any:
    """Tell how delivery goes."""
    return call.bot.queue.info()


# commands and settings


def _scope(call: Call) -> str:
    scope = call.params.nested("scope") or {"type": "default"}
    if not isinstance(scope, dict):
        raise bad("can't parse BotCommandScope JSON object")
    return json.dumps([scope, call.params.text("language_code")], sort_keys=True)


@method("setMyCommands")
def set_commands(call: Call) -> Any:
    """Publish commands."""
    commands = call.params.nested("commands")
    if not isinstance(commands, list):
        raise bad("can't parse commands JSON object")
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    kept: list[dict[str, Any]] = []
    for command in commands:
        if not isinstance(command, dict):
            raise bad("can't parse BotCommand: expected an Object")
        name, text = str(command.get("command", "")), str(command.get("description", ""))
        if not _COMMAND.fullmatch(name):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(text) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
        kept.append({"command": name.removeprefix("/"), "description": text})
    call.bot.commands[_scope(call)] = kept
    return True


@method("deleteMyCommands")
def delete_commands(call: Call) -> Any:
    """Take commands away."""
    call.bot.commands.pop(_scope(call), None)
    return True


@method("getMyCommands")
def get_commands(call: Call) -> Any:
    """List commands."""
    return call.bot.commands.get(_scope(call), [])


def _setting(name: str, key: str, limit: int) -> None:
    def set_it(call: Call) -> Any:
        value = call.params.text(key)
        if len(value) > limit:
            raise bad(f"{key.upper()}_TOO_LONG")
        call.bot.settings[key] = value
        return True

    def get_it(call: Call) -> Any:
        fallback = call.bot.user.first_name if key == "name" else ""
        return {key: call.bot.settings.get(key) or fallback}

    method(f"setMy{name}")(set_it)
    method(f"getMy{name}")(get_it)


_setting("Name", "name", 64)
_setting("Description", "description", 512)
_setting("ShortDescription", "short_description", 120)


def _rights_key(call: Call) -> str:
    return "rights of channels" if call.params.flag("for_channels") else "rights of groups"


@method("setMyDefaultAdministratorRights")
def set_default_rights(call: Call) -> Any:
    """Set the rights that the bot asks for when it is made an administrator."""
    rights = call.params.nested("rights") or {}
    if not isinstance(rights, dict):
        raise bad("can't parse rights JSON object")
    call.bot.settings[_rights_key(call)] = rights
    return True


@method("getMyDefaultAdministratorRights")
def get_default_rights(call: Call) -> Any:
    """Tell the rights that the bot asks for."""
    given = Parameters(call.bot.settings.get(_rights_key(call), {}))
    own = CHANNEL_RIGHTS if call.params.flag("for_channels") else GROUP_RIGHTS
    return {name: given.flag(name) for name in ("is_anonymous", *ADMIN_RIGHTS, *own)}


@method("setChatMenuButton")
def set_menu_button(call: Call) -> Any:
    """Set the menu button."""
    call.bot.settings["menu"] = call.params.nested("menu_button") or {"type": "default"}
    return True


@method("getChatMenuButton")
def get_menu_button(call: Call) -> Any:
    """Tell the menu button."""
    return call.bot.settings.get("menu", {"type": "default"})


@method("getFile")
def get_file(call: Call) -> Any:
    """Tell where a file can be loaded."""
    file = call.world.files.get(call.params.text("file_id"))
    if file is None:
        raise bad("invalid file_id" if "file_id" in call.params else "file_id not specified")
    if file["size"] > 20 * 1024 * 1024:
        raise bad("file is too big")
    made = {name: file[name] for name in ("file_id", "file_unique_id")}
    if file["size"]:
        made["file_size"] = file["size"]
    return {**made, "file_path": file["path"]}


# Stars


def _invoice(call: Call) -> dict[str, Any]:
    params = call.params
    title, description, payload = params.text("title"), params.text("description"), params.text("payload")
    if not title or not description:
        raise bad("invoice title must be non-empty" if not title else "invoice description must be non-empty")
    if len(title) > 32:
        raise bad("INVOICE_TITLE_TOO_LONG")
    if not 1 <= len(payload.encode()) <= 128:
        raise bad("INVOICE_PAYLOAD_INVALID")
    prices = params.nested("prices")
    if not isinstance(prices, list) or not prices:
        raise bad("prices must be non-empty" if prices == [] else "can't parse prices JSON object")
    try:
        total = sum(int(price["amount"]) for price in prices)
    except (KeyError, TypeError, ValueError):
        raise bad("can't parse labeled price: amount must be a number") from None
    currency = params.text("currency")
    if currency != "XTR":
        raise bad("PAYMENT_PROVIDER_INVALID" if len(currency) == 3 else "CURRENCY_INVALID")
    period = params.integer("subscription_period") or 0
    if len(prices) != 1 or not 1 <= total <= (10_000 if period else 25_000):
        raise bad("STARS_INVOICE_INVALID" if len(prices) != 1 else "AMOUNT_INVALID")
    if period not in {0, 2_592_000}:
        raise bad("SUBSCRIPTION_PERIOD_INVALID")
    return {
        "title": title,
        "description": description,
        "payload": payload,
        "total": total,
        "currency": currency,
    }


@method("sendInvoice")
def send_invoice(call: Call) -> Any:
    """Post an invoice."""
    invoice = _invoice(call)
    draft = begin(call, "other")
    call.world.spend(call.bot, draft.chat)
    if draft.markup is None:
        draft.markup = {"inline_keyboard": [[{"text": f"Pay ⭐️{invoice['total']}", "pay": True}]]}
    shown = {
        "title": invoice["title"],
        "description": invoice["description"],
        "start_parameter": call.params.text("start_parameter"),
        "currency": invoice["currency"],
        "total_amount": invoice["total"],
    }
    return finish(draft, {"invoice": shown}, invoice=invoice).json()


@method("createInvoiceLink")
def create_invoice_link(call: Call) -> Any:
    """Make a link to an invoice."""
    _invoice(call)
    return f"https://t.me/$sandbox{call.world.serial():08d}"


@method("answerPreCheckoutQuery")
def answer_checkout(call: Call) -> Any:
    """Let a payment go on or refuse it."""
    query = call.world.queries.get(call.params.text("pre_checkout_query_id"))
    now = call.world.context.clock.now().timestamp()
    if (
        query is None
        or query.done is None
        or query.answered
        or query.bot != call.bot.user.id
        or now - query.at > 10
    ):
        raise bad("query is too old and response timeout expired or query ID is invalid")
    if not call.params.flag("ok") and not call.params.text("error_message"):
        raise bad("error_message must be non-empty")
    query.answered = True
    query.done(call.params.flag("ok"))
    return True


@method("refundStarPayment")
def refund(call: Call) -> Any:
    """Give Stars back."""
    payment = call.world.payments.get(call.params.text("telegram_payment_charge_id"))
    if payment is None or payment["user"] != call.params.integer("user_id"):
        raise bad("CHARGE_NOT_FOUND")
    if payment["refunded"]:
        raise bad("CHARGE_ALREADY_REFUNDED")
    payment["refunded"] = True
    call.bot.stars -= payment["amount"]
    user = call.world.users[payment["user"]]
    partner = {"type": "user", "transaction_type": "invoice_payment", "user": user.json()}
    call.world.transactions.append(
        {"id": payment["id"], "amount": payment["amount"], "date": call.world.now(), "receiver": partner}
    )
    chat = call.world.chats[payment["chat"]]
    refunded = {
        "currency": "XTR",
        "total_amount": payment["amount"],
        "invoice_payload": payment["payload"],
        "telegram_payment_charge_id": payment["id"],
    }
    call.world.service(chat, user, {"refunded_payment": refunded})
    return True


@method("getMyStarBalance")
def star_balance(call: Call) -> Any:
    """Tell how many Stars the bot has."""
    return {"amount": call.bot.stars}


@method("getStarTransactions")
def star_transactions(call: Call) -> Any:
    """List movements of Stars."""
    offset, limit = call.params.integer("offset") or 0, call.params.integer("limit") or 100
    return {"transactions": call.world.transactions[offset : offset + min(limit, 100)]}


@method("editUserStarSubscription")
def edit_subscription(call: Call) -> Any:
    """End or renew a subscription."""
    payment = call.world.payments.get(call.params.text("telegram_payment_charge_id"))
    if payment is None or payment["user"] != call.params.integer("user_id"):
        raise bad("CHARGE_NOT_FOUND")
    user = call.world.users[payment["user"]]
    state = "canceled" if call.params.flag("is_canceled") else "active"
    call.world.tell_bot(
        call.bot, "subscription", {"user": user.json(), "invoice_payload": payment["payload"], "state": state}
    )
    return True
