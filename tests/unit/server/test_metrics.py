"""`GET /metrics` as Prometheus reads it, and no name in it that a user gave."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from vragd.backends.memory.settings import MemoryBackend
from vragd.config.load import Loaded
from vragd.config.settings import Config, LimitSettings, SourceSettings, StoreSettings, WatchSettings
from vragd.server.routes import dispatch
from vragd.stores.questions import Questions
from vragd.stores.stores import Stores
from vragd.system.memory import resident_bytes


def test_what_goes_on_is_counted_without_a_name(tmp_path: Path) -> None:
    vault = tmp_path / "canary-vault"
    vault.mkdir()
    (vault / "canary-note.md").write_text("---\ntags: [canary-tag]\n---\nA heron.")
    (tmp_path / "data").mkdir(mode=0o700)
    away = StoreSettings(sources=(SourceSettings(path=tmp_path / "canary-away"),), backend=MemoryBackend(type="memory"))
    here = StoreSettings(sources=(SourceSettings(path=vault),), backend=MemoryBackend(type="memory"))
    config = Config(
        stores={"canary-here": here, "canary-other": away}, limits=LimitSettings(min_free_mib=0),
        watch=WatchSettings(mode="poll", poll_s=3600),
    )  # fmt: skip

    async def main() -> str:
        stores = Stores(Loaded(config, None, tmp_path / "data", tmp_path / "s"), watch=True)
        await stores.start()
        try:
            questions = Questions(stores)
            assert await stores.settled(await stores.sync(["canary-here"], None), 30)
            for text in ("heron", "heron", "tag:canary-tag"):
                reply = await dispatch(questions, stores, "POST", "/v1/query", json.dumps({"text": text}).encode())
                assert reply.status == 200
            wrong = await dispatch(questions, stores, "POST", "/v1/query", b'{"text": "x", "stores": ["nope"]}')
            assert wrong.status == 404
            reply = await dispatch(questions, stores, "GET", "/metrics", b"")
            assert reply.media_type.startswith("text/plain; version=0.0.4")
            return reply.body.decode()
        finally:
            await stores.stop()

    text = asyncio.run(main())
    assert "canary" not in text
    found: dict[str, Any] = {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("vragd_") and family.documentation
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    assert found["vragd_query_duration_seconds_count", ()] == 3
    assert found["vragd_query_duration_seconds_bucket", (("le", "+Inf"),)] == 3
    assert 0 < found["vragd_query_duration_seconds_sum", ()] < 60
    assert found["vragd_queries_failed_total", ()] == 1
    assert found["vragd_stores", (("state", "running"),)] == 2
    assert found["vragd_notes", (("state", "indexed"),)] == 1
    assert found["vragd_chunks", ()] == found["vragd_embedded_texts_total", ()] == 1
    assert found["vragd_degraded", (("reason", "source_offline"),)] == 1
    assert found["vragd_resident_memory_bytes", ()] > 10 << 20
    buckets = [value for (name, _), value in found.items() if name.endswith("_bucket")]
    assert buckets == sorted(buckets)


def test_memory_is_told_where_there_is_no_proc(tmp_path: Path) -> None:
    assert resident_bytes(tmp_path / "none") > 10 << 20
