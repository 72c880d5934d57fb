"""Every package that the project needs has a licence that fits Apache-2.0 (licences.toml).

What is checked is what the installed packages say of themselves: the dependencies of `crossregion`
as declared, with their extras, and theirs in turn, for the Python and the system that run the test.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LICENCES = Path(__file__).with_name("licences.toml")
Find = Callable[[str], Distribution]


@dataclass(frozen=True, slots=True)
class Policy:
    """`licences.toml`, read."""

    permissive: frozenset[str]
    spelling: dict[str, str]
    distribution: dict[str, dict[str, str]]


def read_policy() -> Policy:
    read: dict[str, Any] = tomllib.loads(LICENCES.read_text("utf-8"))
    return Policy(frozenset(read.pop("permissive")), read.pop("spelling"), read["distribution"])


POLICY = read_policy()


def dependencies(root: str, find: Find = distribution) -> dict[str, Distribution]:
    """The packages that `root` needs, by normalised name, without `root` itself.

    Raises PackageNotFoundError if one of them is not installed.
    """
    found: dict[str, Distribution] = {}
    waiting, seen = [(root, "")], set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = find(name)
        for text in found[name].requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                wanted = canonicalize_name(needed.name)
                waiting += [(wanted, one) for one in ("", *sorted(needed.extras))]
    del found[root]
    return found


def declared(package: Distribution, spelling: dict[str, str]) -> str:
    """The SPDX expression of a package's licence, from the most exact field that it fills.

    Several classifiers count as "all of them", since they do not say whether one may choose.
    Raises ValueError if none of its fields names a known licence.
    """
    about = package.metadata
    name, version = about["Name"], package.version
    (stated,) = about.get_all("License-Expression") or [""]
    if not stated:
        classes = about.get_all("Classifier") or []
        named = sorted({one for one in classes if re.match(r"License :: (?!OSI Approved$)", one)})
        (text,) = about.get_all("License") or [""]
        text = text.strip().partition("\n")[0]
        stated = " AND ".join(spelling.get(one, one) for one in named) or spelling.get(text, text)
    try:
        return canonicalize_license_expression(stated)
    except InvalidLicenseExpression:
        raise ValueError(f"{name} {version}: unknown licence {stated!r}") from None


def is_permitted(expression: str, permissive: frozenset[str]) -> bool:
    """Whether an SPDX expression can be met with these licences alone.

    AND binds more tightly than OR (SPDX 2.3, annex D); "A WITH B" is a licence of its own.
    """
    tokens = re.findall(r"[()]|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression)

    def either() -> bool:
        result = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = both() or result
        return result

    def both() -> bool:
        result = single()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = single() and result
        return result

    def single() -> bool:
        token = tokens.pop(0)
        if token != "(":
            return token in permissive
        result = either()
        tokens.pop(0)
        return result

    return either()


def objection(package: Distribution, policy: Policy) -> str | None:
    """Why a package may not be used; None if it may."""
    name = canonicalize_name(package.metadata["Name"])
    try:
        licence = declared(package, policy.spelling)
    except ValueError as unknown:
        return str(unknown)
    listed = policy.distribution.get(name)
    if listed is not None:
        return None if listed["licence"] == licence else f"{name}: {licence}, not as listed"
    return None if is_permitted(licence, policy.permissive) else f"{name}: {licence}"


NEEDED = dependencies("crossregion")


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_dependency_has_a_licence_that_fits(name: str) -> None:
    assert objection(NEEDED[name], POLICY) is None


def test_the_list_of_exceptions_names_only_what_is_needed_and_says_why() -> None:
    assert set(POLICY.distribution) <= set(NEEDED)
    for name, listed in POLICY.distribution.items():
        assert len(listed["reason"].split()) > 5, name


def test_a_licence_exception_stands_in_the_package_itself() -> None:
    listed = {name: one for name, one in POLICY.distribution.items() if "exception_in" in one}
    assert listed
    for name, one in listed.items():
        text = Path(str(NEEDED[name].locate_file(one["exception_in"]))).read_text("utf-8")
        assert one["exception"] in text, name


def installed(folder: Path, name: str, *fields: str) -> None:
    """Puts the metadata of a made-up package into `folder`."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *fields]
    (info / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")


def finder(folder: Path) -> Find:
    def find(name: str) -> Distribution:
        (only,) = Distribution.discover(name=name, path=[str(folder)])
        return only

    return find


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["License-Expression: MIT"], None),
        (["License-Expression: MIT OR GPL-3.0-or-later"], None),
        (["License-Expression: MIT AND (GPL-3.0-only OR ISC)"], None),
        (["License: MIT License"], None),
        (["License: MIT"], None),
        (
            ["Classifier: License :: OSI Approved", "License: Apache-2.0"],
            None,
        ),
        (["License-Expression: GPL-3.0-or-later"], "invented: GPL-3.0-or-later"),
        (["License-Expression: AGPL-3.0-only"], "invented: AGPL-3.0-only"),
        (["License-Expression: MIT AND GPL-3.0-only"], "invented: MIT AND GPL-3.0-only"),
        (
            ["License-Expression: GPL-2.0-only WITH Classpath-exception-2.0"],
            "invented: GPL-2.0-only WITH Classpath-exception-2.0",
        ),
        (["License: GPL-3.0-or-later"], "invented: GPL-3.0-or-later"),
        (
            [
                "License: MIT",
                "Classifier: License :: OSI Approved :: "
                "GNU General Public License v3 or later (GPLv3+)",
            ],
            "invented: GPL-3.0-or-later",
        ),
        (
            [
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: GNU General Public License v2 (GPLv2)",
            ],
            "invented: GPL-2.0-only AND MIT",
        ),
        (["License: as is"], "invented 1.0: unknown licence 'as is'"),
        (["License: UNKNOWN"], "invented 1.0: unknown licence 'UNKNOWN'"),
        ([], "invented 1.0: unknown licence ''"),
    ],
)
def test_what_the_check_says_of_a_made_up_package(
    tmp_path: Path, fields: list[str], expected: str | None
) -> None:
    installed(tmp_path, "invented", *fields)
    assert objection(finder(tmp_path)("invented"), POLICY) == expected


def test_an_exception_holds_for_the_licence_it_was_given_for(tmp_path: Path) -> None:
    installed(tmp_path, "psycopg", "License-Expression: GPL-3.0-only")
    found = objection(finder(tmp_path)("psycopg"), POLICY)
    assert found == "psycopg: GPL-3.0-only, not as listed"


def test_dependencies_are_followed_through_extras_and_markers(tmp_path: Path) -> None:
    installed(
        tmp_path,
        "root",
        "Requires-Dist: First_One[fast]>=1",
        "Requires-Dist: elsewhere; sys_platform == 'none'",
        "Requires-Dist: chosen; extra == 'dev'",
    )
    installed(tmp_path, "first_one", "Requires-Dist: quick; extra == 'fast'")
    installed(tmp_path, "quick", "Requires-Dist: root", "Requires-Dist: last")
    installed(tmp_path, "last")
    assert sorted(dependencies("root", finder(tmp_path))) == ["first-one", "last", "quick"]


def test_the_check_reaches_what_a_dependency_needs() -> None:
    """Faust needs venusian, kafka-python's extra crc32c, procrastinate psycopg's pool."""
    assert {"venusian", "crc32c", "psycopg-pool", "borax"} <= set(NEEDED)
