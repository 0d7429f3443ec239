"""The suite that proves an adapter: subclass `AdapterContract` in a test module.

```python
from shequn_sdk.testing.contract import AdapterContract

from shequn_echo import PLATFORM, SANDBOX


class TestEcho(AdapterContract):
    platform = PLATFORM
    sandbox = SANDBOX
```

What the manifest does not declare is skipped; nothing else is. Overriding a test is an error unless the override is
`@pytest.mark.xfail(strict=True, reason="…")`. `pytest --shequn-certificate=FILE` writes what was proven.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from shequn_sdk.testing._contract.caring import CaringContract
from shequn_sdk.testing._contract.events import EventContract, WebhookContract
from shequn_sdk.testing._contract.forms import FormContract
from shequn_sdk.testing._contract.hooks import ContractHooks
from shequn_sdk.testing._contract.manifest import ManifestContract
from shequn_sdk.testing._contract.publishing import FaultContract, PublishContract
from shequn_sdk.testing._contract.reading import ReadContract
from shequn_sdk.testing._contract.rig import Rig, fill
from shequn_sdk.testing._contract.secrecy import SecrecyContract
from shequn_sdk.testing._contract.tending import TendingContract

__all__ = ["AdapterContract", "ContractHooks", "Rig", "fill"]


class AdapterContract(
    ManifestContract,
    PublishContract,
    FaultContract,
    FormContract,
    ReadContract,
    TendingContract,
    CaringContract,
    EventContract,
    WebhookContract,
    SecrecyContract,
):
    """The whole suite; set `platform` and `sandbox`, and override the hooks of `ContractHooks` where needed."""

    pytestmark: ClassVar = [pytest.mark.anyio]

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        for name in vars(cls):
            if name.startswith("test") and hasattr(AdapterContract, name) and not _excused(vars(cls)[name]):
                raise TypeError(
                    f"{cls.__name__} overrides the contract test {name}: leave it, or mark the override "
                    '@pytest.mark.xfail(strict=True, reason="why it cannot hold")'
                )
        for mark in _marks(cls):
            if mark.name in {"skip", "skipif", "xfail"}:
                raise TypeError(
                    f"{cls.__name__} is marked {mark.name} as a whole: only the manifest skips contract tests"
                )


def _marks(thing: Any) -> list[Any]:
    found = vars(thing).get("pytestmark", []) if isinstance(thing, type) else getattr(thing, "pytestmark", [])
    return list(found) if isinstance(found, list | tuple) else [found]


def _excused(test: Any) -> bool:
    return any(
        mark.name == "xfail"
        and mark.kwargs.get("strict") is True
        and str(mark.kwargs.get("reason", "")).strip()
        for mark in _marks(test)
    )
