"""A secret in a key where none belongs is shown by no command: neither where it is refused nor where it is fine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vragd.cli.main import main
from vragd.terms import backends, embedders

PLANTED = "Planted7"
NEEDED: dict[str, Any] = {
    "model": "m", "bucket": "my-bucket", "database": "notes", "host": "localhost", "path": "/nowhere/model",
}  # fmt: skip
KEYS = ("key_env", "key_file", "password_file", "passfile", "api_key_file", "user", "url", "endpoint_url", "host")
VALUES = (
    f"me:{PLANTED}{'x' * 80}",
    f"sk-{PLANTED}", f"~{PLANTED}/x", f"me:{PLANTED}", f"me:{PLANTED}@127.0.0.1:9", f"https://127.0.0.1:9/v1?api_key={PLANTED}",
    f"https://127.0.0.1:9/?api_key={PLANTED}#x", f"http://user:sk-{PLANTED}@127.0.0.1:99999/v1",
    f"http://user:sk-{PLANTED}@127.0.0.1:9", f"http://127.0.0.1:{PLANTED}/v1", f"postgresql://me:{PLANTED}@localhost/notes",
)  # fmt: skip


def places() -> list[tuple[str, str, str]]:
    """(kind of setting, type, key) for all of ours."""
    found = []
    for kind, types in (("backend", backends.TYPES), ("embedder", embedders.TYPES)):
        for name in types.ours:
            known = {*types.settings(name).model_fields, *(["url"] if kind == "backend" else [])}
            found += [(kind, name, key) for key in KEYS if key in known]
    return found


def needed(kind: str, name: str, key: str) -> dict[str, Any]:
    model = (backends if kind == "backend" else embedders).TYPES.settings(name)
    given = {each: NEEDED[each] for each, field in model.model_fields.items() if field.is_required() and each in NEEDED}
    if "url" in model.model_fields:
        given["url"] = "http://127.0.0.1:9/v1"
    if key == "url" and kind == "backend":  # instead of its parts
        given.pop("host", None)
        given.pop("database", None)
    return {**given, "type": name}


@pytest.mark.parametrize(("kind", "name", "key"), places())
def test_what_stands_in_the_wrong_key_is_not_shown(
    kind: str, name: str, key: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Vault").mkdir()
    file = tmp_path / "c.yaml"
    flags = ["--config", str(file), "--data-dir", str(tmp_path / "data"), "--socket", str(tmp_path / "run" / "s")]
    n_refused = 0
    for value in VALUES:
        if key in ("user", "host") and ":" not in value:
            continue  # it is a name like others
        store = {"sources": [{"path": str(tmp_path / "Vault")}], kind: {**needed(kind, name, key), key: value}}
        store.setdefault("embedder", {"type": "ollama", "model": "m"})
        file.write_text(json.dumps({"stores": {"notes": store}}))
        for command in (["check"], ["show"], ["show", "--json"]):
            status = main(["config", *command, *flags])
            told = "".join(capfd.readouterr())
            assert PLANTED not in told, (command, value)
            assert told
            n_refused += command == ["check"] and status != 0
            assert status == 0 or key in told or "does not belong here" in told, told
    assert n_refused, "something of all this is refused"


@pytest.mark.parametrize(
    ("store", "told"),
    [
        (
            f"backend: {{type: s3, bucket: my-bucket, endpoint_url: 'http://me:{PLANTED}@127.0.0.1:9'}}",
            "endpoint_url: expected https://HOST[:PORT], or http:// of this machine: vectors never leave it",
        ),
        (
            f"backend: {{type: elasticsearch, host: 'me:{PLANTED}@127.0.0.1:9'}}",
            "host: expected HOST[:PORT], several with commas; what was found may be a secret, and is not shown",
        ),
        (f"backend: {{type: elasticsearch, host: h, password_file: '{PLANTED}'}}", "expected an absolute path"),
        (f"backend: 'https://h/v1?api_key={PLANTED}'", "found 'https://h/v1?…'"),
        (f"backend: {{type: 'x://me:{PLANTED}@h'}}", "'x:…@h'"),
        (f"backend: {{type: s3, bucket: my-bucket, url: {{'me:{PLANTED}@h': 1}}}}", "unknown key"),
        (f"sources: [{{path: '{PLANTED[:-1]}'}}]", "is not an absolute path"),
    ],
)
def test_a_complaint_is_whole_without_what_it_does_not_show(
    store: str, told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    sources = "" if store.startswith("sources") else f"sources: [{{path: {tmp_path}/Vault}}], "
    file.write_text(f"stores: {{notes: {{{sources}{store}}}}}\n")
    assert main(["config", "check", "--config", str(file)]) == 2
    said = "".join(capfd.readouterr())
    assert told in said
    assert PLANTED not in said


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name", "key"), [each for each in places() if each[0] == "embedder"])
def test_neither_does_doctor(kind: str, name: str, key: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Vault").mkdir()
    file = tmp_path / "c.yaml"
    for value in VALUES:
        store = {"sources": [{"path": str(tmp_path / "Vault")}], kind: {**needed(kind, name, key), key: value}}
        file.write_text(json.dumps({"stores": {"notes": store}}))
        main(["doctor", "--config", str(file), "--data-dir", str(tmp_path / "data"), "--socket", str(tmp_path / "s")])
        told = "".join(capfd.readouterr())
        assert "configuration" in told
        assert PLANTED not in told, value
