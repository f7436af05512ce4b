"""What a function silently needs of its image: whom to trust, names of services, time zones."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ci.core import tars
from ci.core.run import Runner
from ci.images import engines, oci
from ci.images.engines import Engine
from tests.images import musl_mbedtls
from tests.images.test_flavours import archive
from tests.support import ROOT, not_there, program

SOURCE = Path(__file__).with_name("functions") / "surroundings.c"
CLIENT = SOURCE.with_name("tls_client.c")
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
GREETING = b"hello from the other side"

Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function that asks, with OpenSSL linked into it."""
    if not Path("/usr/include/openssl/ssl.h").exists():
        not_there("libssl-dev")
    path = tmp_path_factory.mktemp("function") / "libsurroundings.so"
    options = ("-shared", "-fPIC", "-O1", "-Wall", "-Werror", f"-I{ROOT / 'runtime' / 'include'}", "-o", path)
    openssl = ("-Wl,-Bstatic", "-lssl", "-lcrypto", "-Wl,-Bdynamic", "-Wl,--exclude-libs,ALL")
    subprocess.run(["gcc", *options, SOURCE, *openssl], check=True)
    return path


@pytest.fixture(scope="module")
def library_for_musl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client of TLS for musl, with Mbed TLS linked into it."""
    mbedtls = musl_mbedtls.folder()
    path = tmp_path_factory.mktemp("function") / "libtls_client.so"
    folders = (f"-I{ROOT / 'runtime' / 'include'}", f"-I{mbedtls / 'include'}", f"-L{mbedtls}")
    options = ("-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-Wl,--exclude-libs,ALL", "-o", path)
    subprocess.run([program("musl-gcc"), *folders, *options, CLIENT, "-lmbedtls"], check=True)
    return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (ca.pem), and a server's key and certificate for "localhost" that it has signed."""
    if shutil.which("openssl") is None:
        not_there("openssl")
    folder = tmp_path_factory.mktemp("authority")
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7")

    def run(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    run(*new, "-subj", "/CN=an authority of the tests", "-keyout", "ca.key", "-out", "ca.pem")
    server = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-CA", "ca.pem", "-CAkey", "ca.key")
    run(*new, *server, "-keyout", "server.key", "-out", "server.pem")
    return folder


@pytest.fixture
def server(authority: Path) -> Iterator[int]:
    """The port of a server on the loopback address that speaks TLS and greets everyone who believes it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                try:
                    with context.wrap_socket(connection, server_side=True) as tls:
                        tls.sendall(GREETING)
                except OSError:  # the client does not believe it
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.fixture
def ask(run: Runner, tmp_path: Path) -> Ask:
    """Ask a function, in a container of an image with some files beside its own or in their place."""

    def asked(
        library: Path, image: oci.Image, events: Sequence[str], files: tars.FileTree | None = None, **env: str
    ) -> list[str]:
        engine, tag = Engine(name="buildah"), engines.temporary("surroundings", "build", "image")
        name = engines.container_of(tag)
        path = tmp_path / "image.oci.tar"
        oci.write_archive(with_files(image, files or {}), path, tag=tag)
        task = tmp_path / "task"
        task.mkdir(mode=0o755, exist_ok=True)
        shutil.copy(library, task)
        engine.load(run, path, tag)
        try:
            engine.prepare(run, tag, name)
            return [_answer(engine, tag, name, task / library.name, event, env) for event in events]
        finally:
            engine.end(run, name)
            engine.remove(run, tag)

    return asked


def _answer(engine: Engine, tag: str, name: str, library: Path, event: str, env: dict[str, str]) -> str:
    (library.parent / "event.json").write_text(f'"{event}"')
    words = ("/var/runtime/bootstrap", "invoke", "--event", "/var/task/event.json", f"/var/task/{library.name}")
    command = engine.start_command(tag, *words, name=name, mounts={library.parent: "/var/task"}, environment=env)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_files(image: oci.Image, files: tars.FileTree) -> oci.Image:
    layer = tars.pack(tars.with_parents({**oci.merged(image), **files}), 0)
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    return dataclasses.replace(image, config={**image.config, "rootfs": rootfs}, layers=(layer,))


@pytest.fixture(scope="module")
def micro(built: Path) -> oci.Image:
    return oci.read_archive(archive(built, "micro"))[0]


def with_authority(image: oci.Image, authority: Path) -> tars.FileTree:
    """The store of an image, with one authority more."""
    return {BUNDLE: tars.file(oci.added_by(image)[BUNDLE].data + (authority / "ca.pem").read_bytes())}


def test_a_tls_client_trusts_whom_the_store_names_and_nobody_else(
    library: Path, micro: oci.Image, ask: Ask, server: int, authority: Path
) -> None:
    assert ask(library, micro, [f"fetch {server}"], with_authority(micro, authority)) == [GREETING.decode()]
    (refused,) = ask(library, micro, [f"fetch {server}"])
    assert re.fullmatch("unable to get (local )?issuer certificate", refused)


@pytest.mark.long
def test_a_tls_client_in_alpine_trusts_whom_the_store_names_and_nobody_else(
    library_for_musl: Path, built: Path, ask: Ask, server: int, authority: Path
) -> None:
    alpine = oci.read_archive(archive(built, "alpine"))[0]
    event = f"fetch {server}"
    assert ask(library_for_musl, alpine, [event], with_authority(alpine, authority)) == [GREETING.decode()]
    assert ask(library_for_musl, alpine, [event]) == ["not trusted"]


def test_a_store_of_ones_own_is_used_instead(
    library: Path, micro: oci.Image, ask: Ask, server: int, authority: Path
) -> None:
    own = {"etc/own.pem": tars.file((authority / "ca.pem").read_bytes())}
    assert ask(library, micro, [f"fetch {server}"], own, SSL_CERT_FILE="/etc/own.pem") == [GREETING.decode()]
    assert not any(one.startswith("SSL_CERT") for one in micro.config["config"]["Env"])


def test_services_and_time_zones_have_their_meaning(library: Path, micro: oci.Image, ask: Ask) -> None:
    events = ["service https", "service domain", "hour UTC", "hour Europe/Berlin", "hour America/New_York"]
    assert ask(library, micro, events) == ["443", "53", "12", "14", "8"]


@pytest.mark.parametrize("flavour", ["micro", "alpine"])
@pytest.mark.parametrize(
    ("name", "part"),
    [
        (BUNDLE, b"-----BEGIN CERTIFICATE-----\n"),
        ("etc/ssl/cert.pem", b"-----END CERTIFICATE-----\n"),
        ("etc/services", b"\nhttps\t"),
        ("etc/protocols", b"\ntcp\t"),
        ("usr/share/zoneinfo/Europe/Berlin", b"TZif"),
        ("usr/share/zoneinfo/UTC", b"TZif"),
    ],
)
def test_the_files_are_there(built: Path, flavour: str, name: str, part: bytes) -> None:
    tree = oci.added_by(oci.read_archive(archive(built, flavour))[0])
    *_, reached = tars.follow(tree, name).values()
    assert part in reached.data


def test_the_certificates_of_micro_are_those_of_the_package_and_belong_to_it(built: Path) -> None:
    debian = tars.read(built / "dist" / "micro" / "debian-amd64.tar")
    tree = tars.read(built / "dist" / "micro" / "root-amd64.tar")
    names = [name for name in sorted(debian) if re.match(r"usr/share/ca-certificates/.+\.crt$", name)]
    own = [debian[name].data for name in names]
    assert len(own) > 100
    assert tree[BUNDLE].data == b"".join(own)
    listed = tree["var/lib/dpkg/status.d/ca-certificates.md5sums"].data.decode()
    assert listed == f"{hashlib.md5(tree[BUNDLE].data).hexdigest()}  {BUNDLE}\n"


def test_every_file_of_micro_is_listed_with_the_package_that_it_comes_from(built: Path) -> None:
    tree = tars.read(built / "dist" / "micro" / "root-arm64.tar")
    lists = {name: entry.data.decode() for name, entry in tree.items() if name.endswith(".md5sums")}
    listed = [line.partition("  ") for text in lists.values() for line in text.splitlines()]
    for md5, _, name in listed:
        assert hashlib.md5(tree[name].data).hexdigest() == md5, name
    assert len({name for _, _, name in listed}) == len(listed)
    for name in lists:
        assert name.removesuffix(".md5sums") in tree
    for name in ("etc/services", "usr/share/zoneinfo/Europe/Berlin", "usr/lib/python3.13/http/client.pyc"):
        assert any(name == one for _, _, one in listed) == (name in tree), name


def test_micro_has_the_texts_of_the_licences_that_its_packages_name(built: Path) -> None:
    debian = tars.read(built / "dist" / "micro" / "debian-amd64.tar")
    tree = tars.read(built / "dist" / "micro" / "root-amd64.tar")
    texts = [entry.data.decode() for name, entry in tree.items() if name.endswith("/copyright")]
    named = {name for text in texts for name in re.findall(r"usr/share/common-licenses/[\w.+-]*\w", text)}
    assert named >= {f"usr/share/common-licenses/{name}" for name in ("GPL-2", "GPL-3", "LGPL-2.1")}
    for name in named:
        assert tars.follow(tree, name) == tars.follow(debian, name), name


def test_micro_has_no_files_that_nothing_reads(built: Path) -> None:
    root = tars.read(built / "dist" / "micro" / "root-amd64.tar")
    modules = {name.rpartition("/")[2] for name in root if name.startswith("usr/lib/python3.")}
    assert "os.pyc" in modules  # Python finds its library by this file
    assert not modules & {"codecs.pyc", "_bootstrap_external.pyc", "posixpath.pyc", "zipimport.pyc"}
    assert not [name for name in root if name.endswith(".tab")]
    assert "usr/share/zoneinfo/tzdata.zi" in root  # which <chrono> of C++ reads
    runtime = tars.read(built / "dist" / "micro" / "runtime.tar")
    source = runtime["usr/lib/faas-runtime/faas_runtime/client.py"].data
    (compiled,) = (entry.data for name, entry in runtime.items() if re.search(r"e/__pycache__/client\.[^/]+$", name))
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring
    assert docstring.encode() not in compiled
