"""
How well questions are answered: `--vault DIR --questions FILE`, or `--dataset DIR`; also a vault of your own.

The vault is indexed by the real pipeline and asked by the real search, in process, in each mode. Questions are a JSON
list with the keys `id`, `query`, `relevant_paths` (gain 1.0), `partial_paths` (0.5), `category`, and where the answer
is one passage `line`, 1-based, of the first of the relevant paths. A data set is `documents.jsonl` (id, text; the first
line is the title), `queries.jsonl` (id, text) and `qrels.tsv` (query, document, grade): each document becomes a note.
`--kept DIR` keeps the index between runs: then only what changed is embedded. `--drawn` also asks for words of one
passage, names and days of the vault, and nonsense; `--foreign FILE` what is asked of another vault, and has no answer
in this one. `lost` are questions whose answer would be among the first ten, were it not left out as no good match.
`--similar` asks `--vault` for related notes, and no questions (`bench/similar.py`). `--embedder YAML` takes another
model than the builtin one, as a configuration says it: '{type: onnx, path: ~/models/NAME}'.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench import similar
from bench.drawn import answered, drawn
from bench.homes import index_all, open_store, scratch
from bench.measures import RELEVANT, mean, measured
from vragd.embed.registry import create_embedder
from vragd.embed.spelling import is_word
from vragd.search.ask import Hit, Place, Question, Target, ask
from vragd.store.store import Store
from vragd.store.titles import embed_titles
from vragd.terms.embedders import TYPES
from vragd.terms.settings import EmbedderSettings, default_embedder

MODES = ("keyword", "vector", "hybrid")
DEPTH, DEEP = 50, 10
PARTIAL = 0.5
MAX_NAME = 180  # bytes of a title in a file name


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the gain of each note that answers it; `line` is of `passage_in`."""

    text: str
    gains: Mapping[str, float]
    category: str = ""
    passage_in: str = ""
    line: int | None = None


@dataclass(slots=True)
class Set:
    """What is asked, of which vault."""

    name: str
    vault: Path
    asked: list[Asked] = field(default_factory=list)


def run(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    if args.similar and args.vault:
        return _related(args)
    if (args.dataset is None) == (args.vault is None or args.questions is None):
        raise SystemExit("quality needs --vault DIR --questions FILE, or --dataset DIR")
    made_by = embedder_of(args.embedder)
    with place_of(args.kept) as place:
        asked = dataset(args.dataset, place) if args.dataset else questions(args.vault, args.questions)
        with indexed(asked.vault, place / asked.name, made_by) as (target, counts):
            figures: dict[str, Any] = {mode: ranked(target, asked, mode) for mode in MODES}
            figures["lost"] = lost(target, asked)
            if args.foreign:
                figures["foreign_answered"] = {str(file): answered(target, texts(file)) for file in args.foreign}
            if args.drawn:
                figures["drawn"] = drawn(target)
    return {"set": asked.name, "embedder": made_by.title, "questions": len(asked.asked), **counts}, figures


def embedder_of(said: str | None) -> EmbedderSettings:
    """The settings in a flow of YAML; those of the builtin model where nothing is said."""
    if said is None:
        return default_embedder()
    given = yaml.safe_load(said)
    settings: EmbedderSettings = TYPES.settings(given["type"]).model_validate(given)
    return settings


def _related(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    vault = args.vault.resolve()
    with place_of(args.kept) as place:
        links = similar.linked(vault, place / vault.name)
        bare = similar.without_links(vault, place / vault.name)
        with indexed(bare, place / vault.name / "bare", embedder_of(args.embedder)) as (target, counts):
            return {"set": vault.name, **counts}, similar.figures(target, links)


@contextmanager
def place_of(kept: Path | None) -> Iterator[Path]:
    """Where indexes are, `kept` or a folder that goes."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
    else:
        with scratch("quality-") as place:
            yield Path(place)


@contextmanager
def indexed(
    vault: Path, home: Path, made_by: EmbedderSettings | None = None
) -> Iterator[tuple[Target, dict[str, int]]]:  # fmt: skip
    """The vault as a search sees it, indexed below `home` with that embedder or the builtin one; how much it is."""
    made_by = made_by or default_embedder()
    embedder = create_embedder(made_by.type, made_by)
    store = open_store(vault, home / "store", lambda: embedder, made_by=made_by)
    try:
        index_all(store)
        while embed_titles(store):
            pass
        counts = store.reader.counts()
        yield target_of(store), {"notes": counts.notes, "chunks": counts.chunks}
    finally:
        store.close()


def target_of(store: Store) -> Target:
    """The store as a query sees it."""
    places = {source.label: Place(source.uid, source.path, source.in_obsidian) for source in store.sources.values()}
    return Target(
        store.name, store.reader, store.backend, store.space, store.embedder.embed_query, places, is_word=is_word,
        multilingual=not store.settings.embedder.is_english,
    )  # fmt: skip


def ranked(target: Target, asked: Set, mode: Any) -> dict[str, Any]:
    """The figures of one mode: in all, and by category where there are any."""
    rows = [
        (one, _figures(one, list(ask(target, Question(one.text, top_k=DEPTH, mode=mode)).hits))) for one in asked.asked
    ]
    categories = sorted({one.category for one, _ in rows} - {""})
    of = {name: mean([row for one, row in rows if one.category == name]) for name in categories}
    return {"all": mean([row for _, row in rows]), **({"categories": of} if of else {})}


def _figures(one: Asked, hits: list[Hit]) -> dict[str, float]:
    ranking = list(dict.fromkeys(hit.path for hit in hits))
    figures = measured(ranking, one.gains)
    if one.line is not None and one.passage_in in ranking[:10]:
        best = next(hit for hit in hits if hit.path == one.passage_in)
        figures["passage"] = float(best.lines[0] <= one.line <= best.lines[1])
    return figures


def lost(target: Target, asked: Set) -> dict[str, Any]:
    """Of questions with a relevant note among the first DEEP, those of which none is, without what is no good match."""
    found, missed = 0, []
    for one in asked.asked:
        relevant = {path for path, gain in one.gains.items() if gain >= RELEVANT}
        hits = ask(target, Question(one.text, top_k=DEPTH, weak=True)).hits
        ranking = sorted(hits, key=lambda hit: -hit.score)[:DEEP]
        if of_them := [hit for hit in ranking if hit.path in relevant]:
            found += 1
            missed += [one.text] if all(hit.weak for hit in of_them) else []
    return {"asked": found, "share": round(len(missed) / found, 4) if found else None, "missed": missed}


def texts(file: Path) -> list[str]:
    """What is asked in a file of questions."""
    return [row["query"] for row in json.loads(file.read_text("utf-8"))]


def questions(vault: Path, file: Path) -> Set:
    """The set in a file of questions over a vault."""
    found = Set(vault.resolve().name, vault.resolve())
    for row in json.loads(file.read_text("utf-8")):
        gains = dict.fromkeys(row.get("partial_paths", ()), PARTIAL) | dict.fromkeys(row["relevant_paths"], RELEVANT)
        found.asked.append(
            Asked(row["query"], gains, row.get("category", ""), row["relevant_paths"][0], row.get("line"))
        )
    return found


def dataset(folder: Path, place: Path) -> Set:
    """The set in a folder, its documents as notes below `place`: a title is a file's name, the id its folder."""
    found = Set(folder.resolve().name, place / folder.resolve().name / "vault")
    paths: dict[str, str] = {}
    for row in _rows(folder / "documents.jsonl"):
        title, _, body = row["text"].partition("\n")
        paths[row["id"]] = path = f"{row['id']}/{_file_name(title) or row['id']}.md"
        note = found.vault / path
        if not note.exists():
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(body, "utf-8")
    gains: dict[str, dict[str, float]] = {}
    for line in (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if document in paths and float(grade) > 0:
            gains.setdefault(query, {})[paths[document]] = float(grade)
    rows = _rows(folder / "queries.jsonl")
    found.asked += [Asked(row["text"], gains[row["id"]]) for row in rows if row["id"] in gains]
    return found


def _rows(file: Path) -> Iterator[dict[str, str]]:
    for line in file.read_text("utf-8").splitlines():
        yield json.loads(line)


def _file_name(title: str) -> str:
    """`title` as a file can be called."""
    plain = " ".join(title.replace("/", " ").replace("\0", " ").split()).strip(". ")
    return plain.encode()[:MAX_NAME].decode("utf-8", "ignore").strip()
