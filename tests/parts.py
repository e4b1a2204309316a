"""A package that registers parts of vragd, as pip would install it."""

from __future__ import annotations

import shutil
from pathlib import Path

PARTS = Path(__file__).parent / "data" / "parts"


def install(site: Path, package: str, groups: dict[str, str]) -> Path:
    """
    Put a package below `site`, to be found on the path; its module is `package` with underscores.

    `groups` gives the name it registers in each group of entry points. What is in `tests/data/parts` by that name is
    in the package, too.
    """
    module = package.replace("-", "_")
    info = site / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"[{group}]\n{part} = {module}.{part}\n" for group, part in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (site / module).mkdir()
    (site / module / "__init__.py").write_text('"""Parts of vragd."""\n')
    for part in groups.values():
        if (PARTS / part).is_dir():
            shutil.copytree(PARTS / part, site / module / part, ignore=shutil.ignore_patterns("__pycache__"))
    return site
