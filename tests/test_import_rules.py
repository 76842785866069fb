"""Who may import whom: the table of the rooms, held for every import statement."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "espnet_st"
# From the ground up: a room imports only rooms of lines above its own, and none of the
# three between which the models stand imports another of them.
FLOORS = [
    {"config", "masks", "distributed", "lazy"},
    {"data"},
    {"packed"},
    {"codes"},
    {"kernels"},
    {"codec"},
    {"uslm"},
    {"checkpoints"},
    {"huggingface"},
    {"inference"},
    {"demo"},
    {"frontend"},
    {"slmtokbench"},
    {"tasks"},
    {"registry"},
    {"bin", "__main__"},
]
STRANGERS = {"codec", "uslm", "slmtokbench"}
# The package itself names two classes, and imports them when they are used.
PUBLIC = {"inference"}
ROOMS = set().union(*FLOORS)
# Packages of ESPnet that a room may import.
ESPNET = {
    # ESPnet's own codecs, too, take their discriminators from its GAN-TTS; a teacher
    # may be a model of its SSL tasks, which are imported when it is.
    "codec": {
        "espnet2.gan_codec",
        "espnet2.gan_tts.hifigan",
        "espnet2.tasks.hubert",
        "espnet2.tasks.ssl",
    },
    "uslm": {"espnet2.tts"},
    "frontend": {"espnet2"},
    "inference": {"espnet2.text"},
    "demo": set(),
    "slmtokbench": set(),
    "tasks": {"espnet2"},
    "registry": {"espnet2"},
    "bin": {"espnet2", "espnet"},
}
# Small helpers of ESPnet that any of its models needs.
EVERYWHERE = {"espnet2.torch_utils", "espnet2.utils", "espnet2.train.abs_espnet_model"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """(module, line) of each import; a relative one counts as absolute.

    `from a import b` gives both a and a.b, for b may be a module of the package a.
    """
    here = ["espnet_st", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module, node.lineno
            for alias in node.names:
                yield f"{module}.{alias.name}", node.lineno


def inside(module, packages):
    return any(module == name or module.startswith(f"{name}.") for name in packages)


def below(room):
    """The rooms that a room may import, besides itself."""
    rooms = set()
    for floor in FLOORS:
        if room in floor:
            return rooms - STRANGERS if room in STRANGERS else rooms
        rooms |= floor
    raise AssertionError(f"{room} is no room: say in FLOORS where it stands")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_what_stands_above_it(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    rooms = PUBLIC if room == "__init__" else below(room) | {room}
    espnet = ESPNET.get(room, set()) | EVERYWHERE
    for module, line in imports(path):
        where = f"{path}:{line} imports {module}"
        parts = module.split(".")
        if parts[0] == "espnet_st" and len(parts) > 1 and parts[1] in ROOMS:
            assert parts[1] in rooms, where
        elif parts[0] in ("espnet", "espnet2"):
            assert inside(module, espnet), where


def module_name(path):
    """How a file is imported: a package by its own name, not as `__init__`."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_no_modules_import_each_other_in_a_circle():
    names = {module_name(path): path for path in FILES if path.parent != PACKAGE}
    names |= {module_name(path): path for path in PACKAGE.glob("[!_]*.py")}
    imported = {
        name: sorted({module for module, _ in imports(path)} & names.keys())
        for name, path in names.items()
    }
    finished, circles = set(), []

    def walk(name, trail):
        if name in trail:
            circles.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in finished:
            for other in imported[name]:
                walk(other, [*trail, name])
            finished.add(name)

    for name in names:
        walk(name, [])
    assert not circles, "\n".join(circles)


def modules_after(statement):
    """Names of the modules that a fresh interpreter holds after `statement`."""
    code = (
        f"{statement}\nimport json, sys\nsys.stdout.write(json.dumps([*sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_package_alone_imports_next_to_nothing():
    modules = modules_after("import espnet_st; dir(espnet_st)")
    found = {name for name in modules if inside(name, {"espnet_st"})}
    assert found == {"espnet_st"}
    assert not modules & {"torch", "numpy", "espnet2"}


@pytest.mark.parametrize(
    "statement",
    ["import espnet_st", "from espnet_st import AudioCoding"],
)
def test_encoding_does_not_pay_for_espnets_tasks(statement):
    modules = modules_after(statement)
    heavy = [name for name in modules if inside(name, {"espnet2.tasks", "g2p_en"})]
    assert not heavy, f"{statement} imports {heavy[:5]}"
