"""The bridge as a process: what it keeps out of the protocol, and what it does not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.harness import unmeasured

pytestmark = pytest.mark.slow


def test_what_anybody_prints_is_kept_out_of_the_protocol() -> None:
    code = (
        "import os, sys; from vragd.mcp.stdio import own_streams; source, out = own_streams();"
        "print('stray'); sys.stdout.flush(); os.write(1, b'raw'); os.system('echo child');"
        "os.write(out, os.read(source, 9)); sys.stdin.read()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"kept", env=unmeasured(), capture_output=True, check=True
    )
    assert done.stdout == b"kept"
    assert {b"stray", b"child"} <= set(done.stderr.replace(b"raw", b"").split())


def test_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from vragd.cli.main import main; main(['mcp', '--socket', '/nonexistent']);"
        " heavy = {'pydantic', 'numpy', 'yaml', 'apsw', 'structlog', 'asyncio', 'ssl', 'email', 'http', 'h11', 'mcp',"
        " 'dataclasses', 'tempfile', 'subprocess', 'socket', 'logging', 'concurrent.futures'} & set(sys.modules);"
        " sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=unmeasured(), input="", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
