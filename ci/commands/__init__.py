"""What each command does, as short lists of steps; `COMMANDS` names the function of each.

A function is named as text, "module:function", so that a command imports only what it uses. It takes the folder of
the checkout, the console and the parsed command line. Whatever is more than a list of steps belongs to a stage.
"""

from __future__ import annotations

from ci import kinds

COMMANDS: dict[str, str] = {
    "bake": "ci.commands.committed:bake",
    "check": "ci.commands.checking:check",
    "plan": "ci.commands.checking:plan",
    "pin": "ci.commands.pinning:pin",
    "source-hash": "ci.commands.committed:source_hash",
    "bump": "ci.commands.bump:bump",
    "build": "ci.commands.building:build_everything",
    "snapshot": "ci.commands.proving:snapshot",
    "verify": "ci.commands.proving:verify",
    "compare": "ci.commands.proving:compare",
    "reproduce": "ci.commands.proving:reproduce",
    "release": "ci.commands.releasing:release",
    "keys": "ci.commands.keys:keys",
    "inputs": "ci.commands.carrying:inputs",
    "bundle": "ci.commands.carrying:bundle",
    "rebuild": "ci.commands.rebuilding:rebuild",
    "rehearse": "ci.commands.whole_rehearsal:rehearse",
    "publish": "ci.commands.publishing:publish",
    "promote": "ci.commands.publishing:promote",
    "yank": "ci.commands.yanking:yank",
    **dict.fromkeys(kinds.sessions(), "ci.commands.building:build"),
}
