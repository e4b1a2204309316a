"""The comparison of a daemon at rest with the vault, past the daemon."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.catalogs import beside
from tests.fakes.s3vectors import FakeS3Vectors
from tests.harness import Vragd
from tests.soak.book import Book, Row, differences
from tests.soak.findings import Findings
from vragd.errors import VragdError

CONVERGE_S = 240.0
SHOWN = 8


def rows_in(daemon: Vragd, store: str) -> Counter[Row]:
    """Every chunk of the catalog."""
    sql = """select n.path, n.title, c.heading, c.line_from, c.line_to, c.text
             from chunk c join note n on n.id = c.note_id"""
    with beside(daemon.data / "stores" / store / "catalog.db") as db:
        return Counter(
            (os.fsdecode(path), title, json.dumps(json.loads(heading)), first, last, text)
            for path, title, heading, first, last, text in db.execute(sql)
        )


def kept_bytes(daemon: Vragd, stores: list[str]) -> int:
    """About what the embeddings take that the catalogs keep."""
    total = 0
    for store in stores:
        with beside(daemon.data / "stores" / store / "catalog.db") as db:
            total += db.execute("select coalesce(sum(length(vector) + 90), 0) from embedding").get
    return total


class Check:
    """Waits until a daemon is at rest, then compares. Raises nothing of the daemon's; it is all in the findings."""

    def __init__(
        self, daemon: Vragd, book: Book, findings: Findings, stores: list[str], s3: FakeS3Vectors | None, bucket: str
    ) -> None:
        self._daemon, self._book, self._findings, self._stores = daemon, book, findings, stores
        self._s3, self._bucket = s3, bucket
        self.n = 0
        self.slowest_s = 0.0
        self.n_partial = 0

    def converge(self) -> bool:
        """Wait until a sync says that all is searchable and nothing is degraded. False, and a finding, in vain."""
        began, said = time.monotonic(), None
        while time.monotonic() - began < CONVERGE_S:
            try:
                said = self._daemon.client.request("POST", "/v1/sync", {"wait_s": 10})
                if said["done"] and not said["pending"] and not said["degraded"] and not self._failed():
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                    return True
            except VragdError as error:
                said = str(error)
            time.sleep(0.25)
        self._findings.add("does_not_converge", expected=f"rest within {CONVERGE_S:.0f} s", found=self._status(said))
        return False

    def _failed(self) -> bool:
        """Whether a note could not be read; it will be. `partial` is right: it is what a refusing embedder leaves."""
        files = self._daemon.client.request("GET", "/v1/files?state=failed")["files"]
        return any(row["state"] == "failed" for row in files)

    def _status(self, said: Any) -> str:
        try:
            stores = self._daemon.status()["stores"]
            brief = {s["name"]: {k: s[k] for k in ("pending", "degraded", "trouble", "states")} for s in stores}
        except VragdError as error:
            brief = {"status": str(error)}
        return json.dumps({"sync": said, **brief})

    def at_rest(self) -> tuple[int, bool]:
        status = self._daemon.status()
        return status["generation"], not status["pending"] and not status["degraded"]

    def compare(self) -> int:
        """How many findings are new. What was found while the daemon went on working is looked at again."""
        before = len(self._findings)
        self._vault_is_as_written()
        for _ in range(20):
            if not self.converge():
                break
            generation, _ = self.at_rest()
            found = [*self._contents(), *self._verified(), *self._remote()]
            if self.at_rest() == (generation, True) or not found:
                for kind, store, path, want, have in found:
                    self._findings.add(kind, store, path, expected=want, found=have)
                break
        self._vault_is_as_written()  # a look at everything has been, too
        self.n += 1
        return len(self._findings) - before

    def _vault_is_as_written(self) -> None:
        for path, why in self._book.tampered():
            self._findings.add("vault_touched", path=path, expected="what the editor wrote", found=why)

    def _contents(self) -> Iterator[tuple[str, str, str, str, str]]:
        want = self._book.expected_rows()
        for store in self._stores:
            for path, lacks, has in differences(want, rows_in(self._daemon, store))[:SHOWN]:
                yield "catalog_differs", store, path, lacks, has

    def _verified(self) -> Iterator[tuple[str, str, str, str, str]]:
        try:
            answer = self._daemon.client.request("POST", "/v1/verify", {}, timeout_s=180)
        except VragdError as error:
            yield "verify_failed", "", "", "a verdict", str(error)
            return
        for store in answer["stores"]:
            for problem in store["problems"][:SHOWN]:
                yield "verify_" + problem["kind"], store["store"], problem["path"], "no problem", problem["detail"]

    def _remote(self) -> Iterator[tuple[str, str, str, str, str]]:
        """What the emulator holds must be the live keys, in one index; and it was never asked too much."""
        if self._s3 is None:
            return
        with beside(self._daemon.data / "stores/far/catalog.db") as db:
            live = {key for (key,) in db.execute("select key from chunk where embedded")}
            sql = "select collection from target where role = 'primary' and space_id = (select space_id from store)"
            collection = db.execute(sql).get
            self.n_partial = db.execute("select count(*) from note where state = 'partial'").get
        for index in self._s3.moto.list_indexes(self._bucket, ""):
            name = index.index_name
            held, want = self._s3.keys(self._bucket, name), live if name == collection else set()
            for key in sorted(want ^ held)[:SHOWN]:
                yield "remote_differs", "far", name, *(("the key", key) if key in want else ("no such key", key))
        for violation in self._s3.violations[:SHOWN]:
            yield "limit_violated", "far", "", "no request beyond a documented limit", violation
