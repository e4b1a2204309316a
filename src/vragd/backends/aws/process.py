"""What gives credentials may be a program, which botocore waits for without a bound: here it has one."""

from __future__ import annotations

import subprocess

from botocore.credentials import ProcessProvider
from botocore.exceptions import CredentialRetrievalError

MOST_S = 30.0
"""Some of them ask whoever sits there."""


class Bounded(subprocess.Popen[bytes]):
    """A `credential_process`, which is killed when it takes longer than `MOST_S`."""

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002
        """As of any process. Raises CredentialRetrievalError."""
        most_s = timeout or MOST_S
        try:
            return super().communicate(input, most_s)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
            for pipe in (self.stdout, self.stderr):  # a child of its own may hold them open
                if pipe is not None:
                    pipe.close()
            said = f"credential_process did not end within {most_s:g} s"
            raise CredentialRetrievalError(provider=ProcessProvider.METHOD, error_msg=said) from None


def bound() -> None:
    """Have it so for all that botocore makes in this process, also for a profile that another is assumed from."""
    ProcessProvider.__init__.__defaults__ = (Bounded,)
