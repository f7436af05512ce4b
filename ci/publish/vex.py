"""An OpenVEX statement: a version is affected by a fault, and another one has the fix.

OpenVEX 0.2.0, https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence

_CONTEXT = "https://openvex.dev/ns/v0.2.0"
_KNOWN = re.compile(r"\b(CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3})\b")


def document(products: Sequence[str], author: str, reason: str, fixed_in: str, epoch: int) -> bytes:
    """The statement about some products, which are package URLs. The same values give the same bytes.

    The fault is the CVE or GHSA number in the reason or, without one, the reason itself. `epoch` is the time of the
    statement, in seconds since 1970.
    """
    found = _KNOWN.search(reason)
    statement = {
        "vulnerability": {"name": found[1] if found else reason, "description": reason},
        "products": [{"@id": product} for product in products],
        "status": "affected",
        "action_statement": f"Use version {fixed_in} or later.",
    }
    text = json.dumps(statement, sort_keys=True)
    made = {
        "@context": _CONTEXT,
        "@id": f"https://openvex.dev/docs/public/vex-{hashlib.sha256(text.encode()).hexdigest()}",
        "author": author,
        "timestamp": dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "version": 1,
        "statements": [statement],
    }
    return json.dumps(made, indent=2, sort_keys=True).encode() + b"\n"
