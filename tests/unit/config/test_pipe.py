"""A configuration that is no file on a disk."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vragd.config.load import load
from vragd.errors import ConfigError


@pytest.mark.slow
def test_a_pipe_is_read_as_a_shell_writes_it_and_one_that_nobody_writes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="nobody writes into it"):
        load(file)
    writer = threading.Thread(target=file.write_text, args=("log: {level: debug}",))
    writer.start()
    assert load(file).config.log.level == "debug"
    writer.join()
