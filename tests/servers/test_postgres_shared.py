"""Two daemons on one collection of a real PostgreSQL: the stories of `two`."""

from __future__ import annotations

import pytest

from tests.harness import until
from tests.servers.postgres.server import RealPostgres
from tests.servers.test_postgres_daemon import Place
from tests.servers.two import (
    KILLS,
    test_one_vault_of_which_one_side_lags_a_day_loses_nothing_on_either,  # noqa: F401
    test_two_over_one_vault_are_one_answer_a_note_the_newest,  # noqa: F401
    test_two_vaults_that_are_alike_touch_nothing_of_each_other,  # noqa: F401
    two,  # noqa: F401
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120 + 20 * KILLS)]


class Shared(Place):
    """A `two.Place`."""

    def rows(self) -> dict[str, object]:
        others = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        until(lambda: not self.server.execute(others), "all who were killed to be gone", 60)
        told = self.server.execute(f"SELECT key, version, vec::text, payload, updated_at FROM {self.table}")
        return {key: tuple(rest) for key, *rest in told}


@pytest.fixture
def place(server: RealPostgres) -> Shared:
    server.execute("DROP SCHEMA IF EXISTS vragd CASCADE")
    return Shared(server)
