"""What to do when a server refuses: one sentence for each HTTP status."""

from __future__ import annotations

from http import HTTPStatus

REMEDIES = {
    401: "it wants to know who you are: set the environment variable HF_TOKEN or run "
    "`hf auth login` for a hub; a hub also says so of a model that is not there",
    403: "you may not do this: ask the owner for access, or use a token that has it",
    404: "there is nothing of that name: check owner, model, revision and file",
    429: "it had too many requests from here: wait some minutes and try again",
}


def refusal(status: int) -> str:
    """Describe a status and what to do about it.

    Args:
        status: The HTTP status, 400 or more.
    """
    remedy = REMEDIES.get(status, "this request is not understood there")
    if status >= 500:
        remedy = "the server has a fault of its own: try again later"
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "unknown"
    return f"the server answered {status} ({phrase}): {remedy}"


def find_status(error: BaseException | None) -> int | None:
    """Find the HTTP status in an error, or in one that led to it."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        error = error.__cause__ or error.__context__
    return None
