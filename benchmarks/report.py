"""The table and the pictures, from the record alone."""

import io
from typing import Any

from benchmarks.rows import ROWS, Row

_TICKS = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]


def verdict(row: Row, measured: dict[str, Any] | None, *, quick: bool = False) -> str:
    """Return what a row reached: its stretch goal, its target or neither; a quick run has no winner."""
    if measured is None:
        return "not measured"
    if not measured["same_cost"]:
        return "FAILED: not the same result"
    if quick:
        return "the same result"
    value = figure(measured)
    if value is None:
        return "no rival installed"
    sign = -1 if row.less_is_better else 1
    if sign * value >= sign * row.stretch:
        return "stretch"
    return "target" if sign * value >= sign * row.target else "MISS"


def figure(measured: dict[str, Any]) -> float | None:
    """Return the ratio to the best rival, or the number of copies of X."""
    value: float | None = measured.get("ours_copies", measured["ratio"])
    return value


def to_markdown(record: dict[str, Any]) -> str:
    """Return the record as a page of tables."""
    machine = record["machine"]
    versions = ", ".join(f"{name} {version or 'not installed'}" for name, version in machine["versions"].items())
    note = "**A quick run on small data, not a measurement.**\n\n" if record["quick"] else ""
    facts = [
        f"{machine['date']}, {machine['processor']}, {machine['processors_usable']} processors",
        f"kernel {machine['kernel']}, {record['threads']} threads each",
        f"{machine['system']}, Python {machine['python']}, {versions}",
        *machine["blas"],
        f"medians of {record['repeats']} interleaved runs",
    ]
    lines = [
        "# Speed of all contestants",
        "",
        f"{note}{'; '.join(facts)}.",
        "",
        "| | twolayer | best rival | ratio | target | stretch | reached |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, measured in record["rows"].items():
        row = ROWS[name]
        outcome = verdict(row, measured, quick=record["quick"])
        lines.append(f"| {row.title} | {_cells(row, measured)} | {row.target:g} | {row.stretch:g} | {outcome} |")
    for name, measured in record["rows"].items():
        if measured is not None and name != "memory":
            lines += ["", f"{ROWS[name].title}:", "", *_details(measured)]
    if record["scaling"]:
        lines += ["", *_scaling(record["scaling"])]
    return "\n".join(lines) + "\n"


def _cells(row: Row, measured: dict[str, Any] | None) -> str:
    if measured is None:
        return "- | - | -"
    if row.less_is_better:
        return f"{measured['ours_copies']:.2f} | - | -"
    if measured["ratio"] is None:
        return f"{_ms(measured['ours_ms'])} | - | -"
    rival = measured["contestants"][measured["best_rival"]]
    return f"{_ms(measured['ours_ms'])} | {measured['best_rival']} {_ms(rival['median_ms'])} | {measured['ratio']:.2f}"


def _ms(milliseconds: float) -> str:
    if milliseconds < 1:
        return f"{1000 * milliseconds:.1f} µs"
    return f"{milliseconds:.2f} ms" if milliseconds < 100 else f"{milliseconds / 1000:.2f} s"


def _details(measured: dict[str, Any]) -> list[str]:
    lines = ["| | median | min | max | preparation | cost or accuracy | ratio |", "|---|---|---|---|---|---|---|"]
    for name, facts in measured["contestants"].items():
        prepared = f"{facts['prepare_seconds']:.2f} s" if "prepare_seconds" in facts else "-"
        reached = (
            f"{facts['cost']:.8f}"
            if "cost" in facts
            else f"{100 * facts['test_accuracy']:.2f} %"
            if "test_accuracy" in facts
            else "-"
        )
        ratio = f"{facts['ratio']:.2f}" if "ratio" in facts else "-"
        times = " | ".join(_ms(facts[key]) for key in ("median_ms", "min_ms", "max_ms"))
        lines.append(f"| {name} | {times} | {prepared} | {reached} | {ratio} |")
    return lines


def _scaling(scaling: dict[str, Any]) -> list[str]:
    base = ", ".join(f"{name} = {size:,}" for name, size in scaling["base"].items())
    lines = [
        f"Time of an iteration of twolayer on dense data in float32, one size growing from {base}; minimum of runs:",
        "",
        "| | sizes | ms | deviation from proportional |",
        "|---|---|---|---|",
    ]
    for name in ("m", "n_h", "n_x", "threads"):
        facts = scaling[name]
        sizes = ", ".join(f"{size:,}" for size in facts["sizes"])
        times = ", ".join(f"{ms:.2f}" for ms in facts["ms"])
        off = f"{facts['from_linear_percent']:+.0f} %" if "from_linear_percent" in facts else "-"
        lines.append(f"| {name} | {sizes} | {times} | {off} |")
    return lines


def draw_ratios(record: dict[str, Any]) -> bytes:
    """Return a picture of the ratios: one bar per row, with marks for the target and the stretch goal."""
    from matplotlib.figure import Figure

    rows = [(ROWS[name], m) for name, m in record["rows"].items() if m and m["ratio"] is not None]
    drawing = Figure(figsize=(8, 1.2 + 0.45 * max(1, len(rows))), dpi=120, layout="constrained")
    ax = drawing.subplots()
    least = min([0.5, *(0.5 * m["ratio"] for _, m in rows)])
    for place, (row, measured) in enumerate(rows):
        missed = verdict(row, measured, quick=record["quick"]).startswith(("MISS", "FAILED"))
        ax.barh(place, measured["ratio"], color="C3" if missed else "C0", height=0.6)
        ax.text(1.1 * least, place, f"{measured['ratio']:.2f}", va="center", fontsize=8, color="white")
    ax.scatter(
        [row.target for row, _ in rows], range(len(rows)), marker="|", s=220, color="black", label="target", zorder=3
    )
    ax.scatter(
        [row.stretch for row, _ in rows], range(len(rows)), marker="d", s=22, color="black", label="stretch", zorder=3
    )
    ax.set_yticks(range(len(rows)), [row.title.replace("`", "") for row, _ in rows], fontsize=8)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlim(least, 2 * max([1.0, *(m["ratio"] for _, m in rows), *(row.stretch for row, _ in rows)]))
    ax.set_xticks(ticks := [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10) if t >= least], [f"{t:g}" for t in ticks])
    ax.set_xlabel("times as fast as the best rival (red: target missed)")
    ax.axvline(1, color="grey", lw=0.8)
    drawing.legend(loc="outside upper right", ncols=2, fontsize=8)
    return _to_png(drawing)


def draw_scaling(scaling: dict[str, Any]) -> bytes:
    """Return a picture of the times against each size, with the proportional growth beside them."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(10, 3), dpi=120, layout="constrained")
    names = {"m": "samples m", "n_h": "hidden units n_h", "n_x": "features n_x", "threads": "threads"}
    for ax, (name, title) in zip(drawing.subplots(1, 4), names.items(), strict=True):
        sizes, times = scaling[name]["sizes"], scaling[name]["ms"]
        ax.loglog(sizes, times, "o-", label="measured")
        exponent = -1 if name == "threads" else 1
        ax.loglog(sizes, [times[0] * (size / sizes[0]) ** exponent for size in sizes], "k:", label="proportional")
        ax.set(xlabel=title)
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=7, rotation=30)
        ax.set_yticks([tick for tick in _TICKS if min(times) / 2 < tick < 2 * max(times)])
        ax.minorticks_off()
        ax.yaxis.set_major_formatter("{x:g}")
        ax.grid(visible=True, alpha=0.3)
    drawing.axes[0].set_ylabel("ms per iteration")
    drawing.axes[0].legend(fontsize=8)
    return _to_png(drawing)


def _to_png(drawing: Any) -> bytes:
    content = io.BytesIO()
    drawing.savefig(content, format="png")
    return content.getvalue()
