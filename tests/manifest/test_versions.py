"""Versions: their spelling, and that every package manager's own comparison orders them as PEP 440 does."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version as Pep440

from ci.manifest import versions

# Every kind of version that PEP 440 has for one number, in its order.
LADDER = [
    "1.2.dev0", "1.2.dev9", "1.2.dev10",
    "1.2a0.dev0", "1.2a0.dev3", "1.2a0", "1.2a0.post0.dev1", "1.2a0.post0", "1.2a1.dev1", "1.2a1", "1.2a9", "1.2a10",
    "1.2b0.dev1", "1.2b0", "1.2b2", "1.2rc0.dev1", "1.2rc0", "1.2rc1.dev2", "1.2rc1", "1.2rc1.post0.dev1",
    "1.2rc1.post0", "1.2rc1.post2", "1.2rc2", "1.2rc10",
    "1.2", "1.2.post0.dev0", "1.2.post0.dev1", "1.2.post0", "1.2.post1.dev1", "1.2.post1", "1.2.post10",
    "1.3.dev0", "1.3a0", "1.3", "1.10.dev1", "1.10", "2.0.dev1", "2.0", "10.0",
]  # fmt: skip


def test_the_ladder_is_in_the_order_of_pep_440() -> None:
    assert sorted(LADDER, key=Pep440) == LADDER
    assert sorted(versions.parse(text) for text in LADDER[::-1]) == [versions.parse(t) for t in LADDER]


@pytest.mark.parametrize(
    ("pep440", "rpm", "pacman", "homebrew"),
    [
        ("0.1.0", "0.1.0", "0.1.0", "0.1.0"),
        ("1.2rc1", "1.2~rc1", "1.2rc1", "1.2rc1"),
        ("1.2a1", "1.2~a1", "1.2a1", "1.2a1"),
        ("1.2.dev3", "1.2~~dev3", "1.2DEV3", "1.2a0.a3"),
        ("1.2b1.dev3", "1.2~b1~dev3", "1.2b1DEV3", "1.2b1.pre3"),
        ("1.2.post1", "1.2^post1", "1.2.post1", "1.2.post1"),
        ("1.2.post1.dev2", "1.2^post1~dev2", "1.2.post1DEV2", "1.2.post1.pre2"),
        ("1.2rc1.post2", "1.2~rc1^post2", "1.2rc1.post2", "1.2rc1.post2"),
    ],
)
def test_spelling(pep440: str, rpm: str, pacman: str, homebrew: str) -> None:
    version = versions.parse(pep440)
    assert (version.rpm, version.pacman, version.homebrew) == (rpm, pacman, homebrew)
    assert (version.tag, version.oci, f"{version}") == (f"v{pep440}", pep440, pep440)


@pytest.mark.parametrize(
    ("pep440", "cargo"),
    [
        ("0.1.0", "0.1.0"),
        ("1.2", "1.2.0"),
        ("1.2.0rc1", "1.2.0-rc.1"),
        ("1.2.0a1", "1.2.0-a.1"),
        ("1.2.0.dev3", "1.2.0-0.dev.3"),
        ("1.2.0b1.dev3", "1.2.0-b.1.dev.3"),
        ("1.2.0.post1", "1.2.0+post.1"),
        ("1.2.3.4rc1.post1", "1.2.3-rc.1+4.post.1"),
    ],
)
def test_spelling_for_cargo(pep440: str, cargo: str) -> None:
    assert versions.parse(pep440).cargo == cargo


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("1.2+local.1", 'has a local part "+local.1", which cannot be published; write "1.2"'),
        ("1!1.2", 'has an epoch, which not every packaging system supports; write "1.2"'),
        ("1.2-rc1", 'is not in the canonical form; write "1.2rc1"'),
        ("v1.2", 'is not in the canonical form; write "1.2"'),
        ("1.02", 'is not in the canonical form; write "1.2"'),
        ("1.2RC1", 'is not in the canonical form; write "1.2rc1"'),
        (" 1.2", 'is not in the canonical form; write "1.2"'),
        ("1.2\n", 'is not in the canonical form; write "1.2"'),
        ("1.2.post", 'is not in the canonical form; write "1.2.post0"'),
        ("", "is not a version in PEP 440 form; "),
        ("one", "is not a version in PEP 440 form; "),
        ("1" * 65, "is 65 characters long; the limit is 64"),
    ],
)
def test_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}"):
        versions.parse(text)


# --- ordering -------------------------------------------------------------------------------------------------

NUMBER = st.one_of(st.integers(0, 12), st.integers(0, 10**6))


def spelled(numbers: int) -> st.SearchStrategy[str]:
    """Canonical versions of so many numbers each, close enough to one another to be told apart by their end."""
    end = st.one_of(st.none(), NUMBER)
    return st.builds(
        lambda release, pre, post, dev: (
            ".".join(map(str, release))
            + ("" if pre is None else f"{pre[0]}{pre[1]}")
            + ("" if post is None else f".post{post}")
            + ("" if dev is None else f".dev{dev}")
        ),
        st.lists(st.integers(0, 3), min_size=numbers, max_size=numbers),
        st.one_of(st.none(), st.tuples(st.sampled_from(["a", "b", "rc"]), NUMBER)),
        end,
        end,
    )


many = st.integers(1, 4).flatmap(lambda n: st.lists(spelled(n), min_size=2, max_size=25, unique=True))
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def in_order(found: Sequence[str]) -> list[versions.Version]:
    return [versions.parse(text) for text in sorted(found, key=Pep440)]


@pytest.fixture(scope="session")
def rpm_order(need: Callable[[str], str]) -> Callable[[Sequence[str]], list[int]]:
    rpm = need("rpm")

    def compare(spellings: Sequence[str]) -> list[int]:
        calls = "".join(f"print(rpm.vercmp('{b}', '{a}') .. ' ')" for a, b in itertools.pairwise(spellings))
        run = subprocess.run([rpm, "--eval", f"%{{lua:{calls}}}"], check=True, capture_output=True, text=True)
        return [int(word) for word in run.stdout.split()]

    return compare


@pytest.fixture(scope="session")
def pacman_order(need: Callable[[str], str]) -> Callable[[Sequence[str]], list[int]]:
    vercmp = need("vercmp")

    def compare(spellings: Sequence[str]) -> list[int]:
        return [
            int(subprocess.run([vercmp, b, a], check=True, capture_output=True, text=True).stdout)
            for a, b in itertools.pairwise(spellings)
        ]

    return compare


@pytest.fixture(scope="session")
def homebrew_order(need: Callable[[str], str]) -> Callable[[Sequence[str]], list[int]]:
    command = [need("ruby"), str(Path(__file__).with_name("homebrew_version.rb"))]

    def compare(spellings: Sequence[str]) -> list[int]:
        text = "\n".join(spellings)
        run = subprocess.run(command, input=text, check=True, capture_output=True, text=True)
        return [int(word) for word in run.stdout.split()]

    return compare


Order = Callable[[Sequence[str]], list[int]]


@pytest.mark.parametrize("spelling", ["rpm", "pacman", "homebrew"])
def test_every_pair_of_the_ladder(spelling: str, request: pytest.FixtureRequest) -> None:
    order: Order = request.getfixturevalue(f"{spelling}_order")
    spellings = [getattr(versions.parse(text), spelling) for text in LADDER]
    assert order(spellings) == [1] * (len(LADDER) - 1)
    # Not only neighbours: the comparisons of package managers need not be transitive.
    pairs = list(itertools.combinations(spellings, 2))
    verdicts = order([text for pair in pairs for text in pair])[::2]
    assert [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict != 1] == []


@given(found=many)
@few
def test_rpm_orders_as_pep_440(rpm_order: Order, found: list[str]) -> None:
    assert rpm_order([version.rpm for version in in_order(found)]) == [1] * (len(found) - 1)


@given(found=many)
@few
def test_pacman_orders_as_pep_440(pacman_order: Order, found: list[str]) -> None:
    assert pacman_order([version.pacman for version in in_order(found)]) == [1] * (len(found) - 1)


@given(found=many)
@few
def test_homebrew_orders_as_pep_440(homebrew_order: Order, found: list[str]) -> None:
    assert homebrew_order([version.homebrew for version in in_order(found)]) == [1] * (len(found) - 1)


@pytest.mark.parametrize("spelling", ["rpm", "pacman", "homebrew"])
def test_the_comparisons_can_tell(spelling: str, request: pytest.FixtureRequest) -> None:
    """What PEP 440's own spelling would give, where a tool orders it otherwise: the tests above can fail."""
    order: Order = request.getfixturevalue(f"{spelling}_order")
    assert order(["1.2.dev1", "1.2"]) != [1]
    assert order(["1.2", "1.3"]) == [1]
    assert order(["1.3", "1.2"]) == [-1]


@given(text=spelled(3))
def test_each_spelling_is_legal_in_its_ecosystem(text: str) -> None:
    version = versions.parse(text)
    assert re.fullmatch(r"[A-Za-z0-9._+~^]+", version.rpm)
    assert re.fullmatch(r"[A-Za-z0-9._+]+", version.pacman)
    assert re.fullmatch(r"[A-Za-z0-9._]+", version.homebrew)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", version.oci)
    number = r"(0|[1-9][0-9]*)"
    assert re.fullmatch(rf"{number}(\.{number}){{2}}(-[a-z0-9.]+)?(\+[a-z0-9.]+)?", version.cargo)


@given(text=st.text(max_size=70))
def test_parse_raises_nothing_but_value_error(text: str) -> None:
    try:
        version = versions.parse(text)
    except ValueError:
        return
    assert str(version) == text == str(Pep440(text))


def test_cargo_orders_what_is_released_as_pep_440_does() -> None:
    """By the rules of semver, 11.4: numbers as numbers, words as texts, and whatever comes before the final one."""
    released = [versions.parse(text) for text in LADDER if "dev" not in text and "post" not in text]

    def key(version: str) -> tuple[list[int], bool, list[tuple[bool, int, str]]]:
        numbers, _, pre = version.partition("-")
        words = [(not one.isdecimal(), int(one) if one.isdecimal() else 0, one) for one in pre.split(".") if one]
        return [int(one) for one in numbers.split(".")], not pre, words

    spelt = [version.cargo for version in released]
    assert sorted(spelt, key=key) == spelt
    assert len(set(spelt)) == len(spelt)
