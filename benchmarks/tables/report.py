"""What the results say: a summary for each group of tables, duels, and the figures of each table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables.board import Board, Duel, covering
from benchmarks.tables.records import OURS, TUNED_ON, Result, read_results, title_of
from twolayer.text import count, join

RECORD_FILE, RESULTS_FILE, PAGE_FILE = "tables.json", "results.jsonl", "tables.md"
RANKS_FILE, SECONDS_FILE = "ranks.png", "seconds.png"
_BY = {"error": "error", "logloss": "log loss"}
_SMALL = 0.001
_WHAT = """\
Means over tables (of each over its splits); ranks from 1, the best; tables on which twolayer is better / equal / worse,
with the p-value of a two-sided sign test. Smaller is better, except for the AUC.
"""
_HOW = """\
Each table is split into rows to learn from (80 %, at most 6,000) and rows to test on (at most 5,000), by classes. Every
method has its defaults, and the treatment of columns that its users give it. twolayer is `twolayer train` on a file
with the table as it is; TwoLayerClassifier, LogisticRegression, MLPClassifier and RandomForest are behind median
filling, standardization and one-hot encoding. HistGradientBoosting, LightGBM, CatBoost and EBM get numbers as they are,
missing or not, and know which columns are categories; XGBoost gets a number for each category; RealMLP knows the
categories, and missing numbers are filled with the median. Log losses are of probabilities of at least 1e-7; the AUC
of more than two classes is the mean of each class against the rest; the calibration error is over 15 bins of the
probability of the predicted class. Seconds are those of a fit: of encoding, too, and for twolayer of reading the file.

```sh
python -m benchmarks.fetch_tables --out benchmarks/data  # what packages bring; or a folder of your own
python -m benchmarks.tables --data benchmarks/data
```
"""

Record = dict[str, Any]


def load(folder: Path) -> tuple[Record, list[Result]]:
    """Return the record that was written to a folder, and those results that belong to it."""
    record: Record = json.loads((folder / RECORD_FILE).read_text())
    tables = {facts["name"] for facts in record["tables"]}
    last = {(r["table"], r["split"], r["method"]): r for r in read_results(folder / RESULTS_FILE)}
    chosen = (r for r in last.values() if r["table"] in tables and r["split"] < record["splits"])
    return record, [result for result in chosen if result["method"] in record["methods"]]


def boards(record: Record, results: Sequence[Result]) -> dict[str, Board]:
    """Return the boards of the tables judged by, of those tuned on, and of all; those that have tables."""
    names, methods = [facts["name"] for facts in record["tables"]], record["methods"]
    every = Board.of(results, names, covering(results, names, methods))
    tuned = [name for name in names if name in TUNED_ON]
    judged = [name for name in names if name not in TUNED_ON]
    groups = {"Tables judged by": every.only(judged), "Tables tuned on": every.only(tuned)}
    if all(board.tables for board in groups.values()):
        groups["All tables"] = every
    return {title: board for title, board in groups.items() if board.tables and board.methods}


def to_markdown(record: Record, results: Sequence[Result]) -> str:
    """Return the page: the summary, then the error and the log loss on each table."""
    machine = record["machine"]
    versions = {**machine["versions"], **record["versions"]}
    lines = [
        "# Real tables, with nothing set",
        "",
        *summary(record, results),
        "",
        "## How it was measured",
        "",
        _HOW,
        f"{machine['date']}, {machine['processor']}, {count(record['threads'], 'thread')}; Python {machine['python']}, "
        + ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        + ".",
    ]
    for board_lines in (_each_table(record, results, figure, title) for figure, title in _BY.items()):
        lines += ["", *board_lines]
    return "\n".join(lines) + "\n"


def summary(record: Record, results: Sequence[Result], pictures: str = "") -> list[str]:
    """Return the lines that compare the methods; `pictures` is the folder of the pictures, with a slash at its end."""
    found = boards(record, results)
    tuned = [facts["name"] for facts in record["tables"] if facts["name"] in TUNED_ON]
    judged = [facts["name"] for facts in record["tables"] if facts["name"] not in TUNED_ON]
    lines = [
        _WHAT,
        f"twolayer's recipe was tuned on {_list(tuned)}; it is judged by {_list(judged)}.",
    ]
    lines += ["", record["note"]] if record.get("note") else []
    for title, board in found.items():
        runs = count(sum(board.runs), "split")
        lines += ["", f"**{title}** ({count(len(board.tables), 'table')}, {runs}):", "", *_compare(board)]
    lines += _partial(record, results)
    if found:
        lines += ["", f"![mean ranks]({pictures}{RANKS_FILE})", "", f"![error and seconds]({pictures}{SECONDS_FILE})"]
    return [*lines, *_recorded(record, results)]


def _list(tables: Sequence[str]) -> str:
    return join(tables, len(tables)) or "none of these tables"


def _compare(board: Board) -> list[str]:
    """Return a row for each method, the smallest mean error first."""
    means = {figure: board.mean(figure) for figure in board.means}
    ranks = {figure: board.ranks(figure) for figure in _BY}
    figures = "error, % | log loss | AUC, % | calibration error, % | seconds | rank by error | by log loss"
    lines = [f"| | {figures} | twolayer against it by error | by log loss |", "|---" * 10 + "|"]
    for k in means["error"].argsort(kind="stable"):
        method = board.methods[k]
        cells = [
            _bold(title_of(method), at=method == OURS),
            *(_best(means[figure], k, digits) for figure, digits in (("error", 2), ("logloss", 3))),
            _best(-means["auc"], k, 2),
            _best(means["ece"], k, 2),
            _best(means["seconds"], k, 2),
            *(_best(ranks[figure], k, 2) for figure in _BY),
            *(_against(board, figure, method) for figure in _BY),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _best(values: Any, k: int, digits: int) -> str:
    """Return a figure, in bold where it is the smallest; a negative one is more the better, shown without its sign."""
    shown = [f"{abs(value):.{digits}f}" for value in values]
    return _bold(shown[k], at=shown[k] == shown[int(values.argmin())])


def _bold(text: str, *, at: bool) -> str:
    return f"**{text}**" if at else text


def _against(board: Board, figure: str, rival: str) -> str:
    """Return how twolayer does against a rival."""
    if rival == OURS or OURS not in board.methods:
        return ""
    return _duel(board.duel(figure, OURS, rival))


def _duel(duel: Duel) -> str:
    p = f"p = {duel.p:.3f}" if duel.p >= _SMALL else f"p < {_SMALL}"
    return f"{duel.better} / {duel.equal} / {duel.worse} ({p})"


def _partial(record: Record, results: Sequence[Result]) -> list[str]:
    """Return how methods compare with twolayer that have results on some of the tables only."""
    names = [facts["name"] for facts in record["tables"]]
    covered = covering(results, names, record["methods"])
    rows = []
    for method in record["methods"]:
        board = Board.of(results, names, [OURS, method])
        if method in covered or OURS not in covered or not board.tables:
            continue
        means = [board.mean(figure) for figure in ("error", "logloss", "seconds")]
        cells = [
            f"{theirs:.{digits}f} ({own:.{digits}f})" for (own, theirs), digits in zip(means, (2, 3, 2), strict=True)
        ]
        duels = [_duel(board.duel(figure, OURS, method)) for figure in _BY]
        rows.append(f"| {title_of(method)} | {len(board.tables)} | {sum(board.runs)} | {' | '.join(cells + duels)} |")
    if not rows:
        return []
    head = "| | tables | splits | error, % | log loss | seconds | twolayer against it by error | by log loss |"
    text = "Methods with results on some of the tables; in brackets twolayer's on the same splits:"
    return ["", text, "", head, "|---" * 8 + "|", *rows]


def _recorded(record: Record, results: Sequence[Result]) -> list[str]:
    """Return which results were made elsewhere."""
    methods = [m for m in record["methods"] if any(r["method"] == m and r.get("recorded") for r in results)]
    if not methods:
        return []
    titles = join(map(title_of, methods), 99)
    return ["", f"Recorded earlier, not in this run: {titles}. Their seconds are those of another time and place."]


def _each_table(record: Record, results: Sequence[Result], figure: str, title: str) -> list[str]:
    """Return a row for each table with a figure of each method, the best in bold."""
    names = [facts["name"] for facts in record["tables"]]
    board = Board.of(results, names, covering(results, names, record["methods"]))
    facts = {facts["name"]: facts for facts in record["tables"]}
    unit, digits = (", %", 2) if figure == "error" else ("", 3)
    lines = [
        f"## Each table: {title}{unit}",
        "",
        f"| (* tuned on) | rows | columns | classes | {' | '.join(map(title_of, board.methods))} |",
        "|---" * (4 + len(board.methods)) + "|",
    ]
    for name, values in zip(board.tables, board.means[figure], strict=True):
        sizes = [f"{facts[name][size]:,}" if size in facts[name] else "" for size in ("rows", "columns", "classes")]
        cells = [_best(values, k, digits) for k in range(len(values))]
        mark = " *" if name in TUNED_ON else ""
        lines.append(f"| {name}{mark} | {' | '.join(sizes + cells)} |")
    return lines
