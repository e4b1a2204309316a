"""How it is, in a sentence, and what that is made of."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.purging import answering
from vragd.cli.doctor.parts import socket_and_daemon
from vragd.cli.main import main
from vragd.cli.page import Page
from vragd.cli.status import left_of, print_status, sentence
from vragd.config.load import load
from vragd.errors import UsageError

SOURCE = {
    "name": "Vault", "path": "/v", "state": "ok", "watching": "events", "scanned_s_ago": 4.0, "n_deletes_held": 0,
    "rules_trouble": None, "unwatched": {}, "closed": [],
}  # fmt: skip
STORE = {
    "name": "notes", "notes": 1308, "chunks": 4000, "pending": 0, "states": {"indexed": 1308}, "trouble": None,
    "embedder": {"type": "some"}, "backend": {"type": "other"}, "sources": [SOURCE],
    "n_vectors_behind": 0, "degraded": [], "n_closed": 0,
}  # fmt: skip
STATUS: dict[str, Any] = {
    "version": "1", "pid": 7, "uptime_s": 3.0, "memory_bytes": 170 << 20, "bytes_on_disk": 1_500 << 20,
    "stores": [STORE], "failed": [], "pending": 0,
    "reloads": {"n": 0, "refused": None},
}  # fmt: skip
FAILED = {"name": "old", "code": "x", "message": "torn", "hint": "mend it"}


@pytest.mark.parametrize(
    ("changes", "newest_s", "said"),
    [
        ({}, 4.2, "All 1,308 notes searchable, newest changed 4 s ago."),
        ({"stores": [STORE | {"notes": 1}]}, None, "1 note searchable."),
        ({"pending": 200}, None, "1,308 notes searchable, 200 still to be indexed."),
        ({"failed": [FAILED]}, None, "All 1,308 notes searchable; but 1 store cannot be opened."),
        (
            {"stores": [STORE | {"sources": [SOURCE | {"state": "offline"}], "trouble": {}}]}, None,
            "All 1,308 notes searchable; but 1 store waits, 1 folder is out of reach.",
        ),
        (
            {"pending": 2, "stores": [STORE | {"states": {"indexed": 1306, "pending": 2}, "trouble": {}}]}, None,
            "1,308 notes searchable, 2 still to be indexed; but 2 notes are found by words alone yet, 1 store waits.",
        ),
        (
            {"stores": [STORE | {"trouble": {"code": "embedder_unavailable"}}]}, None,
            "1,308 notes searchable; but 1 store's vectors are out of reach, 1 store waits.",
        ),
        (
            {"stores": [STORE | {"trouble": {"code": "backend_full"}, "answers": "primary"}]}, None,
            "1,308 notes searchable; but 1 store's vectors are out of reach, 1 store waits.",
        ),
        (
            {"stores": [STORE | {"trouble": {"code": "backend_full"}, "degraded": ["replica_answers"]}]}, None,
            "All 1,308 notes searchable; but 1 store waits.",
        ),
        (
            {"stores": [STORE | {"trouble": {"code": "store_mismatch"}, "answers": "near"}]}, None,
            "All 1,308 notes searchable; but 1 store waits.",
        ),
        (
            {"stores": [STORE | {"trouble": {"code": "store_mismatch"}, "answers": "x", "degraded": ["replica_away"]}]},
            None, "1,308 notes searchable; but 1 store's vectors are out of reach, 1 store waits.",
        ),
        (
            {"stores": [STORE | {"n_vectors_behind": 9}]}, None,
            "1,308 notes searchable; but 1 store has vectors yet to be put.",
        ),
        (
            {"stores": [STORE | {"replicas": [{"trouble": None, "n_behind": 0}, {"trouble": None, "n_behind": 4},
                                              {"trouble": {"code": "x"}, "n_behind": 4}]}]}, None,
            "All 1,308 notes searchable; but 1 replica is out of reach, 1 replica is behind.",
        ),
        ({"reloads": {"n": 1, "refused": FAILED}}, None,
         "All 1,308 notes searchable; but the configuration of now was refused."),
        ({"stores": []}, None, "Nothing is searched yet: vragd add ~/path/to/your/vault, or vragd store create."),
    ],
)  # fmt: skip
def test_a_sentence_says_how_it_is(changes: dict[str, Any], newest_s: float | None, said: str) -> None:
    assert sentence(STATUS | changes, newest_s) == said


def test_what_is_wrong_is_told_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    source = SOURCE | {
        "state": "permission", "n_deletes_held": 3, "rules_trouble": "a pattern",
        "unwatched": {"deep": "no_watches_left"}, "closed": ["Private/", "*.draft.md"],
    }  # fmt: skip
    trouble = {"code": "x", "message": "the model is away", "hint": "start it", "for_s": 70.0}
    store = STORE | {
        "sources": [source, SOURCE | {"state": "new", "scanned_s_ago": None, "closed": True}], "trouble": trouble,
        "n_vectors_behind": 2, "n_closed": 4,
        "advice": "fewer would be better", "also_fed": {"Vault": 1, "work": 2}, "degraded": ["initial_scan"],
        "states": {"indexed": 1, "failed": 2}, "pending": 5,
    }  # fmt: skip
    changes = {"stores": [store], "failed": [FAILED], "reloads": {"n": 1, "refused": FAILED | {"message": "line 3"}}}
    print_status(STATUS | changes, None, Page())
    shown = capsys.readouterr().out
    for part in (
        "cannot be read: what is known of it stays", "3 notes are missing all at once", "a pattern", "no_watches_left",
        "waiting for 1 min: the model is away", "try: start it", "2 vectors still to be put", "fewer would be better",
        "another source called Vault is put into the same place", "2 other sources called work are put",
        "note: the folders are still being looked through",
        "2 failed",
        "old: cannot be opened: torn", "try: mend it", "the one before is in force: line 3", "5 still to be indexed",
        "not looked at yet", "withheld from assistants: 4 notes", "from assistants: Private/, *.draft.md",
        "from assistants: all of it",
    ):  # fmt: skip
        assert part in shown, part


def test_while_all_is_indexed_it_says_how_long_that_takes_and_what_waits_for_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_status(STATUS | {"pending": 200, "left_s": 130.0}, None, Page())
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "1,308 notes searchable, 200 still to be indexed (about 2 min left)."
    assert "vragd sync --wait" in second
    assert left_of(STATUS | {"left_s": None}) == left_of(STATUS) == ""


def test_a_question_says_before_its_answer_how_much_is_not_indexed_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = STATUS | {"hits": [], "n_weak": 2, "instead": {}, "pending": 735, "left_s": 130.0, "degraded": []}
    with answering(tmp_path / "s", both):
        assert main(["query", "plants", "--socket", str(tmp_path / "s")]) == 1
        assert capsys.readouterr().err.splitlines() == [
            "note: 1,308 notes are searchable yet, 735 still to be indexed, about 2 min left:"
            " vragd sync --wait returns when all are",
            "no good match yet (2 weak ones with --weak)",
        ]
        assert main(["query", "plants", "--json", "--socket", str(tmp_path / "s")]) == 1
        told = capsys.readouterr()
        assert (told.err, "indexing" in told.out) == ("", False), "for programs it is as the daemon said it"


HERE: dict[str, Any] = {
    "name": "here", "type": "sqlite", "where": "/v/notes.db", "n_behind": 0, "n_withdrawn": 0, "n_refused": 0,
    "silent_s": 0.0, "trouble": None,
}  # fmt: skip
AWAY = {"code": "backend_unavailable", "message": "no route", "hint": "look at the network", "for_s": 7200.0}
FAR = HERE | {"name": "far", "n_behind": 1200, "n_withdrawn": 3, "n_refused": 1, "trouble": AWAY}
SLOW = HERE | {"name": "slow", "n_behind": 1, "silent_s": 61.0}
GONE = HERE | {"name": "gone", "trouble": AWAY}
REPLICAS = {"replicas": [HERE, FAR, SLOW], "left_behind": ["file collection notes, /v/old"]}


def test_each_replica_says_how_far_it_is_and_what_was_left_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(STATUS | {"stores": [STORE | REPLICAS | {"replicas": [HERE, FAR, SLOW, GONE]}]}, None, Page())
    shown = capsys.readouterr().out
    for part in (
        "replica here (sqlite, /v/notes.db): up to date",
        "replica gone (sqlite, /v/notes.db): had all when it was reached last",
        "1,200 changes behind, 3 of them to passages that are gone; 1 passage is refused",
        "out of reach for 2 h: no route", "try: look at the network", "1 change behind", "has not answered for 1 min",
        "left behind, told nothing any more: file collection notes, /v/old",
    ):  # fmt: skip
        assert part in shown, part


def test_one_store_in_full_says_it_of_its_replicas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = STORE | REPLICAS | {
        "origin": "config", "folder": "/d/notes", "bytes_on_disk": 5, "index": {}, "advice": "", "sources": [],
    }  # fmt: skip
    with answering(tmp_path / "s", info):
        assert main(["store", "info", "notes", "--socket", str(tmp_path / "s")]) == 0
    shown = capsys.readouterr().out
    for part in (
        "replica here (sqlite, /v/notes.db): up to date", "out of reach for 2 h: no route",
        "left behind, told nothing any more: file collection notes, /v/old",
    ):  # fmt: skip
        assert part in shown, part


def test_the_doctor_names_a_replica_that_waits(tmp_path: Path) -> None:
    place = tmp_path / "s"
    args = argparse.Namespace(socket=str(place), config=None, data_dir=str(tmp_path / "data"))
    loaded = load(tmp_path / "none.yaml", data_dir=str(tmp_path / "data"), socket=str(place), required=False)
    with answering(place, STATUS | {"stores": [STORE | REPLICAS], "socket": str(place), "config": None}):
        bad = [one for one in socket_and_daemon(args, loaded) if one.state == "bad"]
    (found,) = [one for one in bad if "replica" in one.found]
    assert (found.found, found.way) == ("replica far of store notes is out of reach: no route", "look at the network")
    assert found.facts == {"code": "backend_unavailable", "for_s": 7200}


def test_a_store_of_words_alone_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(STATUS | {"stores": [STORE | {"words_alone": True}]}, None, Page())
    said = capsys.readouterr().out
    assert "by words alone: it has no model and no vectors" in said
    assert "MiniLM" not in said


@pytest.mark.parametrize(
    ("trouble", "said"), [(None, "vragd web opens it"), ("crashed", "does not answer, and is begun again")]
)
def test_a_page_that_is_kept_is_named_with_its_address(
    capsys: pytest.CaptureFixture[str], trouble: str | None, said: str
) -> None:
    print_status(STATUS | {"page": {"url": "http://127.0.0.1:8123", "trouble": trouble}}, None, Page())
    assert f"\npage: http://127.0.0.1:8123 ({said})\n" in capsys.readouterr().out


def test_where_text_goes_to_another_machine_its_host_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    print_status(STATUS | {"stores": [STORE | {"sends_to": "api.example.com"}]}, None, Page())
    assert "the text of its notes goes to api.example.com" in capsys.readouterr().out
    print_status(STATUS | {"stores": [STORE | {"reranked_by": "http://127.0.0.1:8/rerank"}]}, None, Page())
    assert "go to http://127.0.0.1:8/rerank, which re-ranks them" in capsys.readouterr().out


def test_a_re_ranker_that_fails_is_said_with_what_it_cost(capsys: pytest.CaptureFixture[str]) -> None:
    trouble = {
        "code": "rerank_unavailable",
        "message": "nobody is there",
        "hint": "see",
        "for_s": 130,
        "last_s": 129,
        "n_questions": 3,
    }
    print_status(STATUS | {"stores": [STORE | {"rerank_trouble": trouble}]}, None, Page(width=80))
    said = capsys.readouterr().out
    assert "1 re-ranker failed when asked last" in said.splitlines()[0]
    what = "the re-ranker failed when asked last, 2 min ago; 3 questions went without"
    assert f"    {what}:\n      nobody is there\n    try: see\n" in said


def test_most_notes_in_other_languages_are_told_with_what_to_take_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stores = {"stores": [STORE | {"foreign": 0.83}]}
    print_status(STATUS | stores, None, Page())
    said = capsys.readouterr().out
    assert "note: about 83% of the notes are not English, and the builtin model is" in said
    assert "such as embeddinggemma" in said
    place = tmp_path / "s"
    args = argparse.Namespace(socket=str(place), config=None, data_dir=str(tmp_path / "data"))
    loaded = load(tmp_path / "none.yaml", data_dir=str(tmp_path / "data"), socket=str(place), required=False)
    with answering(place, STATUS | stores | {"socket": str(place), "config": None}):
        (found,) = [one for one in socket_and_daemon(args, loaded) if "English" in one.found]
    assert (found.state, "embeddinggemma" in found.way, found.facts["share"]) == ("note", True, 0.83)


def test_embedding_all_again_elsewhere_is_not_begun_where_nobody_can_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sending = {"host": "api.example.com", "texts": 4000, "n_bytes": 2_000_000, "tokens": 500_000}
    with answering(tmp_path / "s", STORE | {"sending": sending}):
        asked = ["reindex", "notes", "--embed", "--socket", str(tmp_path / "s")]
        assert main(asked) == UsageError.exit_status
        told = capsys.readouterr().err
        assert "4,000 texts, about 2,000,000 bytes or 500,000 tokens, to be sent to api.example.com" in told
        assert "Try: --yes" in told
