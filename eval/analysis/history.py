"""Many runs side by side, by DuckDB over their tables of rows: nothing is read but the columns asked for."""

from __future__ import annotations

import glob
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from soundsafe.errors import InputError
from soundsafe.eval.documents import rounded
from soundsafe.eval.rows import HistoryRow, control_of

if TYPE_CHECKING:
    import duckdb

__all__ = ["connect", "history"]

_LACKING = "SELECT NULL::DOUBLE AS parity_slots WHERE false"


def connect(folders: Sequence[Path]) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the view `rows`: all rows of all runs.

    `run` is the number of a row's folder, from 0. Runs of earlier versions lack some columns, which are then
    null.

    Raises:
        InputError: DuckDB is missing, or a folder holds no finished run.
    """
    try:
        import duckdb
    except ImportError as error:
        raise InputError("history needs DuckDB: pip install 'soundsafe[history]'") from error
    files = [folder / "results.parquet" for folder in folders]
    for folder, file in zip(folders, files, strict=True):
        if not file.is_file():
            raise InputError(f"{folder} holds no finished run: results.parquet is missing")
    base = duckdb.connect()
    try:
        for number, file in enumerate(files):
            # A view takes no parameters: a quote in a file's name is doubled, as SQL has it. And the name is
            # read as a pattern, of other files too.
            quoted = glob.escape(str(file)).replace("'", "''")
            base.execute(f"CREATE VIEW run{number} AS SELECT *, {number} AS run FROM '{quoted}'")
        union = " UNION ALL BY NAME ".join(f"SELECT * FROM run{n}" for n in range(len(files)))
        # Where no run has a column, it is null all the same.
        base.execute(f"CREATE VIEW rows AS {union} UNION ALL BY NAME {_LACKING}")
    except duckdb.Error as error:
        raise InputError(f"the runs cannot be read together: {str(error).splitlines()[0]}") from error
    return base


_QUERY = """
WITH counted AS (
  SELECT * FROM rows WHERE status IN ('ok', 'refused')
), clips AS (
  SELECT run, system, attack, clip, any_value(clip_ok) AS ok FROM counted GROUP BY ALL
), whole AS (
  SELECT run, system, attack, count(*) AS clips, avg(ok::INT) AS clip_success FROM clips GROUP BY ALL
), single AS (
  SELECT run, system, attack, count(*) AS euls, avg(payload_ok::INT) AS payload_success,
    avg(ber) FILTER (WHERE coded) AS ber,
    avg(CASE WHEN NOT isnan(parity_slots) THEN parity_slots
      WHEN status <> 'ok' AND (here OR (anywhere AND lost)) THEN 0 END) AS parity_slots
  FROM (
    SELECT *, max(bits) OVER (PARTITION BY run, system) > 0 AS coded,
      bool_or(NOT isnan(parity_slots)) OVER (PARTITION BY run, system) AS anywhere,
      bool_or(NOT isnan(parity_slots)) OVER (PARTITION BY run, system, attack) AS here,
      bool_and(status <> 'ok') OVER (PARTITION BY run, system, attack) AS lost
    FROM counted
  ) GROUP BY ALL
)
SELECT * FROM single JOIN whole USING (run, system, attack)
"""


def history(folders: Sequence[Path]) -> list[HistoryRow]:
    """A row for each system × attack × run, the runs of an attack together and in the order given.

    `run` is the folder as given and `commit` its code's; figures are as in a summary, over all categories.
    Runs need not hold the same clips: `compare` pairs two that do. The controls are left out.

    Raises:
        InputError: see `connect`.
    """
    with connect(folders) as base:
        import duckdb

        try:
            found = base.execute(_QUERY).df()
        except duckdb.Error as error:
            raise InputError(f"the runs cannot be read together: {str(error).splitlines()[0]}") from error
    found = found[found["attack"].map(control_of) == ""]
    order = {key: i for i, key in enumerate(dict.fromkeys(_order(folders)))}
    out: list[HistoryRow] = []
    lines = found.to_dict("records")
    lines.sort(key=lambda r: (order[r["system"], r["attack"]], r["run"]))
    last: tuple[str, str, float] | None = None
    for line in lines:
        system, attack, success = line["system"], line["attack"], line["payload_success"]
        folder = folders[line["run"]]
        row = HistoryRow(
            system=system,
            attack=attack,
            run=str(folder),
            commit=_commit(folder),
            clips=int(line["clips"]),
            euls=int(line["euls"]),
            payload_success=success,
            clip_success=line["clip_success"],
            ber=line["ber"],
            parity_slots=line["parity_slots"],
            change=success - last[2] if last is not None and last[:2] == (system, attack) else None,
        )
        last = system, attack, success
        out.append(rounded(row))
    return out


def _order(folders: Sequence[Path]) -> list[tuple[str, str]]:
    """Systems and attacks as the runs hold them, first come first."""
    import pandas as pd

    tables = [pd.read_parquet(f / "results.parquet", columns=["system", "attack"]) for f in folders]
    return [(str(s), str(a)) for s, a in pd.concat(tables).drop_duplicates().itertuples(index=False)]


def _commit(folder: Path) -> str | None:
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("commit")
    except (OSError, ValueError, AttributeError):
        return None
    return None if found is None else str(found)[:12]
