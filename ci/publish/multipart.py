"""Bodies of the type multipart/form-data (RFC 7578)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence


def encode(fields: Sequence[tuple[str, str]], name: str, file_name: str, content: bytes) -> tuple[str, bytes]:
    """The media type and the body of a form with one file, which comes last under `name`."""
    boundary = secrets.token_hex(20)  # nobody can have put it into the file
    parts = []
    for field, value in fields:
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'.encode())
        parts.append(f"{value}\r\n".encode())
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
    parts += [f"{head}Content-Type: application/octet-stream\r\n\r\n".encode(), content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)
