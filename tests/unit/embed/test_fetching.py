"""Models by their names on a hub: fetched over its protocol, kept below the data directory, run as any folder is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.hub import FakeHub
from tests.folders import bundled, lookup, tiny
from vragd.embed.base import Embedder
from vragd.embed.builtin.embedder import MiniLM
from vragd.embed.onnx.download import TRIES
from vragd.embed.onnx.embedder import create
from vragd.embed.onnx.fetching import Offer, asked
from vragd.embed.onnx.hub import Hub, Listed
from vragd.embed.onnx.settings import OnnxEmbedder
from vragd.errors import DiskFull, EmbedderRefused, EmbedderUnavailable, UsageError
from vragd.terms.settings import Named

NAME = "someone/small"
MEAN = {"pooling_mode": "mean", "embedding_dimension": 16, "include_prompt": True}
WEIGHTS = "onnx/model.onnx"
ROWS = np.random.default_rng(3).normal(size=(10, 300)).astype(np.float32)
SIZE = len(lookup(ROWS, "last_hidden_state", ("input_ids", "attention_mask")))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with a tiny model, which the environment names; whatever a library keeps at home is seen there."""
    folder = tiny(tmp_path / "hub/small", MEAN, rows=ROWS)
    (folder / "README.md").write_text("# a card\n")
    (folder / "model.safetensors").write_bytes(bytes(20_000))
    for name, value in (("HF_HOME", str(tmp_path / "home/hf")), ("HF_TOKEN", "hf_secret"), ("HF_HUB_OFFLINE", "0")):
        monkeypatch.setenv(name, value)
    with FakeHub({NAME: folder}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


class Waits:
    """Whoever waits does not, and it is known for how long he would have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def named(name: str = NAME, revision: str = "main", weights: str | None = None) -> Named:
    return Named(name, revision, weights, here_only=False)


def fetched(data: Path, wanted: Named | None = None, wait: Waits | None = None) -> Path:
    waits = wait or Waits()
    return asked(wanted or named(), data, waits).fetch(lambda path, here: None, waits)


def made(data: Path | None, **given: Any) -> Embedder:
    return create(OnnxEmbedder(type="onnx", **{"model": NAME, "threads": 1, **given}), data)


def test_a_model_that_was_fetched_is_the_same_as_in_a_folder_of_its_name(hub: FakeHub, tmp_path: Path) -> None:
    name = "sentence-transformers/all-MiniLM-L6-v2"
    hub.models[name] = bundled(tmp_path / "all-MiniLM-L6-v2")
    folder = fetched(tmp_path / "data", named(name))
    assert folder == tmp_path / "data/models/sentence-transformers--all-MiniLM-L6-v2" / hub.commit(name)
    by_name, in_folder = made(tmp_path / "data", model=name), made(None, model=None, path=str(hub.models[name]))
    assert by_name.space("c") == in_folder.space("c")
    texts = ["how to brew coffee", "日本語"]
    assert np.array_equal(by_name.embed_documents(texts), in_folder.embed_documents(texts))
    assert np.abs(by_name.embed_documents(texts) - MiniLM(1).embed_documents(texts)).max() <= 1e-5


def test_what_is_not_read_is_not_fetched_and_nothing_but_the_models_own_is_asked_for(
    hub: FakeHub, tmp_path: Path
) -> None:
    folder = fetched(tmp_path / "data")
    here = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert here == ["1_Pooling/config.json", "modules.json", WEIGHTS, "sentence_bert_config.json", "tokenizer.json"]
    paths = {path.partition("?")[0] for _, path, _ in hub.asked}
    assert {"/".join(path.split("/")[1:3]) for path in paths} == {"api/models", NAME, "cdn/someone"}
    said = [name for _, _, headers in hub.asked for name in headers]
    assert not {"authorization", "cookie"} & set(said)
    agents = {headers.get("user-agent", "") for _, path, headers in hub.asked if path.startswith("/api")}
    assert not [agent for agent in agents if "agent/" in agent or "torch" in agent]
    assert not (tmp_path / "home").exists()
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "data").rglob("*")} == {0}


def test_a_line_that_breaks_is_taken_up_where_it_broke(hub: FakeHub, tmp_path: Path) -> None:
    hub.cuts.extend([10**9, 5_000, 4_000])  # the tokenizer comes whole
    told = list[tuple[str, int]]()
    waits = Waits()
    offer = asked(named(), tmp_path, waits)
    folder = offer.fetch(lambda path, here: told.append((path, here)), waits)
    ranges = [asked_for for path, asked_for in hub.fetched() if path.endswith(WEIGHTS)]
    assert ranges == ["", "bytes=5000-", "bytes=9000-"]
    assert (folder / WEIGHTS).stat().st_size == SIZE
    assert told[-1] == (WEIGHTS, offer.n_bytes)
    assert [here for _, here in told] == sorted(here for _, here in told)


def test_what_was_interrupted_for_good_goes_on_with_the_next_call(hub: FakeHub, tmp_path: Path) -> None:
    hub.cuts.extend([10**9, 5_000, *[0] * TRIES])
    with pytest.raises(EmbedderUnavailable, match=r"5,000 of [\d,]+ bytes are here") as raised:
        fetched(tmp_path)
    assert "it goes on from there" in raised.value.hint
    with pytest.raises(EmbedderUnavailable, match="is not on this machine"):
        made(tmp_path)
    hub.asked.clear()
    offer = asked(named(), tmp_path, Waits())
    assert offer.n_missing == SIZE - 5_000
    offer.fetch(lambda path, here: None)
    assert [asked_for for _, asked_for in hub.fetched()] == ["bytes=5000-"]
    assert made(tmp_path).embed_query("one").shape == (300,)


@pytest.mark.parametrize("is_resumed", [False, True])
def test_what_would_come_unencrypted_is_not_taken_whole_or_in_part(
    hub: FakeHub, tmp_path: Path, is_resumed: bool
) -> None:
    if is_resumed:
        hub.cuts.extend([10**9, 5_000, *[0] * TRIES])
        with pytest.raises(EmbedderUnavailable, match="5,000 of"):
            fetched(tmp_path)
    hub.keeps_at = hub.url.replace("127.0.0.1", "0.0.0.0")  # this machine, by a name that need not be
    with pytest.raises(EmbedderUnavailable, match=r"would come unencrypted, from 0\.0\.0\.0"):
        fetched(tmp_path)
    parts = [file.stat().st_size for file in tmp_path.rglob("model.onnx.part")]
    assert parts == ([5_000] if is_resumed else [])


def test_a_server_without_ranges_begins_anew_and_nothing_comes_twice(hub: FakeHub, tmp_path: Path) -> None:
    hub.knows_ranges = False
    hub.cuts.extend([10**9, 5_000])
    folder = fetched(tmp_path)
    assert (folder / WEIGHTS).read_bytes() == (hub.models[NAME] / WEIGHTS).read_bytes()


@pytest.mark.parametrize("path", [WEIGHTS, "modules.json"])
def test_a_file_that_is_not_what_was_listed_is_thrown_away(hub: FakeHub, tmp_path: Path, path: str) -> None:
    hub.spoilt = path
    with pytest.raises(EmbedderUnavailable, match=f"{path} is not what the hub says it is"):
        fetched(tmp_path)
    assert not [file for file in tmp_path.rglob(f"models/**/{Path(path).name}*") if file.is_file()]
    hub.spoilt = ""
    fetched(tmp_path)


def test_a_busy_hub_is_waited_for_as_long_as_it_says_and_a_broken_one_for_a_while(hub: FakeHub, tmp_path: Path) -> None:
    busy = ("/api/", 429, {"Retry-After": "7"}), ("/api/", 503, {}), ("/cdn/", 429, {"Retry-After": "9"})
    hub.failures.extend(busy)
    waits = Waits()
    fetched(tmp_path / "a", wait=waits)
    assert waits.seconds[0] == 7
    assert 9 in waits.seconds
    hub.failures.extend([("/api/", 502, {})] * 10)
    with pytest.raises(EmbedderUnavailable, match="answers with status 502"):
        fetched(tmp_path / "b")
    hub.failures.clear()
    hub.failures.extend([("/cdn/", 500, {})] * 20)
    with pytest.raises(EmbedderUnavailable, match="cannot be had now: status 500"):
        fetched(tmp_path / "c")


@pytest.mark.parametrize(
    ("name", "near"),
    [("intfloat/multilingual-e5-smal", "intfloat/multilingual-e5-small"), ("baai/bge-small-en-v1.5", "BAAI/bge-small"),
     ("qdrant/all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"), ("nobody/nothing-alike", "vragd models")],
)  # fmt: skip
def test_a_name_that_there_is_not_is_told_with_the_nearest(hub: FakeHub, tmp_path: Path, name: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"shows nobody a model {name}") as raised:
        asked(named(name), tmp_path, Waits())
    assert near in raised.value.hint


def test_a_model_that_cannot_be_had_says_why(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no revision 'v9'"):
        asked(named(revision="v9"), tmp_path, Waits())
    with pytest.raises(EmbedderUnavailable, match=r"has no onnx/model_q4.onnx") as raised:
        asked(named(weights="onnx/model_q4.onnx"), tmp_path, Waits())
    assert WEIGHTS in raised.value.hint
    (hub.models[NAME] / WEIGHTS).unlink()
    with pytest.raises(EmbedderUnavailable, match="no weights for ONNX, only safetensors") as raised:
        asked(named(), tmp_path, Waits())
    assert "optimum-cli export onnx" in raised.value.hint
    hub.gated = True
    with pytest.raises(EmbedderRefused, match="only to who agreed"):
        asked(named(), tmp_path, Waits())
    assert not [path for path, _ in hub.fetched()]


def test_a_model_that_cannot_be_run_is_told_before_its_weights_come(hub: FakeHub, tmp_path: Path) -> None:
    steps = [{"type": "sentence_transformers.models.Transformer", "path": ""}, {"type": "x.Dense", "path": "2_Dense"}]
    (hub.models[NAME] / "modules.json").write_text(json.dumps(steps))
    (hub.models[NAME] / f"{WEIGHTS}_data").write_bytes(bytes(20_000))
    with pytest.raises(EmbedderUnavailable, match="its step Dense is none that vragd can do"):
        fetched(tmp_path)
    assert [path for path, _ in hub.fetched() if path.endswith(".onnx")] == []
    assert [path for _, path, _ in hub.asked if "/resolve/" in path and ".onnx" in path] == []


def test_nobody_is_asked_offline_and_nothing_is_taken_that_anybody_could_replace(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UsageError, match="HF_HUB_OFFLINE"):
        asked(named(), tmp_path, Waits())
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    with pytest.raises(UsageError, match="could be anybody's"):
        asked(named(), tmp_path, Waits())
    assert hub.asked == []


def test_no_network_and_a_page_that_is_no_hub_are_told_as_that(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.failures.append(("/api/", 200, {"Content-Type": "text/html"}))
    with pytest.raises(EmbedderUnavailable, match="no hub's answer"):
        asked(named(), tmp_path, Waits())
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    waits = Waits()
    with pytest.raises(EmbedderUnavailable, match="cannot be reached") as raised:
        asked(named(), tmp_path, waits)
    assert "path:" in raised.value.hint
    assert len(waits.seconds) == 3


def test_another_commit_is_another_space_once_it_was_fetched_and_what_is_the_same_does_not_come_again(
    hub: FakeHub, tmp_path: Path
) -> None:
    first = fetched(tmp_path)
    before = made(tmp_path).space("c")
    (hub.models[NAME] / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 9}))
    assert made(tmp_path).space("c") == before
    hub.asked.clear()
    offer = asked(named(), tmp_path, Waits())
    assert (offer.was, offer.is_here) == (first.name, False)
    second = offer.fetch(lambda path, here: None)
    assert hub.fetched() == []
    assert (second / WEIGHTS).samefile(first / WEIGHTS)
    assert made(tmp_path).space("c").digest != before.digest
    assert made(tmp_path, revision=first.name).space("c") == before
    assert asked(named(), tmp_path, Waits()).is_here


def test_a_hub_that_gives_no_sizes_is_told_as_that_and_no_empty_file_is_left(hub: FakeHub, tmp_path: Path) -> None:
    hub.knows_sizes = False
    with pytest.raises(EmbedderUnavailable, match=r"gives no size of 1_Pooling/config\.json"):
        fetched(tmp_path)
    assert not list(tmp_path.rglob("models/**/*.json"))


def test_external_data_comes_along_and_a_part_of_it_is_no_model(hub: FakeHub, tmp_path: Path) -> None:
    folder = tiny(tmp_path / "hub/tiny", MEAN)
    (folder / "onnx/model.onnx_data").write_bytes(b"x" * 30_000)
    hub.models["a/tiny"] = folder
    assert [file for file in asked(named("a/tiny"), tmp_path, Waits()).paths if "onnx" in file] == [
        "onnx/model.onnx_data", WEIGHTS,
    ]  # fmt: skip
    hub.failures.extend([(f"/resolve/{hub.commit('a/tiny')}/{WEIGHTS}", 404, {})])
    with pytest.raises(EmbedderUnavailable, match="status 404"):
        fetched(tmp_path, named("a/tiny"))
    with pytest.raises(EmbedderUnavailable, match="is not on this machine") as raised:
        made(tmp_path, model="a/tiny")
    assert raised.value.hint == "vragd models download a/tiny"
    fetched(tmp_path, named("a/tiny"))
    assert made(tmp_path, model="a/tiny").space("c").model == "tiny"


def test_external_data_of_other_weights_does_not_come_and_a_shard_of_ours_does(hub: FakeHub, tmp_path: Path) -> None:
    folder = tiny(tmp_path / "hub/tiny", MEAN)
    ours = ["model.data", "model.onnx.data", "model.onnx_data", "model.onnx_data_1"]
    others = ["model_fp16.onnx_data", "model_q4.onnx_data_1", "model_q4.data", "models.onnx_data", "model.metadata"]
    for name in (*ours, *others):
        (folder / "onnx" / name).write_bytes(name.encode())
    (folder / "model.onnx_data").write_bytes(b"of a file in another folder")
    (folder / "onnx/model_fp16.onnx").write_bytes((folder / WEIGHTS).read_bytes())
    hub.models["a/tiny"] = folder
    chosen = [file for file in asked(named("a/tiny"), tmp_path, Waits()).paths if "/model" in file]
    assert chosen == [*(f"onnx/{name}" for name in ours), WEIGHTS]
    fetched(tmp_path, named("a/tiny"))
    before = made(tmp_path, model="a/tiny").space("c")
    half = fetched(tmp_path, named("a/tiny", weights="onnx/model_fp16.onnx"))
    assert (half / "onnx/model_fp16.onnx_data").is_file()
    assert made(tmp_path, model="a/tiny").space("c") == before


def test_what_would_not_fit_is_told_before_it_comes(hub: FakeHub, tmp_path: Path) -> None:
    huge = Offer(named(), Hub(), "c" * 40, tmp_path / "models/a--b/c", [Listed(WEIGHTS, 1 << 60, "")], None)
    with pytest.raises(DiskFull, match=r"takes 1,099,511,627,776 MiB more, and [\d,]+ MiB are free"):
        huge.fetch(lambda path, here: None)


def test_what_is_here_needs_no_room(hub: FakeHub) -> None:
    full = Path("/proc/self")  # where Linux says that nothing is free
    Offer(named(), Hub(), "c" * 40, full, [Listed("status", 0, "")], None).ensure_room()


@pytest.mark.parametrize(
    "given",
    [{}, {"path": "/m", "model": NAME}, {"path": "/m", "revision": "v1"}, {"path": "/m", "local_files_only": True},
     {"model": "no-owner"}, {"model": "a/../b"}, {"model": "a/b--c"}, {"model": NAME, "revision": "../x"}],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"model|path|revision"):
        OnnxEmbedder(type="onnx", **given)
