"""Every error has its sentence in both languages; only the command line names commands."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import string
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossregion import catalogue
from crossregion.catalogue import CHINESE, ENGLISH, HINT, Message, sentences
from crossregion.errors import CrossregionError

ROOT = Path(__file__).parents[2]
PACKAGES = ("crossregion", "producers", "processors", "consumers", "cli")
HOMES = ("crossregion", "cli")
COMMAND = re.compile(
    r"`crossregion [a-z]|run crossregion |`(?:tips|notices|handovers|files) [a-z]+`"
)

Errors = dict[str, type[CrossregionError]]
Used = dict[tuple[str, str], list[set[str] | None]]
"""By package and code: the fields that each place gives, None where they are made elsewhere."""


def subclasses(root: type[CrossregionError]) -> Iterator[type[CrossregionError]]:
    yield root
    for one in root.__subclasses__():
        yield from subclasses(one)


@pytest.fixture(scope="module")
def errors() -> Errors:
    """Every class of errors by its name, from every module."""
    for package in PACKAGES:
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            importlib.import_module(module.name)
    return {
        one.__name__: one for one in subclasses(CrossregionError) if "tests" not in one.__module__
    }


def calls() -> Iterator[tuple[Path, ast.Call]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield path, node


def written(node: ast.expr | None) -> str | None:
    """A text that stands in the source, an f-string's changing part as `*`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(written(part) or "*" for part in node.values)
    return None


@pytest.fixture(scope="module")
def used(errors: Errors) -> Used:
    """Code and fields of every error and message that is made somewhere."""
    found: Used = defaultdict(list)
    for path, call in calls():
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name == "Message" and path.name != "errors.py":
            coded, fields = call.args
            assert written(coded), f"{path}:{call.lineno}"
            keys = fields.keys if isinstance(fields, ast.Dict) else None
            given = {written(key) or "" for key in keys} if keys is not None else None
            found["crossregion", written(coded) or ""].append(given)
        elif name in errors and errors[name].__init__ is CrossregionError.__init__:
            detail = written(call.args[0]) if call.args else ""
            if detail is not None:
                code = ".".join(part for part in (errors[name].code, detail) if part)
                known = all(one.arg for one in call.keywords)
                given = {one.arg or "" for one in call.keywords} if known else None
                found[errors[name].package, code].append(given)
    return found


def fields_of(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("package", HOMES)
def test_both_languages_have_the_same_codes_and_fields(package: str) -> None:
    english, chinese = (sentences(package, language) for language in (ENGLISH, CHINESE))
    assert english.keys() == chinese.keys()
    for key, sentence in english.items():
        assert sentence.strip() and chinese[key].strip(), key
        assert fields_of(sentence) == fields_of(chinese[key]), key
        assert "\n" not in sentence + chinese[key], key


def test_every_class_of_errors_has_a_code_of_its_own(errors: Errors) -> None:
    codes = [one.code for one in errors.values() if one is not CrossregionError]
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code) for code in codes)
    assert len(set(codes)) == len(codes) > 40


def test_every_error_that_is_made_has_its_sentence_and_its_fields(used: Used) -> None:
    assert len(used) > 200
    for (package, code), places in used.items():
        pattern = re.compile(re.escape(code).replace(r"\*", ".+"))
        known = [name for context, name in sentences(package, ENGLISH) if context is None]
        matching = [name for name in known if pattern.fullmatch(name)]
        assert matching, f"{code} stands in no catalogue"
        if matching == [code]:
            named = fields_of(sentences(package, ENGLISH)[None, code])
            for given in places:
                if given is not None:
                    hint = fields_of(sentences("cli", ENGLISH).get((HINT, code), ""))
                    assert named | hint == given, code


def details_chosen_at_run_time(errors: Errors) -> set[str]:
    """Codes of the classes that are raised somewhere with a detail that is not written there."""
    return {
        errors[call.func.id].code
        for _, call in calls()
        if isinstance(call.func, ast.Name)
        and call.func.id in errors
        and errors[call.func.id].code
        and call.args
        and written(call.args[0]) is None
    }


def test_no_sentence_is_of_nothing(used: Used, errors: Errors) -> None:
    patterns = [re.compile(re.escape(code).replace(r"\*", ".+")) for _, code in used if code]
    own = {one.code for one in errors.values()}
    own |= {
        f"{errors[call.func.id].code}.{written(call.args[0])}"
        for _, call in calls()  # also of classes that make their fields themselves
        if isinstance(call.func, ast.Name) and call.func.id in errors and call.args
    }
    chosen = tuple(f"{code}." for code in details_chosen_at_run_time(errors))
    unused = []
    for package in HOMES:
        for _, code in sentences(package, ENGLISH):
            made = any(pattern.fullmatch(code) for pattern in patterns)
            if code not in own and not made and not code.startswith(chosen):
                unused.append(code)
    assert unused == []


def test_a_hint_belongs_to_a_sentence() -> None:
    hints = [code for context, code in sentences("cli", ENGLISH) if context == HINT]
    assert len(hints) > 20
    for code in hints:
        assert (None, code) in sentences("crossregion", ENGLISH), code


def test_only_the_command_line_names_commands(errors: Errors) -> None:
    for language in catalogue.LANGUAGES:
        named = {
            code
            for (_, code), text in sentences("crossregion", language).items()
            if COMMAND.search(text)
        }
        assert named == set()
    assert any(COMMAND.search(text) for text in sentences("cli", ENGLISH).values())
    for path, call in calls():
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if path.relative_to(ROOT).parts[0] != "cli" and (name in errors or name == "Message"):
            for node in ast.walk(call):
                text = written(node) if isinstance(node, ast.expr) else None
                assert text is None or not COMMAND.search(text), f"{path}:{call.lineno}"


def test_a_place_of_the_source_that_a_sentence_names_is_there() -> None:
    named = {
        place
        for home in HOMES
        for language in catalogue.LANGUAGES
        for text in sentences(home, language).values()
        for place in re.findall(rf"\b(?:{'|'.join(PACKAGES)})/[a-z_/]+", text)
    }
    assert named
    assert [place for place in sorted(named) if not (ROOT / place).exists()] == []


def test_a_sentence_is_written_with_lists_and_with_what_it_contains() -> None:
    why = Message("service-unavailable.nothing-listens", {"address": "localhost:1"})
    one = Message("service-unavailable.not-sent", {"why": why})
    assert one.text(ENGLISH).endswith(
        "Nothing listens at localhost:1: check CROSSREGION_KAFKA and that the broker runs."
    )
    assert "没有发送成功" in one.text(CHINESE) and "没有服务在监听" in one.text(CHINESE)
    several = Message("no-publishing-unit", {"unit": "{x}", "known": ("a", "b")})
    assert several.text() == "{x} is no unit that publishes: a, b."
    assert Message("none", {"a": 1}).text() == "none a=1"
