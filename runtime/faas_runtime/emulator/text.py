"""Text in the heads of HTTP messages: UTF-8 where it is valid UTF-8, as curl and browsers send it, or else Latin-1."""


def decode_text(latin_1: str) -> str:
    """The text of bytes that were decoded as Latin-1, as the HTTP server does."""
    if latin_1.isascii():
        return latin_1
    try:
        return latin_1.encode("latin-1").decode()
    except UnicodeError:
        return latin_1


def encode_text(text: str) -> str:
    """The UTF-8 bytes of a text, decoded as Latin-1 for the HTTP server; raises UnicodeEncodeError for half a pair."""
    return text if text.isascii() else text.encode().decode("latin-1")
