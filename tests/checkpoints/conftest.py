"""The tiny USLM, and a hub of a test's own."""

import huggingface_hub.constants
import huggingface_hub.utils._http
import pytest
from uslm_fixtures import model, tiny

__all__ = ["model", "tiny"]


@pytest.fixture
def point_to(tmp_path, monkeypatch):
    """Point `huggingface_hub` to an address, with a cache of its own and no waiting.

    It reads HF_ENDPOINT and the like when it is imported, which it is by now.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(huggingface_hub.utils._http.time, "sleep", lambda _: None)

    def point(address):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    return point
