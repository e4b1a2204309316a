"""
All benchmarks, one after the other, and what they say as a part of docs/performance.md.

What stands between the two marks is written anew; the prose around it stays.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common import MIB
from bench.homes import scratch
from bench.text import DEFAULT_TEXTS, build

BEGIN, END = "<!-- written by `make bench`: begin -->", "<!-- written by `make bench`: end -->"
DOCUMENT = Path("docs/performance.md")
ORDER = ("idle", "cli", "save", "query", "start", "memory", "scan", "bulk", "replay")

Results = dict[str, dict[str, Any]]  # the figures by benchmark


@dataclass(frozen=True, slots=True)
class Bar:
    """Something promised: `value`, None where it was not measured, is at most `limit`; or at least."""

    what: str
    limit: float
    unit: str
    value: Callable[[Results], float | None]
    at_least: bool = False

    def line(self, results: Results) -> str:
        found = _found(self.value, results)
        met = found is not None and (found >= self.limit if self.at_least else found <= self.limit)
        verdict = "not measured" if found is None else "met" if met else "**not met**"
        sign = "≥" if self.at_least else "≤"
        return f"| {self.what} | {sign} {_number(self.limit)}{self.unit} | {_number(found)}{self.unit} | {verdict} |"


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside that of the naive design."""

    what: str
    unit: str
    ours: float | None
    naive: float | None

    def line(self) -> str:
        ratio = self.naive / self.ours if self.naive and self.ours else None
        shown = "" if ratio is None else f"{_number(round(ratio, 1))} x"
        ours, naive = ("–" if value is None else _number(value) + self.unit for value in (self.ours, self.naive))
        return f"| {self.what} | {ours} | {naive} | {shown} |"


def main(args: argparse.Namespace) -> int:
    """Run all, write the document. Each benchmark is a process, so that none is measured in another's memory."""
    build(int(os.environ.get("VRAGD_BENCH_TEXTS") or DEFAULT_TEXTS))
    passed = [part for size in args.chunks or () for part in ("--chunks", str(size))]
    passed += [part for name in ("seconds", "commits", "repo") if getattr(args, name) is not None
               for part in (f"--{name}", str(getattr(args, name)))]  # fmt: skip
    said: dict[str, dict[str, Any]] = {}
    with scratch("homes-") as homes:
        for name in ORDER:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", "bench", name, "--json", *passed]
            env = {**os.environ, "VRAGD_BENCH_HOMES": homes}
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                print(f"bench: {name} failed", file=sys.stderr)
                continue
            print(done.stdout, end="", flush=True)
            said[name] = json.loads(done.stdout)
    write(args.document, said)
    return 0 if len(said) == len(ORDER) else 1


def write(document: Path, said: dict[str, dict[str, Any]]) -> None:
    """Put what was measured between the marks of the document."""
    before, begin, rest = document.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{document} has no marks {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n\n{generated(said)}\n{END}{after}", "utf-8")


def generated(said: dict[str, dict[str, Any]]) -> str:
    """The part between the marks."""
    results = {name: one["figures"] for name, one in said.items()}
    machine = next(iter(said.values()))["machine"] if said else {}
    loads = [one["machine"]["load_before"] for one in said.values()]
    where = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items() if name != "load_before")
    lines = [f"Machine: {where}. Load before each benchmark: {min(loads, default=0)} to {max(loads, default=0)}.", ""]
    lines += ["| bar | promised | measured | |", "|---|---|---|---|", *(bar.line(results) for bar in BARS), ""]
    lines += ["| | vragd | naive design | naive / vragd |", "|---|---|---|---|"]
    lines += [row.line() for name in ORDER for row in _rows_of(name, results)]
    return "\n".join([*lines, "", *_indexes(results)])


# -- the bars ------------------------------------------------------------------------------------------


def _at(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The row that was measured with these; KeyError if there is none."""
    for row in rows:
        if all(row[name] == value for name, value in wanted.items()):
            return row
    raise KeyError(str(wanted))


def _save(chunks: int) -> Callable[[Results], dict[str, Any]]:
    return lambda results: _at(results["save"]["one_chunk_save"], chunks=chunks)["ours"]


def _over_first(results: Results) -> float:
    figure: float = _save(50_000)(results)["p50_ms"] / _save(1_000)(results)["p50_ms"]
    return round(figure, 2)


def _scan_100k(results: Results) -> Any:
    return _at(results["query"]["in_process"], chunks=100_000)["indexes"]["scan"]["vector"]["p50_ms"]


def _recall(results: Results) -> Any:
    real = [row for row in results["query"]["in_process"] if row["recall_is_of_real_text"]]
    scans = [row["indexes"]["scan"] for row in real if row["indexes"]["scan"]["is"] == "scan"]
    return scans[-1]["recall_at_10"]


def _socket(results: Results) -> Any:
    return _at([results["query"]["over_socket_builtin"]], chunks=100_000)


def _stored(results: Results) -> dict[str, Any]:
    return _at(results["memory"]["stores"], chunks=100_000, dim=768)


BARS = (
    Bar("one-chunk save at 50k x 768: written", 200, " KiB", lambda r: _save(50_000)(r)["bytes_written_mean"] / 1024),
    Bar("one-chunk save at 50k x 768: time without embedding", 10, " ms", lambda r: _save(50_000)(r)["p50_ms"]),
    Bar("one-chunk save at 50k over that at 1k", 1.3, " x", _over_first),
    Bar("vector query in process at 100k x 768, p50", 10, " ms", _scan_100k),
    Bar("its recall@10 on real text", 0.99, "", _recall, at_least=True),
    Bar("query over the socket, builtin, 100k chunks, p50", 20, " ms",
        lambda r: _socket(r)["idle"]["hybrid"]["p50_ms"]),
    Bar("the same, p99", 60, " ms", lambda r: _socket(r)["idle"]["hybrid"]["p99_ms"]),
    Bar("p95 while a bulk index runs over p95 idle", 4, " x", lambda r: _socket(r)["bulk_p95_over_idle_p95"]),
    Bar("start to first answer at 100k x 768", 2, " s",
        lambda r: _at(r["start"]["ollama"], chunks=100_000, dim=768)["first_answer_s"]),
    Bar("rescan of 100k unchanged files", 1.5, " s", lambda r: _at(r["scan"]["rescan"], files=100_000)["median_s"]),
    Bar("files opened by it", 0, "", lambda r: _at(r["scan"]["rescan"], files=100_000)["files_opened"]),
    Bar("memory at 100k x 768, embedder elsewhere", 250, " MB",
        lambda r: round(_stored(r)["after_questions"]["rss_mib"] * MIB / 1e6, 1)),
    Bar("disk at 100k x 768 over text and vectors", 1.6, " x", lambda r: _stored(r)["disk_over_text_and_vectors"]),
    Bar("`vragd query`, whole process", 150, " ms", lambda r: r["cli"]["vragd_query_p50_ms"]),
    Bar("replay: embedded over the least possible", 1.5, " x", lambda r: r["replay"]["embedded_over_least"]),
)  # fmt: skip


def _found(value: Callable[[Results], float | None], results: Results) -> float | None:
    try:
        return value(results)
    except (KeyError, IndexError):
        return None


# -- beside the naive design ---------------------------------------------------------------------------


def _rows_of(name: str, results: Results) -> Iterator[Row]:
    if name in results:
        yield from globals()[f"_{name}_rows"](results[name])


def _save_rows(figures: dict[str, Any]) -> Iterator[Row]:
    for row in figures["one_chunk_save"]:
        ours, naive, size = row["ours"], row["naive"], _size(row["chunks"])
        yield Row(f"one-chunk save at {size}, p50, without embedding", " ms", ours["p50_ms"], naive["p50_ms"])
        written = [side["bytes_written_mean"] / 1024 for side in (ours, naive)]
        yield Row(f"one-chunk save at {size}, written", " KiB", *written)
    yield Row("chunks embedded for it, of a note of ten", "", 1, naive["chunks_embedded"])
    yield Row("syncs for it", "", ours["fsyncs"], None)
    yield Row("write() to the first answer that shows it, p50", " ms", figures["end_to_end_builtin"]["p50_ms"], None)


def _query_rows(figures: dict[str, Any]) -> Iterator[Row]:
    for row in figures["in_process"]:
        ours = row["indexes"]["scan"]["vector"]["p50_ms"]
        yield Row(f"vector query in process at {_size(row['chunks'])}, p50", " ms", ours, row["naive"]["p50_ms"])
    over = figures["over_socket_builtin"]
    size, idle = _size(over["chunks"]), over["idle"]["hybrid"]
    for name in ("p50", "p95", "p99"):
        yield Row(f"query over the socket at {size}, builtin, {name}", " ms", idle[f"{name}_ms"], None)
    yield Row(f"the same while a bulk index runs, p95 ({over['bulk']['queries']} queries)", " ms",
              over["bulk"]["p95_ms"], None)  # fmt: skip


def _start_rows(figures: dict[str, Any]) -> Iterator[Row]:
    yield Row("a process that imports the daemon's packages, alone", " s", figures["importing_s"], None)
    for kind in ("ollama", "builtin"):
        for row in figures[kind]:
            where = f"{_size(row['chunks'])} x {row['dim']}, {kind}"
            yield Row(f"process to first answer, {where}", " s", row["first_answer_s"], row["naive_s"])
            yield Row(f"the same without the FAISS cache, {where}", " s", row["first_answer_without_cache_s"], None)


def _memory_rows(figures: dict[str, Any]) -> Iterator[Row]:
    for row in figures["stores"]:
        where, naive = f"{_size(row['chunks'])} x {row['dim']}", row["naive"]
        yield Row(f"memory, {where}", " MiB", row["after_questions"]["rss_mib"], naive["rss_mib"])
        yield Row(f"memory at its peak, {where}", " MiB", row["after_questions"]["peak_mib"], naive["peak_mib"])
        yield Row(f"disk, {where}", " MiB", row["disk_mib"], naive["disk_mib"])


def _scan_rows(figures: dict[str, Any]) -> Iterator[Row]:
    for row in figures["rescan"]:
        yield Row(f"rescan of {_size(row['files'])} unchanged files", " s", row["median_s"], row["naive_s"])
        yield Row("listing them and asking for their stat alone", " s", row["listing_and_stat_alone_s"], None)
        yield Row("reading what is known of them alone", " s", row["rows_read_s"], None)


def _bulk_rows(figures: dict[str, Any]) -> Iterator[Row]:
    bundled = figures["bundled_vault"]
    yield Row("first index of the bundled vault", " s", bundled["seconds"], bundled["naive"]["seconds"])
    for name in ("bundled_vault", "prose_vault"):
        shown, row = name.replace("_", " "), figures[name]
        yield Row(f"notes a second, {shown}", "", row["notes_per_s"], None)
        yield Row(f"chunks a second, {shown}", "", row["chunks_per_s"], None)
        yield Row(f"share of time outside the embedder, {shown}", " %", row["share_outside_embedder"] * 100, None)


def _replay_rows(figures: dict[str, Any]) -> Iterator[Row]:
    yield Row("texts embedded to replay a history", "", figures["embedded"], figures["whole_notes"])
    ours, naive = figures["commit_without_embedding"], figures["naive_commit_without_embedding"]
    yield Row("a commit of it, p50, without embedding", " ms", ours["p50_ms"], naive["p50_ms"])


def _cli_rows(figures: dict[str, Any]) -> Iterator[Row]:
    yield Row("`vragd query`, whole process", " ms", figures["vragd_query_p50_ms"], figures["naive_p50_ms"])
    yield Row("`python -c pass`, for comparison", " ms", figures["python_pass_p50_ms"], None)


def _idle_rows(figures: dict[str, Any]) -> Iterator[Row]:
    yield Row("idle daemon, CPU time a minute", " ms", figures["cpu_ms_per_minute"], None)
    yield Row("idle daemon, wake-ups a minute", "", figures["wakeups_per_minute"], None)


def _indexes(results: Results) -> Iterator[str]:
    if "query" not in results:
        return
    yield "| index | chunks | of them real text | recall@10 | p50 | p95 | p99 | built in |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in results["query"]["in_process"]:
        for name, one in row["indexes"].items():
            times = " | ".join(f"{_number(one['vector'][f'{p}_ms'])} ms" for p in ("p50", "p95", "p99"))
            shown = name if one["is"] == name else f"{name} (still {one['is']})"
            recall = _number(one["recall_at_10"]) + ("" if row["recall_is_of_real_text"] else " (partly noise)")
            yield f"| {shown} | {row['chunks']:,} | {row['real_rows']:,} | {recall} | {times} | {one['built_s']} s |"


def _size(n: int) -> str:
    return f"{n // 1000}k" if n % 1000 == 0 else f"{n:,}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
