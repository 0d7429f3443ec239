"""Rules as data: what triggers them, under which conditions, for whom not, and what they do."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import regex
from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from shequn_sdk.domain import ChannelRef, Frozen, MemberRef, Name, Role
from shequn_sdk.errors import InvalidInput
from shequn_sdk.moderation.detectors.lexicon import fold_word

__all__ = [
    "Conditions",
    "Effects",
    "Exemptions",
    "Ladder",
    "LadderAction",
    "LadderStep",
    "RaidSettings",
    "Rule",
    "RuleSet",
    "load_rules",
    "rules_schema",
    "standard_rules",
]

MAX_FILE_BYTES = 5_000_000
_EVENTS = frozenset({"message", "edit", "comment", "join", "question", "answer"})
Share = Annotated[float, Field(gt=0, le=1)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class LadderAction(StrEnum):
    """What a step of the ladder does, from mild to severe."""

    WARN = "warn"
    MUTE = "mute"
    KICK = "kick"
    BAN = "ban"


class LadderStep(Frozen):
    """What happens from so many strikes on."""

    strikes: int = Field(ge=1)
    action: LadderAction
    duration: timedelta | None = None
    """Of a mute or a ban; None is until a person lifts it."""


class Ladder(Frozen):
    """Warn, mute, kick, ban: the step that stands highest among those reached (阶梯处罚)."""

    steps: tuple[LadderStep, ...] = (
        LadderStep(strikes=1, action=LadderAction.WARN),
        LadderStep(strikes=2, action=LadderAction.MUTE, duration=timedelta(hours=1)),
        LadderStep(strikes=3, action=LadderAction.MUTE, duration=timedelta(days=1)),
        LadderStep(strikes=4, action=LadderAction.KICK),
        LadderStep(strikes=5, action=LadderAction.BAN),
    )
    strikes_expire: timedelta = timedelta(days=30)
    """After this long a strike no longer counts."""

    def step(self, strikes: int) -> LadderStep | None:
        """Give the step for so many strikes."""
        reached = [one for one in self.steps if one.strikes <= strikes]
        return max(reached, key=lambda one: one.strikes) if reached else None


class Exemptions(Frozen):
    """For whom and where rules do not hold."""

    roles: frozenset[Role] = frozenset({Role.OWNER, Role.ADMIN, Role.MODERATOR})
    tags: frozenset[str] = frozenset({"trusted"})
    members: tuple[MemberRef, ...] = ()
    channels: tuple[ChannelRef, ...] = ()
    member_for: timedelta | None = None
    """Who has been a member for at least so long."""


class Conditions(Frozen):
    """What must hold besides the trigger; all of it."""

    roles: frozenset[Role] = frozenset()
    tags: frozenset[str] = frozenset()
    """One of these."""
    joined_within: timedelta | None = None
    """Members who joined at most so long ago; whose joining nobody saw is no newcomer."""
    strikes: int = Field(default=0, ge=0)
    """At least so many strikes that count."""
    channels: tuple[ChannelRef, ...] = ()
    with_link: bool = False
    allowed_domains: tuple[str, ...] = ()
    """Links under these do not count as links."""


class Effects(Frozen):
    """What a rule does; nothing but `record` leaves the message and the member alone."""

    delete: bool = False
    strike: bool = False
    """Give a strike: the ladder says what follows."""
    action: LadderAction | None = None
    """Do this at once, whatever the strikes."""
    duration: timedelta | None = None
    notify: bool = False
    """Tell the operators."""
    review: bool = False
    """Do nothing but put it before a person."""
    record: bool = True


class Rule(Frozen):
    """One rule (规则)."""

    name: Name
    title: str = ""
    """Said to the member, in their words: which rule it was."""
    enabled: bool = True
    priority: int = 100
    """Smaller goes first; the first rule that hits decides, unless it says `goes_on`."""
    goes_on: bool = False
    on: frozenset[str] = frozenset({"message", "edit", "comment"})
    kinds: Mapping[str, Share] = Field(default_factory=dict)
    """Verdicts with at least this score."""
    keywords: tuple[Word, ...] = ()
    """Any of these words, however they are written: width, look-alikes, traditional characters, blanks between."""
    patterns: tuple[Word, ...] = ()
    """Any of these regular expressions, on what is shown; at most 50 ms each."""
    names: tuple[Word, ...] = ()
    """Any of these regular expressions in the member's name."""
    when: Conditions = Conditions()
    unless: Exemptions = Exemptions()
    then: Effects = Effects()
    review_below: Share | None = None
    """Verdicts with a lower score go before a person instead."""

    @field_validator("on")
    @classmethod
    def _known_events(cls, on: frozenset[str]) -> frozenset[str]:
        if unknown := on - _EVENTS:
            raise ValueError(f"unknown event {min(unknown)!r}; there are {', '.join(sorted(_EVENTS))}")
        return on

    @field_validator("keywords")
    @classmethod
    def _with_letters(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        for word in keywords:
            if not fold_word(word):
                raise ValueError(f"keyword {word!r} has neither letters nor digits; use a pattern")
        return keywords

    @field_validator("patterns", "names")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return patterns

    @model_validator(mode="after")
    def _triggers(self) -> Self:
        if not (self.kinds or self.keywords or self.patterns or self.names):
            raise ValueError(f"rule {self.name!r} has no trigger: give kinds, keywords, patterns or names")
        if self.then.duration is not None and self.then.action is None:
            raise ValueError(f"rule {self.name!r} has a duration and no action")
        return self


class RaidSettings(Frozen):
    """When a channel goes into raid mode by itself, and how it comes out (防炸群)."""

    automatic: bool = True
    joins: int = Field(default=10, ge=2)
    seconds: float = Field(default=60.0, gt=0)
    similar_names: int = Field(default=5, ge=2)
    slow_mode: timedelta = timedelta(seconds=30)
    mute_newcomers: bool = True
    newcomer_window: timedelta = timedelta(minutes=10)
    """Who joined so long before it began counts as part of it."""
    calm: timedelta = timedelta(minutes=15)
    """So long without a raid's signs, and it ends."""
    longest: timedelta = timedelta(hours=6)
    """It ends after so long in any case; a person may begin it again."""


class RuleSet(Frozen):
    """All rules of a community, with what they share."""

    rules: tuple[Rule, ...] = ()
    ladder: Ladder = Ladder()
    raid: RaidSettings = RaidSettings()
    operators: tuple[ChannelRef, ...] = ()
    """Where notices and tasks for people go."""
    language: str = "zh"
    """Of what members are told: `zh` or `en`."""
    flood_messages: int = Field(default=8, ge=2)
    flood_seconds: float = Field(default=10.0, gt=0)
    copies: int = Field(default=3, ge=2)
    """Members with the same message that make it a copy."""
    pinyin: bool = False
    """Also find calls whose characters merely sound right; needs the extra `chinese`."""
    codes: bool = False
    """Also load the pictures that members post and judge what the codes in them say; needs the extra `qr`."""
    detectors: tuple[str, ...] = ()
    """Detectors of plugins to ask, by name."""

    @model_validator(mode="after")
    def _unique(self) -> Self:
        seen: set[str] = set()
        for rule in self.rules:
            if rule.name in seen:
                raise ValueError(f"two rules are named {rule.name!r}")
            seen.add(rule.name)
        return self


def load_rules(path: Path | str) -> RuleSet:
    """Read rules from a TOML file.

    Raises:
        InvalidInput: it cannot be read, is no TOML, or says what cannot be; the message names the key.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidInput(
                f"{path} is larger than {MAX_FILE_BYTES} bytes; are these rules?", source=str(path)
            )
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", source=str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8: save it as UTF-8", source=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is no valid TOML: {error}", source=str(path)) from error
    return rules_of(data, source=str(path))


def rules_of(data: Mapping[str, Any], *, source: str = "the rules") -> RuleSet:
    """Check rules that were read.

    Raises:
        InvalidInput: they say what cannot be.
    """
    try:
        return RuleSet.model_validate(dict(data))
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors(include_input=False, include_url=False)[:5]]
        raise InvalidInput(f"{source} are no valid rules: {'; '.join(problems)}", source=source) from None


def _problem(item: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        return f"{where}: {item['msg']}"
    known = {*RuleSet.model_fields, *Rule.model_fields, *Effects.model_fields, *Conditions.model_fields}
    near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
    return f"unknown key {where!r}" + (f", did you mean {near[0]!r}?" if near else "")


def rules_schema() -> dict[str, Any]:
    """Give the JSON Schema of a rules file, for editors."""
    return RuleSet.model_json_schema()


def standard_rules(*, language: str = "zh") -> RuleSet:
    """Give the rules that come with the package: adverts, fraud, floods, copies and insults, with a person for doubts.

    Raises:
        InvalidInput: `language` is neither `zh` nor `en`.
    """
    if language not in {"zh", "en"}:
        raise InvalidInput(f"there are standard rules in zh and en, not in {language!r}")
    text = (
        resources.files("shequn_sdk.moderation").joinpath("data", "standard.toml").read_text(encoding="utf-8")
    )
    data = json.loads(json.dumps(tomllib.loads(text)))
    titles: dict[str, dict[str, str]] = data.pop("titles")
    for rule in data["rules"]:
        rule["title"] = titles[rule["name"]][language]
    return rules_of(data | {"language": language}, source="the standard rules")
