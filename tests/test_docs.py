"""Texts for readers: short where promised, links that lead somewhere, real commands."""

import argparse
import importlib
import re
from pathlib import Path

import pytest

from espnet_st.bin.verbs import OTHERS, VERBS

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
TEXTS += sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))


def read(text):
    return (ROOT / text).read_text(encoding="utf-8")


def anchors(path):
    """The anchors that GitHub gives the headings of a file."""
    heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(text):
    """The command lines of the fenced shell blocks, continued lines joined."""
    for block in re.findall(r"^```sh\n(.*?)^```", read(text), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.partition(" #")[0].strip()


def options(line):
    return {word.partition("=")[0] for word in re.findall(r"(?<= )--[\w-]+", line)}


def test_the_readme_is_short():
    assert len(read("README.md").splitlines()) < 130


@pytest.mark.parametrize("text", TEXTS)
def test_links_lead_somewhere(text):
    for target in re.findall(r"\]\(([^)\s]+)\)", read(text)):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / text).parent / file if file else ROOT / text
        assert path.is_file(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.parametrize("text", TEXTS)
def test_scripts_that_are_named_are_there(text):
    for line in commands(text):
        for script in re.findall(r"\S+\.(?:py|sh)\b", line):
            name = script.removeprefix("./").lstrip("./")
            places = [ROOT / name, ROOT / "egs2/TEMPLATE/speechtok1" / name]
            assert any(place.is_file() for place in places), line


@pytest.mark.parametrize("text", TEXTS)
def test_commands_have_the_options_that_are_named(text):
    for line in commands(text):
        module = re.search(r"-m (espnet_st\.bin\.\w+)(?: ([a-z]\w+))?", line)
        if not module:
            continue
        parser = importlib.import_module(module[1]).get_parser()
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parser = action.choices[module[2]]
        assert options(line) <= parser._option_string_actions.keys(), line


@pytest.mark.parametrize("text", TEXTS)
def test_the_command_has_the_verbs_and_options_that_are_named(text):
    for line in commands(text):
        for verb, rest in re.findall(r"espnet-st ([a-z][\w-]*)([^|]*)", line):
            assert verb in VERBS | OTHERS, line
            if verb in VERBS:
                parser = importlib.import_module(VERBS[verb].module).get_parser()
                assert options(rest) <= parser._option_string_actions.keys(), line


@pytest.mark.parametrize("text", TEXTS)
def test_benches_have_the_options_that_are_named(text):
    for line in commands(text):
        script = re.search(r"(tools/bench/\w+\.py)(.*)", line)
        if script:
            source = read(script[1])
            for option in options(script[2]):
                assert f'"{option}"' in source, line


def test_every_bench_stands_in_its_document_with_a_command():
    named = "\n".join(commands("docs/benchmarks.md"))
    for path in ROOT.glob("tools/bench/*.py"):
        if path.read_text(encoding="utf-8").startswith("#!"):
            assert f"`{path.name}`" in read("docs/benchmarks.md")
            assert f"tools/bench/{path.name}" in named
