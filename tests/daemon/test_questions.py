"""The grammar of questions from the shell and over the socket: what narrows, what is said, and what is private."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_excluded import exclude
from tests.harness import Vragd, until, vragd
from vragd.errors import Mistyped, UsageError, VragdError

NOTES = {
    "Work/Plan.md": (
        "---\nstatus: open\ntags: [work/deep]\n---\nThe quokka plan, see [[Diary]].\n\n- [ ] feed the quokka\n"
    ),
    "Work/Done.md": "---\nstatus: done\n---\nA quokka was fed. #work\n",
    "Diary.md": "About the quokka and its fence. #home\n",
    "2026-04-09.md": "A quiet day with a quokka.\n",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vragd]:
    with vragd(tmp_path_factory.mktemp("questions")) as daemon:
        for path, text in NOTES.items():
            (daemon.vault / path).parent.mkdir(exist_ok=True)
            (daemon.vault / path).write_text(text)
        daemon.start()
        yield daemon


def asked(daemon: Vragd, *args: str) -> set[str]:
    done = daemon.run("query", *args, "--json", "-k", "20")
    found = {hit["path"] for hit in json.loads(done.stdout)["hits"]}
    assert done.returncode == (0 if found else 1), done.stderr
    return found


def test_filters_narrow_and_bare_words_rank(daemon: Vragd) -> None:
    plan, done, diary, day = "Work/Plan.md", "Work/Done.md", "Diary.md", "2026-04-09.md"
    assert asked(daemon, "quokka") == set(NOTES)
    assert asked(daemon, "quokka tag:work") == {plan, done}
    assert asked(daemon, "quokka", "-fed") == {plan, diary, day}
    assert asked(daemon, "quokka", "-tag:#work") == {diary, day}
    assert asked(daemon, '"quokka plan"') == {plan}
    assert asked(daemon, "quokka", "[status:done]") == {done}
    assert asked(daemon, 'task-todo:""') == {plan}
    assert asked(daemon, "fence OR plan") == {diary, plan}
    assert asked(daemon, "linksto:[[Diary]]") == {plan}
    assert asked(daemon, "linkedfrom:[[Plan]]") == {diary}
    assert asked(daemon, "on:2026-04-09") == {day}
    assert asked(daemon, "/quok+a p/") == {plan}
    assert asked(daemon, "path:work/ quokka") == {plan, done}
    assert asked(daemon, "source:Vault -tag:work") == {diary, day}
    assert asked(daemon, "store:notes path:diary") == {diary}


def test_flags_say_the_same_any_of_a_kind_and_all_kinds(daemon: Vragd) -> None:
    plan, done, diary, day = "Work/Plan.md", "Work/Done.md", "Diary.md", "2026-04-09.md"
    assert asked(daemon, "--tag", "work") == {plan, done}
    assert asked(daemon, "--tag", "#work", "--tag", "home") == {plan, done, diary}
    assert asked(daemon, "--tag", "work", "--property", "status=open") == {plan}
    assert asked(daemon, "--property", "status", "quokka") == {plan, done}
    assert asked(daemon, "--on", "2026-04-09") == {day}
    assert asked(daemon, "--before", "2026-04-10") == {day}
    assert asked(daemon, "--not-tag", "work", "--after", "2026-04-10") == {diary}
    assert asked(daemon, "--not-property", "status=done", "--not-folder", "Work") == {diary, day}
    assert asked(daemon, "--folder", "Work", "--folder", "Vault/Work", "--not-property", "status=done") == {plan}
    tasks = daemon.run("tasks", "--folder", "Work", "--folder", "Nowhere", "--json").stdout
    assert {task["of"]["path"] for task in json.loads(tasks)["tasks"]} == {plan}
    assert json.loads(daemon.run("tasks", "--not-folder", "Work", "--json").stdout)["tasks"] == []
    assert asked(daemon, "--plain", "quokka -fed") == set(NOTES)
    assert asked(daemon, "quokka", "-quokka plan") == {done, diary, day}
    alone = daemon.run("query", "-quokka plan")
    assert (alone.returncode, "whole question; with the phrase it is '-\"quokka plan\"'" in alone.stderr) == (1, True)
    for flags in (["--source", "Vault"], ["--store", "notes"], ["--store", "notes", "--source", "Vault"]):
        assert asked(daemon, *flags) == asked(daemon, "source:Vault") == asked(daemon, "store:notes") == set(NOTES)
    with pytest.raises(UsageError, match="no source 'Elsewhere'"):
        daemon.client.request("POST", "/v1/query", {"sources": ["Elsewhere"]})


def test_where_takes_an_expression_or_the_grammar_beside_words_and_flags(daemon: Vragd) -> None:
    plan, done, diary, day = "Work/Plan.md", "Work/Done.md", "Diary.md", "2026-04-09.md"
    for where in ('file.hasTag("work")', "tag:work", 'file.inFolder("Work")', 'file.inFolder("Vault/Work")'):
        assert asked(daemon, "quokka", "--where", where) == {plan, done}
        assert asked(daemon, "--where", where) == {plan, done}
    assert asked(daemon, "quokka", "--where", 'status != "done"') == {plan, diary, day}
    assert asked(daemon, "quokka", "--where", '!file.hasTag("work")') == {diary, day}
    assert asked(daemon, "quokka", "--where", "-tag:work") == {diary, day}
    assert asked(daemon, "quokka -fed", "--where", 'file.hasTag("work") || file.hasTag("home")') == {plan, diary}
    assert asked(daemon, "--plain", "quokka -fed", "--tag", "work", "--where", 'status == "done"') == {done}
    assert asked(daemon, "--where", "file.mtime > now() - '1h' && file.ctime < date('2026-04-10')") == {day}
    ranked = daemon.query("fence of the quokka", where=["status == null", "-tag:work"], top_k=10)["hits"]
    assert [hit["path"] for hit in ranked] == [diary, day]
    assert daemon.query("", where=["", " "], folder="Work", sort="name")["hits"][0]["path"] == done
    tags = json.loads(daemon.run("tags", "--where", 'status == "open"', "--json").stdout)["tags"]
    assert [tag["name"] for tag in tags] == ["work", "work/deep"]
    near = json.loads(daemon.run("similar", diary, "--where", "status.isEmpty()", "--not-tag", "x", "--json").stdout)
    assert [hit["note"]["path"] for hit in near["hits"]] == [day]


def test_a_folder_is_what_hits_print_or_a_path_from_its_source_and_nothing_else(daemon: Vragd) -> None:
    work = {"Work/Plan.md", "Work/Done.md"}
    for folder in ("Work", "Work/", "/Work", "Vault/Work"):
        assert asked(daemon, "quokka", "--folder", folder) == work
    assert asked(daemon, "--folder", "Work", "[status:done]") == {"Work/Done.md"}
    for folder in ("Wor", "ork", "Plan.md"):
        assert asked(daemon, "quokka", "--folder", folder) == set()


def test_notes_without_words_to_rank_them_are_listed_by_time_or_by_name(daemon: Vragd) -> None:
    listed = daemon.query("tag:work OR tag:home", sort="name", top_k=10)["hits"]
    assert [hit["path"] for hit in listed] == ["Diary.md", "Work/Done.md", "Work/Plan.md"]
    late = daemon.query("quokka", where="tag:home OR tag:work", sort="modified", top_k=10)["hits"]
    assert [hit["modified"] for hit in late] == sorted((hit["modified"] for hit in late), reverse=True)
    first = daemon.query("[status] OR on:2026-04-09", sort="created", top_k=10)["hits"]
    assert first[-1]["path"] == "2026-04-09.md"


def test_what_a_filter_found_is_shown_where_it_stands(daemon: Vragd) -> None:
    assert "   feed the quokka\n" in daemon.run("query", 'task-todo:""').stdout
    assert "   feed the quokka\n" in daemon.run("query", "/FEED/").stdout


def test_a_mistake_is_shown_under_what_was_typed(daemon: Vragd) -> None:
    done = daemon.run("query", "quokka", "line:")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:3] == ["quokka line:", "       ^^^^^"]
    with pytest.raises(Mistyped) as caught:
        daemon.query('quokka "file:"')
        daemon.query('file:"quokka')
    assert caught.value.text[slice(*caught.value.span)] or caught.value.span[0] == len(caught.value.text)


def test_a_mistake_in_an_expression_is_shown_under_it_and_so_is_a_mixture(daemon: Vragd) -> None:
    for command in (("query", "quokka"), ("tags",), ("similar", "Diary")):
        done = daemon.run(*command, "--where", 'status = "done"')
        assert done.returncode == 2
        assert done.stderr.splitlines()[1:3] == ['status = "done"', "       ^"]
    with pytest.raises(Mistyped, match="has ended") as caught:
        daemon.query("quokka", where=["tag:work", "tag:work && rating > 4"])
    assert (caught.value.text, caught.value.span) == ("tag:work && rating > 4", (3, 4))
    refused = daemon.run("query", "--bucket", "b", "-s", "notes", "quokka", "--where", "a == 1")
    assert (refused.returncode, "--where needs the catalog" in refused.stderr) == (2, True)


def test_names_that_no_note_has_are_said_with_the_nearest(daemon: Vragd) -> None:
    shown = daemon.run("query", "tag:wrok")
    assert (shown.returncode, "'wrok'" in shown.stderr, "'work'" in shown.stderr) == (1, True, True)
    (unknown,) = daemon.query("[statsu]")["unknown"]
    assert unknown == {"kind": "property", "name": "statsu", "nearest": "status"}
    for where in ('statsu == "done"', "statsu.contains('x') && true", 'date(statsu) + "1d" < now()'):
        assert daemon.query("quokka", where=where)["unknown"] == [unknown]
    for where in ('statsu != "done"', "statsu.isEmpty()", "statsu == null", "!statsu"):
        assert daemon.query("quokka", where=where)["unknown"] == []
    (folder,) = daemon.query("quokka", where='file.inFolder("Wrok")')["unknown"]
    assert folder == {"kind": "folder", "name": "Wrok", "nearest": "Work"}
    assert "is in the folder 'Wrok' (did you mean 'Work'?)" in daemon.run("query", "quokka", "--folder", "Wrok").stderr
    for question in ("source:Elsewhere", "-source:Elsewhere", "quokka store:elsewhere"):
        with pytest.raises(VragdError, match="there is no s"):
            daemon.query(question)


def test_a_question_that_asks_nothing_or_too_much_is_refused(daemon: Vragd) -> None:
    for wrong in (
        {"text": ""},
        {"text": "x" * 100_000},
        {"text": "", "where": "tag:a " * 50_000},
        {"text": "x", "where": ["tag:a"] * 17},
        {"text": "", "where": []},
        {"text": "x", "where": ["x" * 40_000]},
    ):
        with pytest.raises(UsageError):
            daemon.client.request("POST", "/v1/query", wrong)


def test_a_tag_added_and_a_note_moved_change_what_filters_leave_and_nothing_is_embedded(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "a.md").write_text("---\ntags: [one]\n---\nA numbat.\n")
        daemon.start()
        before = embedded(daemon)
        (daemon.vault / "a.md").write_text("---\ntags: [one, two]\nrating: 5\n---\nA numbat.\n")
        until(lambda: daemon.paths("tag:two") == ["a.md"], "the tag")
        until(lambda: daemon.paths("[rating:>4]") == ["a.md"], "the property")
        (daemon.vault / "Folder").mkdir()
        (daemon.vault / "a.md").rename(daemon.vault / "Folder/b.md")
        until(lambda: daemon.paths("path:folder/ tag:two") == ["Folder/b.md"], "the move")
        until(lambda: daemon.paths("file:a.md") == [], "the old name to be gone")
        assert embedded(daemon) == before


def test_what_may_not_be_shown_is_in_no_answer_and_its_tags_are_not_named(tmp_path: Path) -> None:
    with vragd(tmp_path) as daemon:
        (daemon.vault / "Vague").mkdir()
        (daemon.vault / "Vague/secret.md").write_text("---\ntags: [classified]\n---\nA numbat. [[open]]\n")
        (daemon.vault / "open.md").write_text("A numbat in the open.\n")
        daemon.start()
        assert asked(daemon, "tag:classified") == {"Vague/secret.md"}
        exclude(daemon.vault, r"/^Vague\/(unclosed/")  # a pattern that nobody understands
        until(lambda: asked(daemon, "tag:classified") == set(), "the note to be withheld")
        for question in ("-tag:nothing", "numbat", "linksto:[[open]]", "/numbat/", "-/nothing/"):
            assert "Vague/secret.md" not in asked(daemon, question)
        expressions = ["!secret", "x == null", "file.links", "file.size > 0", "!!file.tags"]
        for where in ('!file.hasTag("x")', 'file.hasLink("open")', 'file.inFolder("Vague")', *expressions):
            assert "Vague/secret.md" not in asked(daemon, "--where", where)
        assert daemon.query("", where='file.inFolder("Vagu")')["unknown"][0]["nearest"] == ""
        assert daemon.query("tag:classifid")["unknown"] == [{"kind": "tag", "name": "classifid", "nearest": ""}]


def embedded(daemon: Vragd) -> Any:
    """How many texts were ever embedded into the catalog."""
    from tests.catalogs import beside

    with beside(daemon.data / "stores/notes/catalog.db") as db:
        return list(db.execute("select count(*), max(id) from embedding"))


def test_the_few_weak_notes_that_filters_leave_are_shown_to_people_alone(daemon: Vragd) -> None:
    words = "zxqv wvkj"
    shown = daemon.run("query", f"{words} tag:work")
    assert "no good match; what the filters leave is shown" in shown.stderr
    assert (shown.stdout.count("  weak"), shown.returncode) == (2, 1), shown.stdout
    by_flag = daemon.run("query", words, "--tag", "work")
    assert (by_flag.stdout, by_flag.returncode) == (shown.stdout, 1)
    whole = daemon.run("query", words)
    assert (whole.stdout, whole.returncode) == ("", 1)
    assert "no good match (4 weak ones with --weak)" in whole.stderr, "nobody narrowed it"
    for form in ("--json", "-l", "-0", "--format=csv"):
        assert asked_as(daemon, f"{words} tag:work", form) == [], form
    behind = daemon.run("query", f"{words} tag:work", "--offset", "1")
    assert (behind.stdout, behind.returncode) == ("", 1), "of a later page nobody knows what was on the first"


def test_where_filters_leave_nothing_it_is_said_that_the_same_as_words_finds_something(daemon: Vragd) -> None:
    hint = "with --plain, as words alone, there are good matches"
    for question in ("quokka fence -quokka", 'quokka "no such phrase" fence', "cannot open quokka fence file: No such"):
        said = daemon.run("query", question)
        assert hint in said.stderr, question
        assert "Diary" in daemon.run("query", "--plain", question).stdout
        assert hint not in daemon.run("query", "--json", question).stderr
    for other in ("zxqv -wvkj", "quokka -zxqv", "zxqv wvkj", "tag:nothing"):
        assert hint not in daemon.run("query", other).stderr, other


def asked_as(daemon: Vragd, text: str, form: str) -> list[str]:
    """The notes that an answer for programs names."""
    said = daemon.run("query", form, text).stdout
    return [path for path in NOTES if path in said]


def test_how_much_memory_and_disk_is_taken_is_not_counted_for_who_does_not_ask(daemon: Vragd) -> None:
    whole = daemon.status()
    bare = daemon.client.request("GET", "/v1/status?sizes=false")
    assert set(whole) - set(bare) == {"memory_bytes", "bytes_on_disk"}
    assert set(bare) <= set(whole)
    assert daemon.client.request("POST", "/v1/sync", {"wait_s": 20})["left_s"] is None, "nothing is left"
