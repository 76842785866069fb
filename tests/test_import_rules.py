"""Who may import whom: the table of the rooms, held for every import statement."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "espnet_st"
ROOMS = {
    "packed",
    "codes",
    "kernels",
    "codec",
    "uslm",
    "frontend",
    "slmtokbench",
    "tasks",
    "registry",
    "bin",
}
# Rooms that a room may import, and packages of ESPnet.
MAY = {
    "packed": (set(), set()),
    "codes": ({"packed"}, set()),
    "kernels": (set(), set()),
    # ESPnet's own codecs, too, take their discriminators from its GAN-TTS; a teacher
    # may be a model of its SSL tasks, which are imported when it is.
    "codec": (
        {"codes", "kernels"},
        {
            "espnet2.gan_codec",
            "espnet2.gan_tts.hifigan",
            "espnet2.tasks.hubert",
            "espnet2.tasks.ssl",
        },
    ),
    "uslm": ({"codes", "kernels"}, {"espnet2.tts"}),
    "frontend": ({"codes", "codec"}, {"espnet2"}),
    "slmtokbench": ({"codes"}, {"espnet2"}),
    "tasks": ({"codes", "codec", "uslm", "frontend", "slmtokbench"}, {"espnet2"}),
    "registry": (ROOMS - {"bin"}, {"espnet2"}),
    "bin": (ROOMS, {"espnet2", "espnet"}),
    "__main__": (ROOMS, {"espnet2"}),
    "__init__": (set(), set()),
}
# Small helpers of ESPnet that any of its models needs.
EVERYWHERE = {"espnet2.torch_utils", "espnet2.utils", "espnet2.train.abs_espnet_model"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """(module, line) of each absolute import; a relative one counts as absolute."""
    here = ["espnet_st", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module, node.lineno
            if module == "espnet_st":
                for alias in node.names:
                    yield f"{module}.{alias.name}", node.lineno


def inside(module, packages):
    return any(module == name or module.startswith(f"{name}.") for name in packages)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_what_the_table_allows(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in MAY, f"{room} is no room: say in MAY what it may import"
    rooms, espnet = MAY[room]
    for module, line in imports(path):
        where = f"{path}:{line} imports {module}"
        parts = module.split(".")
        if parts[0] == "espnet_st" and len(parts) > 1 and parts[1] in ROOMS:
            assert parts[1] in rooms | {room}, where
        elif parts[0] in ("espnet", "espnet2"):
            assert inside(module, espnet | EVERYWHERE), where


def modules_after(statement):
    """Names of the modules that a fresh interpreter holds after `statement`."""
    code = (
        f"{statement}\nimport json, sys\nsys.stdout.write(json.dumps([*sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "statement",
    [
        "import espnet_st",
        "from espnet_st.bin.codec_inference import AudioCoding",
    ],
)
def test_encoding_does_not_pay_for_espnets_tasks(statement):
    modules = modules_after(statement)
    heavy = [name for name in modules if inside(name, {"espnet2.tasks", "g2p_en"})]
    assert not heavy, f"{statement} imports {heavy[:5]}"
