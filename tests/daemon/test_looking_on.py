"""A daemon that somebody looks on at: events over the socket, metrics on a port of this machine."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import closing
from pathlib import Path

from tests.harness import Vragd, vragd


class Measured(Vragd):
    """A daemon with a door for metrics."""

    port = 0

    @property
    def env(self) -> dict[str, str]:
        return super().env | {"VRAGD_METRICS": f"127.0.0.1:{self.port}"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def test_events_follow_a_save_metrics_count_it_and_both_end_with_the_daemon(tmp_path: Path) -> None:
    instance = Measured(tmp_path)
    instance.port = free_port()
    try:
        instance.start()
        follow(instance)
    finally:
        instance.finish()


def follow(instance: Measured) -> None:
    with socket.socket(socket.AF_UNIX) as stream, stream.makefile("rb") as told:
        stream.settimeout(30)
        stream.connect(str(instance.socket))
        stream.sendall(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        (instance.vault / "Heron.md").write_text("A heron at the pond.")
        while not (line := told.readline()).startswith(b'data: {"notes":1,'):
            assert line, "the stream ended"
        with closing(http.client.HTTPConnection("127.0.0.1", instance.port, timeout=10)) as asked:
            asked.request("GET", "/metrics")
            answer = asked.getresponse()
            assert (answer.status, b'vragd_notes{state="indexed"} 1\n' in answer.read()) == (200, True)
            asked.request("POST", "/v1/sync", b"{}")
            refused = asked.getresponse()
            assert (refused.status, json.loads(refused.read())["error"]["code"]) == (404, "not_found")
        assert instance.stop() == 0
        assert b"data" not in told.read()


def test_a_place_that_others_could_reach_is_refused(tmp_path: Path) -> None:
    with vragd(tmp_path) as instance:
        refused = instance.run("run", "--metrics", "0.0.0.0:9464")
        assert refused.returncode == 78
        assert "no address of this machine alone" in refused.stderr
