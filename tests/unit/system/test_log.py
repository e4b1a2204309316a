"""Log lines: one JSON object each, on standard error, and nothing private in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from vragd.errors import ConfigError
from vragd.system import log
from vragd.system.log import error_fields, path_id

pytestmark = pytest.mark.slow

SECRET = "Therapy notes 2026"


def lines(code: str, **setup: Any) -> list[dict[str, Any]]:
    """What `code` logs in a process of its own, where nobody else has set up logging."""
    head = f"import logging, threading, warnings, structlog\nfrom vragd.system import log\nlog.set_up(**{setup!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", head + "logger = structlog.get_logger()\n" + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stdout
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_is_one_json_object_on_standard_error() -> None:
    (line,) = lines("logger.info('sync.batch_applied', n_changed=2, text='two\\nlines', path='\\udcff')")
    assert line["event"] == "sync.batch_applied"
    assert line["level"] == "info"
    assert line["n_changed"] == 2
    assert line["timestamp"].endswith("Z")


def test_bound_fields_are_on_every_line() -> None:
    found = lines("line = logger.bind(store='notes')\nline.info('a.b_c')\nline.warning('a.d_e')")
    assert [(line["event"], line["store"]) for line in found] == [("a.b_c", "notes"), ("a.d_e", "notes")]


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_a_level_hides_what_is_below_it(level: str, count: int) -> None:
    code = "for name in ('debug', 'info', 'warning', 'error'):\n    getattr(logger, name)('a.b_c')"
    assert len(lines(code, level=level)) == count


def test_pretty_lines_are_no_json_and_hold_the_event() -> None:
    with pytest.raises(json.JSONDecodeError):
        lines("logger.info('a.b_c')", style="pretty")


def test_a_path_is_logged_as_a_name_that_does_not_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    name = path_id("vault", f"{SECRET}.md")
    assert name.startswith("vault:")
    assert len(name) == len("vault:") + 10
    assert SECRET not in name
    assert name == path_id("vault", f"{SECRET}.md")
    assert name != path_id("vault", "other.md")
    assert path_id("vault", "bad\udcff.md")
    monkeypatch.setattr(log, "_show_paths", True)
    assert path_id("vault", "a.md") == "vault:a.md"


def test_error_fields_tell_the_kind_and_place_but_not_the_message() -> None:
    try:
        os.stat(f"/nonexistent/{SECRET}.md")
    except OSError as error:
        fields = error_fields(error)
    assert fields["error"] == "FileNotFoundError"
    assert fields["errno"] == "ENOENT"
    assert fields["where"][-1].startswith("test_log.py:")
    assert SECRET not in json.dumps(fields)
    assert str(Path(__file__).parent) not in json.dumps(fields)


def test_error_fields_name_the_code_of_our_own_errors() -> None:
    fields = error_fields(ConfigError(f"{SECRET} is inside a vault", hint=SECRET))
    assert fields["code"] == "config"
    assert SECRET not in json.dumps(fields)
    assert "errno" not in error_fields(OSError("no number"))


# In pieces: what stands in the source is a library's own words, and Python 3.13 knows the source behind -c as well.
FOREIGN = f"""
secret = {SECRET[:3]!r} + {SECRET[3:]!r}
logging.getLogger("botocore").error("body %s", secret)
logging.getLogger("watchdog").warning("lost below %s", secret)
logging.getLogger("chatty").info("below warning")
warnings.warn(secret, RuntimeWarning)
try:
    raise OSError(2, "No such file", secret)
except OSError:
    logging.getLogger("asyncio").exception(secret)
"""


def test_what_libraries_log_is_announced_without_its_text() -> None:
    found = lines(FOREIGN)
    assert {line["event"] for line in found} == {"library.warning_logged"}
    assert [line["logger_name"] for line in found] == ["botocore", "watchdog", "py.warnings", "asyncio"]
    assert SECRET not in json.dumps(found)


LIBRARY = """
import logging, os, warnings
logger, secret = logging.getLogger("library"), os.environ["SECRET"]
logger.warning("job %s missed its time by %d s", secret, 5)
logger.warning("a sentence of the library's own")
logger.warning(f"cannot read {secret} for a reason")
logger.warning(secret)
warnings.warn(f"about {secret}")
"""


def test_of_what_libraries_log_their_own_words_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "library.py").write_text(LIBRARY)
    monkeypatch.setenv("SECRET", SECRET)
    found = lines(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport library")
    assert [line["text"] for line in found] == [
        "job %s missed its time by %d s", "a sentence of the library's own", "cannot read ...", "...", "UserWarning",
    ]  # fmt: skip
    assert SECRET not in json.dumps(found)


def test_what_libraries_log_is_told_at_debug_only() -> None:
    found = lines(FOREIGN, level="debug")
    told = [line for line in found if SECRET in json.dumps(line)]
    assert len(told) == 4
    assert {line["level"] for line in told} == {"debug"}


def test_an_uncaught_exception_is_one_line_without_its_message() -> None:
    (line,) = lines(f"open('/nonexistent/{SECRET}.md')")
    assert line["event"] == "daemon.exception_uncaught"
    assert line["errno"] == "ENOENT"
    assert SECRET not in json.dumps(line)


def test_an_uncaught_exception_in_a_thread_is_one_line_without_its_message() -> None:
    (line,) = lines(
        f"""
        def work():
            raise ValueError({SECRET!r})
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """
    )
    assert line["event"] == "daemon.exception_uncaught"
    assert line["error"] == "ValueError"
    assert SECRET not in json.dumps(line)


def test_an_interrupt_is_no_error() -> None:
    assert lines("raise KeyboardInterrupt") == []
