"""The end of a daemon: what it was wanted to end with is what it ends with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import asyncio, sys
from pathlib import Path
from vragd.config.load import Loaded
from vragd.config.settings import Config
from vragd.daemon import life
from vragd.stores.stores import Stores
from vragd.system.lock import only_process

class Slow(Stores):
    async def stop(self):
        await asyncio.sleep(60)

life.STOP_DEADLINE_S, life.Stores = 0.3, Slow
home = Path(sys.argv[1])
loaded = Loaded(Config(), None, home / "data", home / "s")

async def main():
    with only_process(loaded.data_dir) as lock:
        daemon = life.Daemon(loaded, lambda: loaded, lock, None, None)
        asyncio.get_running_loop().call_later(0.3, daemon.end, int(sys.argv[2]))
        return await daemon.main()

sys.exit(asyncio.run(main()))
"""


def test_a_goodbye_that_takes_too_long_ends_with_the_status_that_was_wanted(tmp_path: Path) -> None:
    for status in (0, 75):
        done = subprocess.run([sys.executable, "-c", CODE, str(tmp_path), str(status)], timeout=60, check=False)
        assert done.returncode == status
