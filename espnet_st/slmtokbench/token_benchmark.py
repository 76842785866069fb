"""SLMTokBench for anybody's tokens: no experiment and no recipe needed.

    from espnet_st.slmtokbench import score_tokens

    results = score_tokens("results", codes="codes.scp", text="text", frame_rate=50)

`espnet-st bench` is this as a command. `token_sets` prepares, `token_parts` measures,
`token_report` writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_st.slmtokbench.config import BenchmarkConfig
from espnet_st.slmtokbench.report.tables import Table
from espnet_st.slmtokbench.token_inputs import prepare
from espnet_st.slmtokbench.token_options import TokenInputs
from espnet_st.slmtokbench.token_parts import measure
from espnet_st.slmtokbench.token_report import write_results


@dataclass(frozen=True)
class TokenResults:
    """Hold what was found of tokens.

    Attributes:
        scores: What `scores.json` holds, see `token_report.write_results`.
        tables: By name.
        left_out: "set/utterance" to why it was not scored.
        not_scored: Part to what it needs.
        paths: "scores", "markdown", "report" and "estimates" to their files.
    """

    scores: dict[str, Any]
    tables: dict[str, Table]
    left_out: dict[str, str]
    not_scored: dict[str, str]
    paths: dict[str, Path]


def score_tokens(
    output: str | Path,
    config: BenchmarkConfig | None = None,
    nj: int = 1,
    device: str = "cpu",
    **inputs: Any,
) -> TokenResults:
    """Score tokens, and write the results.

    Finished parts are kept in `output` and found again as long as nothing that they
    depend on has changed.

    Args:
        output: Directory for results; made if missing.
        config: Settings; by default those of the paper.
        nj: Processes.
        device: Where the downstream model is trained and an adapter runs.
        **inputs: See `TokenInputs`.

    Raises:
        ValueError: If nothing can be scored: see the message.
    """
    config = config or BenchmarkConfig()
    given = TokenInputs(**inputs)
    directory = Path(output)
    directory.mkdir(parents=True, exist_ok=True)
    tokens = prepare(given, config, directory, device)
    parts = measure(tokens, config, directory, nj, device)
    scores, tables, paths = write_results(given, tokens, parts, config, directory)
    return TokenResults(scores, tables, tokens.left_out, parts.not_scored, paths)
