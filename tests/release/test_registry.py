"""Asking a registry for digests: tokens, redirects, and every way in which a registry can fail, over real sockets."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.core.errors import HostError, ReleaseError, UnavailableError, VerificationError
from ci.core.masking import PROCESS
from ci.release import registry, registry_connection
from ci.release.registry import RegistryTag
from tests.release.strict_registry import REPOSITORY, TOKEN, StrictHandler, StrictRegistry, serving

PLATFORMS = ("linux/amd64", "linux/arm64")


@pytest.fixture
def strict() -> Iterator[StrictRegistry]:
    with serving() as found:
        yield found


def resolve(strict: StrictRegistry, platforms: tuple[str, ...] = PLATFORMS) -> registry.Resolved:
    host = strict.origin.partition("//")[2]
    return registry.resolve(RegistryTag(host=host, repository=REPOSITORY, tag="1"), platforms, origin=strict.origin)


def expected(strict: StrictRegistry) -> registry.Resolved:
    digests = strict.images.digests
    return registry.Resolved(digest=strict.images.index, platforms={f"linux/{name}": digests[name] for name in digests})


def refused(strict: StrictRegistry, kind: type[ReleaseError], *parts: str) -> ReleaseError:
    """What is raised; its message begins with the tag's name and contains the parts."""
    with pytest.raises(kind) as raised:
        resolve(strict)
    assert type(raised.value) is kind
    assert str(raised.value).startswith(f"{strict.origin.partition('//')[2]}/{REPOSITORY}:1: ")
    for part in parts:
        assert part in str(raised.value)
    return raised.value


def test_the_index_and_the_image_of_each_platform(strict: StrictRegistry) -> None:
    assert resolve(strict) == expected(strict)
    assert [(method, path.rpartition("/")[2]) for method, path, _ in strict.requests] == [
        ("GET", "1"),
        ("HEAD", strict.images.digests["amd64"]),
        ("HEAD", strict.images.digests["arm64"]),
    ]


def test_a_token_is_fetched_once_and_masked(strict: StrictRegistry) -> None:
    strict.wants_token = True
    assert resolve(strict) == expected(strict)
    assert [path for _, path, _ in strict.requests].count("/token") == 1
    assert strict.requests[-1][2] == f"Bearer {TOKEN}"
    assert TOKEN not in PROCESS.mask(f"Authorization: Bearer {TOKEN}")


def test_a_challenge_without_a_scope(strict: StrictRegistry) -> None:
    strict.wants_token = True
    strict.challenge = strict.challenge.partition(",scope")[0]
    assert resolve(strict) == expected(strict)


def test_no_proxy_is_asked_for_this_machine(strict: StrictRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    monkeypatch.setenv("no_proxy", "")
    assert resolve(strict) == expected(strict)


def test_a_password_of_the_user_is_not_sent(
    strict: StrictRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password something-secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    strict.wants_token = True
    resolve(strict)
    assert {sent for _, _, sent in strict.requests} == {"", f"Bearer {TOKEN}"}


def test_a_single_image_has_the_platform_of_its_configuration(strict: StrictRegistry) -> None:
    digest = strict.images.digests["arm64"]
    strict.images.index = digest
    assert resolve(strict, ("linux/arm64",)) == registry.Resolved(digest=digest, platforms={"linux/arm64": digest})
    refused(strict, UnavailableError, "no image for linux/amd64 (there: linux/arm64)")


def test_a_redirect_to_another_host_gets_no_token(strict: StrictRegistry) -> None:
    """As registries do with blobs, which lie at a storage provider."""
    with serving() as elsewhere:
        elsewhere.images = strict.images
        strict.images.index = strict.images.digests["amd64"]
        manifest = json.loads(strict.images.blobs[strict.images.index][1])
        blob = strict.path(manifest["config"]["digest"], "blobs")
        strict.instead[blob] = lambda handler: handler.answer(307, b"", more={"Location": elsewhere.origin + blob})
        strict.wants_token = True
        assert resolve(strict, ("linux/amd64",)).digest == strict.images.index
        assert elsewhere.requests == [("GET", blob, "")]
        assert ("GET", blob, f"Bearer {TOKEN}") in strict.requests


def test_another_host_that_wants_a_token_gets_none(strict: StrictRegistry) -> None:
    with serving() as elsewhere:
        elsewhere.wants_token = True
        answer = elsewhere.origin + elsewhere.path()
        strict.instead[strict.path()] = lambda handler: handler.answer(302, b"", more={"Location": answer})
        refused(strict, UnavailableError, "refuses to hand it out (401)")
        assert [path for _, path, _ in elsewhere.requests] == [elsewhere.path()]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("", 'redirects to ""'),
        ("ftp://example.org/x", "ftp://example.org/x"),
        ("http://[", "http://["),
        ("/v2/", "more than 5 times"),
    ],
)
def test_redirects_that_lead_nowhere(strict: StrictRegistry, location: str, said: str) -> None:
    turn: Callable[[StrictHandler], None] = lambda handler: handler.answer(302, b"", more={"Location": location})  # noqa: E731
    strict.instead = {strict.path(): turn, "/v2/": turn}
    refused(strict, UnavailableError, said)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "said"),
    [
        (401, {}, UnavailableError, "refuses without a login (401"),
        (401, {"WWW-Authenticate": 'Basic realm="x"'}, UnavailableError, 'refuses without a login (401 "Basic")'),
        (403, {}, UnavailableError, 'refuses to hand it out (403, "DENIED: for a reason")'),
        (404, {}, UnavailableError, 'the tag 1: the registry does not have it (404, "DENIED: for a reason")'),
        (410, {}, UnavailableError, "the registry answered 410"),
        (429, {"Retry-After": "17"}, HostError, "limits requests (429"),
        (429, {"Retry-After": "17"}, HostError, "it asks to wait for 17 s"),
        (429, {"Retry-After": "Sun, 29 Nov 2026 03:00:00 GMT"}, HostError, 'until "Sun, 29 Nov 2026 03:00:00 GMT"'),
        (429, {}, HostError, "it does not say for how long"),
        (500, {}, HostError, "the registry has a fault (500"),
        (503, {"Retry-After": "5"}, HostError, "it asks to wait for 5 s"),
    ],
)
def test_refusals(
    strict: StrictRegistry, status: int, headers: dict[str, str], kind: type[ReleaseError], said: str
) -> None:
    strict.instead[strict.path()] = lambda handler: handler.refuse(status, "DENIED", "for a reason", headers)
    assert refused(strict, kind, said).hint or status == 410


def test_a_token_that_does_not_help(strict: StrictRegistry) -> None:
    strict.instead[strict.path()] = lambda handler: handler.answer(
        401, b"", more={"WWW-Authenticate": strict.challenge}
    )
    refused(strict, UnavailableError, "the tag 1: the registry refuses to hand it out (401)")
    assert len(strict.requests) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", "answered without a token"),
        (b"[]", "answered without a token"),
        (b"<html>", "answered without a token"),
        (b'{"token": "short"}', "answered without a token"),
        (b'{"token": "with a line break\\r\\nX: y"}', "answered without a token"),
    ],
)
def test_answers_without_a_token(strict: StrictRegistry, body: bytes, said: str) -> None:
    strict.wants_token = True
    strict.instead["/token"] = lambda handler: handler.answer(200, body)
    refused(strict, UnavailableError, said)


def test_no_token_is_given(strict: StrictRegistry) -> None:
    strict.wants_token = True
    strict.instead["/token"] = lambda handler: handler.refuse(403, "DENIED", "nobody")
    refused(strict, UnavailableError, "a token from 127.0.0.1", '(403, "DENIED: nobody")')


@pytest.mark.parametrize("realm", ["http://192.0.2.1/token", "ftp://x/token", "token", "https://[", "http://["])
def test_a_token_is_fetched_by_tls_alone(strict: StrictRegistry, realm: str) -> None:
    strict.wants_token = True
    strict.challenge = f'Bearer realm="{realm}"'
    refused(strict, UnavailableError, "which is not an address with TLS")


def test_a_body_with_another_digest(strict: StrictRegistry) -> None:
    def changed(handler: StrictHandler) -> None:
        kind, data = strict.images.blobs[strict.images.index]
        handler.answer(200, data + b" ", kind, {"Docker-Content-Digest": strict.images.index})

    strict.instead[strict.path()] = changed
    refused(strict, VerificationError, f'says that the tag 1 is "{strict.images.index[:57]}..."', "but what came has")


def test_a_configuration_with_another_digest(strict: StrictRegistry) -> None:
    strict.images.index = strict.images.digests["amd64"]
    config = json.loads(strict.images.blobs[strict.images.index][1])["config"]["digest"]
    strict.instead[strict.path(config, "blobs")] = lambda handler: handler.answer(200, b"{}")
    refused(strict, VerificationError, f"its configuration {config} arrived as sha256:44136fa3")


def test_no_digest_in_the_header_is_enough(strict: StrictRegistry) -> None:
    kind, data = strict.images.blobs[strict.images.index]
    strict.instead[strict.path()] = lambda handler: handler.answer(200, data, kind)
    assert resolve(strict) == expected(strict)


def replaced_index(strict: StrictRegistry, change: Callable[[list[dict[str, object]]], object]) -> None:
    kind, data = strict.images.blobs[strict.images.index]
    document = json.loads(data)
    change(document["manifests"])
    strict.images.index = str(strict.images.store(json.dumps(document).encode(), kind)["digest"])


def test_a_platform_is_missing(strict: StrictRegistry) -> None:
    replaced_index(strict, lambda entries: entries.pop())
    error = refused(strict, UnavailableError, "it has no image for linux/arm64 (there: linux/amd64)")
    assert "images.platforms" in error.hint


def test_an_image_that_the_index_names_is_missing(strict: StrictRegistry) -> None:
    del strict.images.blobs[strict.images.digests["arm64"]]
    refused(strict, UnavailableError, "its image for linux/arm64: the registry does not have it (404)")


def test_an_index_with_entries_that_are_no_images(strict: StrictRegistry) -> None:
    more = [{"digest": "sha256:" + "0" * 64, "platform": {"os": "unknown", "architecture": "unknown"}}, {}, "x"]
    replaced_index(strict, lambda entries: entries.extend(more))  # type: ignore[arg-type]
    assert resolve(strict).platforms == expected(strict).platforms


def test_an_index_with_something_else_than_digests(strict: StrictRegistry) -> None:
    replaced_index(strict, lambda entries: entries[0].update(digest="latest"))
    refused(strict, VerificationError, 'its index names "latest" for linux/amd64, not a digest')


@pytest.mark.parametrize(
    ("body", "kind", "error", "said"),
    [
        (b"<html>Please log in", "text/html", VerificationError, "is not JSON"),
        (b"[" * 10_000, "application/json", VerificationError, "is not JSON"),
        (b"{}", "application/json", UnavailableError, '"application/json", which this tooling does not know'),
        (b"{}", "application/vnd.docker.distribution.manifest.v1+prettyjws", UnavailableError, "does not know"),
        (b"{}", "application/vnd.oci.image.index.v1+json", UnavailableError, "no image for linux/amd64, linux/arm64"),
        (b"{}", "application/vnd.oci.image.manifest.v1+json", VerificationError, "names no configuration"),
        (b" " * (4 * 1024 * 1024 + 1), "application/json", UnavailableError, "longer than 4194304 bytes"),
    ],
)
def test_answers_that_are_no_manifest(
    strict: StrictRegistry, body: bytes, kind: str, error: type[ReleaseError], said: str
) -> None:
    strict.instead[strict.path()] = lambda handler: handler.answer(200, body, kind)
    refused(strict, error, said)


def test_an_answer_that_breaks_off(strict: StrictRegistry) -> None:
    def half(handler: StrictHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.close_connection = True

    strict.instead[strict.path()] = half
    refused(strict, HostError, "the connection ended before the answer was complete")


@pytest.mark.parametrize("begun", [b"", b"{"], ids=["no answer", "half an answer"])
def test_a_registry_that_does_not_go_on(strict: StrictRegistry, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_connection, "SECONDS", (5.0, 0.2))
    end = threading.Event()

    def wait(handler: StrictHandler) -> None:
        if begun:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(begun)
        end.wait(30)
        handler.close_connection = True

    strict.instead[strict.path()] = wait
    try:
        refused(strict, HostError, "no answer from 127.0.0.1", "in time")
    finally:
        end.set()


def test_nobody_listens() -> None:
    with serving() as strict:
        pass
    refused(strict, HostError, "no answer from 127.0.0.1", "Connection refused")


def test_a_name_that_does_not_exist() -> None:
    tag = registry.tag_of("registry.invalid/base:1")
    with pytest.raises(HostError, match=r"^registry.invalid/base:1: no answer from registry.invalid: "):
        registry.resolve(tag, PLATFORMS)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    file = tmp_path / "certificate.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_a_certificate_that_nobody_vouches_for(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as strict:
        error = refused(strict, HostError, "TLS: certificate verify failed: self-signed certificate")
        assert "REQUESTS_CA_BUNDLE" in error.hint
        assert strict.requests == []


def test_plain_http_where_tls_is_expected(strict: StrictRegistry) -> None:
    strict.origin = strict.origin.replace("http://", "https://")
    refused(strict, HostError, "TLS: ")


def test_a_redirect_out_of_tls(certificate: Path, strict: StrictRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(context) as safe:
        assert resolve(safe).digest == safe.images.index
        answer = strict.origin + strict.path()
        safe.instead[safe.path()] = lambda handler: handler.answer(302, b"", more={"Location": answer})
        refused(safe, UnavailableError, "without TLS, which is refused")
        assert strict.requests == []


@pytest.mark.parametrize(
    ("base", "origin", "repository"),
    [
        ("docker.io/library/alpine:3.24", "https://registry-1.docker.io", "library/alpine"),
        (
            "registry.access.redhat.com/ubi10/ubi-minimal:10.2",
            "https://registry.access.redhat.com",
            "ubi10/ubi-minimal",
        ),
        ("registry.example.org:5000/a/b/c:1", "https://registry.example.org:5000", "a/b/c"),
        ("127.0.0.1:5000/base:1", "http://127.0.0.1:5000", "base"),
        ("127.example.org/base:1", "https://127.example.org", "base"),
    ],
)
def test_where_a_base_is_asked_for(base: str, origin: str, repository: str) -> None:
    tag = registry.tag_of(base)
    assert (tag.origin, tag.repository, str(tag)) == (origin, repository, base)
