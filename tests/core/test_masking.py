"""Masking: every form of a secret, in pieces of any size, and what is refused as a secret."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.core.masking import SHORTEST, MaskedStream, Masks

TOKEN = "ghp_J5w/8+Q=z'\"é\\0k"
KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVcB/UNPxalR9zDYAjQIf
jojUDiQuGnSJrFEEzZPT/92hRANCAASc7UJtgnF/abqWM60T3XNJEzBv5ez9TdwK
sE3B==
-----END PRIVATE KEY-----
"""


no_deadline = settings(deadline=None)  # the machine may be busy with other tests


def masks_of(*values: str) -> Masks:
    masks = Masks()
    for number, value in enumerate(values):
        masks.add(f"SECRET_{number}", value)
    return masks


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


FORMS = {
    "plain": TOKEN,
    "Base64": base64.b64encode(TOKEN.encode()).decode(),
    "Base64 for URLs": base64.urlsafe_b64encode(TOKEN.encode()).decode(),
    "Base64 without padding": base64.b64encode(TOKEN.encode()).decode().rstrip("="),
    "quoted for a URL": quote(TOKEN, safe=""),
    "quoted for a URL's path": quote(TOKEN),
    "quoted for a form": quote_plus(TOKEN),
    "quoted in lower case": re.sub("%..", lambda code: code[0].lower(), quote(TOKEN, safe="")),
    "JSON": json.dumps(TOKEN)[1:-1],
    "JSON in UTF-8": json.dumps(TOKEN, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": json.dumps(TOKEN)[1:-1].replace("/", "\\/"),
    "Python": repr(TOKEN)[1:-1],
    "Python in ASCII": ascii(TOKEN)[1:-1],
    "HTML": html.escape(TOKEN),
    "HTML with a decimal reference": html.escape(TOKEN).replace("&#x27;", "&#39;"),
    "XML": html.escape(TOKEN).replace("&#x27;", "&apos;"),
    "Python bytes": repr(TOKEN.encode())[2:-1],
    "shell": shlex.quote(TOKEN)[1:-1],
    "hexadecimal": TOKEN.encode().hex(),
}


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_is_masked(form: str) -> None:
    assert masks_of(TOKEN).mask(f"before {FORMS[form]} after") == "before *** after"


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_form_is_found(form: str) -> None:
    masks = masks_of(TOKEN)
    assert masks.found_in(f"--token={FORMS[form]}") == "SECRET_0"
    assert masks.found_in("--token=something-else") == ""


def test_basic_authentication_of_a_known_user_is_masked_whole() -> None:
    masks = Masks()
    masks.add("TOKEN", TOKEN, "__token__", "me")
    for user in ("__token__", "me"):
        assert masks.mask(f"Authorization: Basic {basic(user, TOKEN)}\n") == "Authorization: Basic ***\n"


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
@no_deadline
def test_base64_of_a_longer_text_shows_at_most_the_edges_of_the_secret(before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + b"Zt7-Kq2_Wm9+Xb4" + after)
    masked = masks_of("Zt7-Kq2_Wm9+Xb4").mask_bytes(encoded)
    left, mask, right = masked.partition(b"***")
    assert mask
    assert len(left) <= len(before) * 8 // 6 + 1
    assert len(right) <= (len(after) * 8 + 5) // 6 + 1 + 2  # a character at the edge, and padding


@pytest.mark.parametrize("width", [1, 19, 60, 64, 76])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_base64_that_was_wrapped_is_masked(width: int, line_break: str) -> None:
    encoded = base64.b64encode(KEY.encode()).decode()
    wrapped = line_break.join(encoded[at : at + width] for at in range(0, len(encoded), width))
    assert masks_of(KEY).mask(f"key:\n{wrapped}\nend") == "key:\n***\nend"


def test_each_line_of_a_secret_is_masked() -> None:
    masks = masks_of(KEY)
    for line in KEY.splitlines():
        if len(line) >= SHORTEST:
            assert masks.mask(f"  {line}  # as YAML") == "  ***  # as YAML"
    assert masks.mask(f"{KEY}end") == "***\nend"
    assert masks.mask(KEY.replace("\n", "\r\n")) == "***\r\n"
    assert masks.mask(json.dumps({"key": KEY})) == '{"key": "***\\n"}'


def test_spaces_around_a_secret_do_not_matter() -> None:
    assert masks_of(f"  {TOKEN}\n").mask(f"[{TOKEN}]") == "[***]"


def test_secrets_that_overlap_are_masked_together() -> None:
    masks = masks_of("abcdefgh-ijkl", "ijkl-mnopqrst", "efgh-ijkl-mnop")
    assert masks.mask("x abcdefgh-ijkl-mnopqrst y") == "x *** y"
    assert masks.mask("x abcdefgh-ijkl ijkl-mnopqrst y") == "x *** *** y"


def test_a_secret_within_another_is_masked_on_its_own() -> None:
    masks = masks_of("password-1234", "password-1234-and-more")
    assert masks.mask("password-1234 password-1234-and-more") == "*** ***"


def test_a_secret_that_repeats_itself_is_masked_whole() -> None:
    assert masks_of("abababab").mask("xababababababy") == "x***y"


@pytest.mark.parametrize("value", ["", " ", "\n\n", "short", "1234567", "  1234567 ", "abc\ndef\nghi\njkl\nmno"])
def test_what_cannot_be_masked_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="at least 8 characters"):
        masks_of(value)


def test_without_secrets_nothing_changes() -> None:
    assert Masks().mask("any text \udcff") == "any text \udcff"
    assert not Masks()


def test_bytes_that_are_not_utf8_stay_as_they_are() -> None:
    assert masks_of("12345678").mask_bytes(b"\xff12345678\xfe") == b"\xff***\xfe"
    assert masks_of("12345678").mask("\udcff12345678\udcfe") == "\udcff***\udcfe"


@pytest.mark.parametrize("number", [0xD800, 0xDC7F, 0xDD00, 0xDFFF])
def test_half_a_character_becomes_its_escape(number: int) -> None:
    """JSON can hold one, and no encoding can."""
    masks, half = masks_of("12345678"), chr(number)
    assert masks.mask(f"{half}12345678{half}") == f"\\u{number:04x}***\\u{number:04x}"
    assert masks.found_in(f"{half}12345678") == "SECRET_0"


def test_the_beginning_of_a_secret_at_the_end_is_masked() -> None:
    masks = masks_of("a-token-of-many-characters")
    assert masks.mask("broken off: a-token-of-man") == "broken off: ***"
    assert masks.mask("a token: a-tok") == "a token: a-tok"


def test_what_cannot_become_a_secret_is_written_at_once() -> None:
    stream = MaskedStream(masks_of("a-token-of-many-characters"))
    assert stream.feed(b"listening on port 1234\n") == b"listening on port 1234\n"
    assert stream.feed(b"token a-tok") == b"token "
    assert stream.feed(b"a-token") == b"a-tok"
    assert stream.feed(b"-of-many-characters.") == b"***."
    assert stream.end() == b""


# No "*": it is what the masks are made of, and a secret of stars cannot be told from them.
TEXT = st.text(alphabet="abAB01+/ =%\\\"'\n\r-é", max_size=60)
SECRET = st.text(alphabet="abAB01+/ =%\\\"'-é", min_size=8, max_size=12).filter(lambda text: len(text.strip()) >= 8)
SMALL_SECRET = st.text(alphabet="ab", min_size=8, max_size=10)


def encoded_as(draw: st.DrawFn, secret: str) -> str:
    kinds: list[Callable[[str], str]] = [
        str,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: basic("user", text),
        lambda text: quote(text, safe=""),
        quote_plus,
        lambda text: json.dumps(text)[1:-1],
        lambda text: repr(text)[1:-1],
    ]
    return str(draw(st.sampled_from(kinds))(secret))


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Some secrets, and a text in which they, their forms, pieces of them and other text follow each other."""
    secrets = draw(st.lists(st.one_of(SECRET, SMALL_SECRET), min_size=1, max_size=3))
    pieces = []
    for _ in range(draw(st.integers(0, 6))):
        secret = draw(st.sampled_from(secrets))
        pieces.append(encoded_as(draw, secret) if draw(st.booleans()) else secret[: draw(st.integers(0, len(secret)))])
        pieces.append(draw(TEXT))
    return secrets, "".join(pieces).encode()


@given(log=logs(), data=st.data())
@no_deadline
def test_pieces_of_any_size_give_the_same(log: tuple[list[str], bytes], data: st.DataObject) -> None:
    secrets, text = log
    masks = masks_of(*secrets)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0, len(text)})
    stream = MaskedStream(masks)
    written = b"".join([*(stream.feed(text[start:end]) for start, end in pairwise(cuts)), stream.end()])
    assert written == masks.mask_bytes(text)


@given(log=logs())
@no_deadline
def test_no_secret_is_left(log: tuple[list[str], bytes]) -> None:
    secrets, text = log
    masks = masks_of(*secrets)
    masked = masks.mask_bytes(text)
    assert masks.places(masked) == []
    for secret in secrets:
        assert secret.strip().encode() not in masked


@given(log=logs())
@no_deadline
def test_what_is_no_secret_stays(log: tuple[list[str], bytes]) -> None:
    secrets, text = log
    kept = masks_of(*secrets).mask_bytes(text).split(b"***")
    position = 0
    for piece in kept:
        position = text.index(piece, position) + len(piece)


@given(text=st.binary(max_size=300), cut=st.integers(0, 300))
@no_deadline
def test_text_without_secrets_is_not_changed(text: bytes, cut: int) -> None:
    stream = MaskedStream(masks_of("4e1c7a90-3b5f-4d22"))
    assert stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.end() == text
