"""Check a lottery's certificate with Python alone: `python verify_lottery.py certificate.json [platform:id]`."""

import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any


def need(right: bool, what: str) -> None:  # noqa: FBT001
    if not right:
        sys.exit(f"WRONG: {what}")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def check(cert: dict[str, Any]) -> None:
    statement, entries, draws, seed = cert["statement"], cert["entries"], cert["draws"], cert["seed"]
    written = json.dumps(statement, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    lines = "".join(f"{code} {weight}\n" for code, weight in entries)
    codes, public = [code for code, _ in entries], cert["public_randomness"]
    need(hashlib.sha256(bytes.fromhex(seed)).hexdigest() == statement["commitment"], "seed")
    need(sha256(written) == cert["statement_sha256"], "statement")
    need(sha256(lines) == cert["entries_sha256"], "list of entries")
    need(codes == sorted(set(codes)) and min([1, *dict(entries).values()]) == 1, "order or weights")
    need(bool(statement["randomness"]) == bool(public), "public randomness")
    text = f"{sha256(written)}\n{sha256(lines)}\n{public}\n"
    blocks = (hmac.digest(bytes.fromhex(seed), f"{text}{n}".encode(), "sha256") for n in range(1 << 60))
    stream = (int.from_bytes(block[at : at + 8], "big") for block in blocks for at in (0, 8, 16, 24))
    left, slots, held = list(entries), statement["slots"], set()
    for place, drawn in enumerate(draws, 1):
        total, index = sum(weight for _, weight in left), 0
        number = next(one for one in stream if one < 2**64 - 2**64 % total) % total
        while number >= left[index][1]:
            number, index = number - left[index][1], index + 1
        need(left.pop(index)[0] == drawn["code"] and drawn["position"] == place, f"draw {place}")
        slot, gone = drawn["slot"], drawn["instead_of"] or place
        if place > min(len(slots), len(entries)):
            need(gone < place and draws[gone - 1]["outcome"] == "replaced", f"draw {place} replaces nobody")
        need(slot == draws[gone - 1]["slot"] if gone < place else slot == place, f"prize of draw {place}")
        need(slots[slot - 1] == drawn["prize"], f"prize of draw {place}")
        need(drawn["outcome"] == "replaced" or slot not in held, f"prize {slot} went to two")
        held |= {slot} if drawn["outcome"] == "won" else set()
    need(len(draws) >= min(len(slots), len(entries)), "too few draws")
    need(cert["unawarded"] == len(slots) - len(held), "prizes not awarded")
    print(f"the draw is right: {len(entries)} entries, commitment {statement['commitment']}")
    for me in sys.argv[2:]:
        print(me, "is" if sha256(f"{statement['id']}|{me}")[:16] in codes else "is NOT", "on the list")


if len(sys.argv) > 1:
    check(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
else:
    print("give a certificate: python verify_lottery.py certificate.json")
