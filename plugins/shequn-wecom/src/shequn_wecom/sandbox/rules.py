"""Intercept rules, as the local WeChat Work keeps them."""

from __future__ import annotations

from typing import Any

from shequn_wecom.sandbox.messages import Handler
from shequn_wecom.sandbox.refusals import Refuse
from shequn_wecom.sandbox.state import World
from shequn_wecom.sandbox.tokens import Call

__all__ = ["RuleCalls"]


class RuleCalls:
    """Rules on words that employees may not send."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> dict[str, Handler]:
        """Give the handlers by path."""
        return {
            "externalcontact/add_intercept_rule": self._add_rule,
            "externalcontact/get_intercept_rule_list": self._list_rules,
            "externalcontact/get_intercept_rule": self._get_rule,
            "externalcontact/update_intercept_rule": self._update_rule,
            "externalcontact/del_intercept_rule": self._delete_rule,
        }

    def _check_rule(self, rule: dict[str, Any], *, own: str = "") -> None:
        if not 1 <= len(str(rule.get("rule_name", ""))) <= 20:
            raise Refuse(40058, "rule_name")
        if any(r["rule_name"] == rule["rule_name"] for i, r in self._world.rules.items() if i != own):
            raise Refuse(41077)
        words = rule.get("word_list") or []
        if len(words) > 300:
            raise Refuse(41068)
        if any(not 1 <= len(str(word)) <= 32 for word in words):
            raise Refuse(41083)
        if any(item not in {1, 2, 3} for item in rule.get("semantics_list") or []):
            raise Refuse(41084)
        if rule.get("intercept_type") not in {1, 2}:
            raise Refuse(40058, "intercept_type")
        scope = rule.get("applicable_range") or {}
        users, parties = scope.get("user_list") or [], scope.get("department_list") or []
        if not users and not parties:
            raise Refuse(40063, "applicable_range")
        if len(users) > 1000 or len(parties) > 1000:
            raise Refuse(41076)

    def _add_rule(self, call: Call) -> dict[str, Any]:
        if len(self._world.rules) >= 100:
            raise Refuse(41069)
        rule = {**call.body, "create_time": self._world.stamp()}
        self._check_rule(rule)
        rule_id = f"rule{self._world.hex(28)}"
        self._world.rules[rule_id] = rule
        return {"rule_id": rule_id}

    def _rule(self, call: Call) -> tuple[str, dict[str, Any]]:
        wanted = call.text("rule_id", 41070)
        if wanted not in self._world.rules:
            raise Refuse(41070)
        return wanted, self._world.rules[wanted]

    def _list_rules(self, call: Call) -> dict[str, Any]:
        found = [
            {"rule_id": rule_id, "rule_name": rule["rule_name"], "create_time": rule["create_time"]}
            for rule_id, rule in self._world.rules.items()
        ]
        return {"rule_list": found}

    def _get_rule(self, call: Call) -> dict[str, Any]:
        rule_id, rule = self._rule(call)
        shown = {
            "rule_id": rule_id,
            "rule_name": rule["rule_name"],
            "word_list": rule.get("word_list") or [],
            "extra_rule": {"semantics_list": rule.get("semantics_list") or []},
            "intercept_type": rule["intercept_type"],
            "applicable_range": rule["applicable_range"],
        }
        return {"rule": shown}

    def _update_rule(self, call: Call) -> dict[str, Any]:
        rule_id, rule = self._rule(call)
        changed = {
            **rule,
            **{k: v for k, v in call.body.items() if k in {"rule_name", "word_list", "intercept_type"}},
        }
        extra = call.body.get("extra_rule")
        if isinstance(extra, dict):
            changed["semantics_list"] = extra.get("semantics_list") or []
        scope = {k: list(v) for k, v in (rule.get("applicable_range") or {}).items()}
        for name in ("user_list", "department_list"):
            add = (call.body.get("add_applicable_range") or {}).get(name) or []
            remove = (call.body.get("remove_applicable_range") or {}).get(name) or []
            items = [*scope.get(name, []), *add]
            scope[name] = [item for item in dict.fromkeys(items) if item not in remove]
        changed["applicable_range"] = scope
        self._check_rule(changed, own=rule_id)
        self._world.rules[rule_id] = changed
        return {}

    def _delete_rule(self, call: Call) -> dict[str, Any]:
        del self._world.rules[self._rule(call)[0]]
        return {}
