"""What embedders share that ask a server: where notes may be sent, texts that are too long, a server that is silent."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import numpy as np

from vragd.embed.base import checked
from vragd.errors import ConfigError, EmbedderRejected, EmbedderUnavailable
from vragd.system.alive import progress
from vragd.terms.hosts import is_here, is_loopback, without_secrets

CONNECT_TIMEOUT_S = 2.0
SILENT_FOR_S = 5.0
"""For so long after a question that was not answered no other is put: each would wait as long, and hold up others."""
WARM_UP_AFTER_S, WARM_UP_S = 0.5, 600.0
"""How long after such a silence the model is asked for once with patience, and with how much."""
PROBE = "vragd"
ENVIRONMENT = frozenset(
    {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"}
)
"""What httpx reads there."""
MAX_HALVINGS = 8
BROKE_HALVINGS, BROKE_CHARS = 3, 200  # where what runs the model dies of a text: how far it is cut to find out

Ask = Callable[[Sequence[str]], np.ndarray]
"""The vectors of texts that fit. Raises EmbedderUnavailable, EmbedderRejected and what is below."""


class Silent(EmbedderUnavailable):
    """No answer came in the time there was for it; `connected` if somebody was there."""

    connected = True


class TooLong(EmbedderRejected):
    """A text is longer than the model's context, or all of them more than a request may hold."""


class Doubtful(EmbedderRejected):
    """A refusal that may be of the text, or of any text: the server says it in the same words."""


class Broke(Doubtful):
    """What runs the model died of a text, or of something else: long ones do that to some releases."""


def checked_url(url: str, *, allow_remote: bool) -> bool:
    """True when `url` is on this machine. Raises ConfigError for what is not, unless allowed."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):  # whose words quote it
        raise ConfigError("the embedder url is not a url: expected http://HOST[:PORT]", hint="check its port") from None
    if parts.username is not None:
        raise ConfigError("the embedder url holds a user name, which would not be sent", hint="take it out of the url")
    is_local = is_loopback(host)
    if not is_local and not allow_remote:
        hint = "if that is what you want, set allow_remote: true"
        if is_here(host):  # what a server is told to listen at, as OLLAMA_HOST often is
            hint = "write 127.0.0.1 for a server on this machine; for one elsewhere, set allow_remote: true"
        raise ConfigError(
            f"embedder url {without_secrets(url)!r} is not on this machine: the text of notes would leave it",
            hint=hint,
        )
    return is_local


def asks_proxy(url: str) -> bool:
    """Whether the environment's proxy may be used: it could not reach our loopback, and would see the notes."""
    return not is_here(urlsplit(url).hostname or "")


@contextmanager
def by_environment() -> Iterator[None]:
    """Around the making of a client of httpx's. Raises ConfigError for what the environment says and nobody can use."""
    try:
        yield
    except (ImportError, OSError, ValueError, httpx.InvalidURL):  # whose words quote it, with its password
        said = sorted(name for name in os.environ if name.upper() in ENVIRONMENT and os.environ[name])
        raise ConfigError(
            f"what the environment says of proxies and certificates cannot be used: {', '.join(said) or 'see there'}",
            hint="a proxy is to be http://HOST:PORT (socks5:// needs pip install socksio), NO_PROXY without masks of"
            " IPv6, SSL_CERT_FILE a file of certificates",
        ) from None


def verifies(url: str, *, is_local: bool) -> bool:
    """Whether there may be TLS to verify; where not, the list of authorities need not be read: a tenth of a second."""
    return not (is_local and urlsplit(url).scheme == "http")


def encodable(text: str) -> str:
    """`text` without lone surrogates, which cannot be sent as UTF-8: a client's own error would quote the text."""
    return text.encode("utf-8", "replace").decode("utf-8")


def shortening(dimensions: int | None) -> str:
    """What a digest ends with whose vectors are `shortened`: they are of another space than whole ones."""
    return "" if dimensions is None else f":{dimensions}"


def kept(whole: int, dimensions: int | None) -> int:
    """How many numbers are kept of vectors of `whole`. Raises EmbedderUnavailable where more are asked for."""
    if dimensions is not None and dimensions > whole:
        raise EmbedderUnavailable(
            f"the model makes vectors of {whole} numbers, and dimensions: {dimensions} asks for more",
            hint=f"dimensions can be {whole} at most",
        )
    return dimensions or whole


def shortened(rows: np.ndarray, dimensions: int | None) -> np.ndarray:
    """The first `dimensions` numbers of each row, at length 1 again; all for None. Raises as `kept` and `checked`."""
    if kept(rows.shape[1], dimensions) == rows.shape[1]:
        return rows
    return checked(rows[:, :dimensions], count=len(rows), dimension=dimensions)


def embed_fitting(ask: Ask, texts: Sequence[str], *, halvings: int = 0) -> np.ndarray:
    """`ask(texts)`, with every text that is too long for the model embedded in parts."""
    try:
        return ask(texts)
    except (TooLong, Broke) as error:
        if len(texts) > 1:  # nobody says which one it was, or whether it was their number
            middle = len(texts) // 2
            parts = (texts[:middle], texts[middle:])
            return np.concatenate([embed_fitting(ask, part, halvings=halvings) for part in parts])
        if halvings == MAX_HALVINGS or len(texts[0].strip()) < 2:
            raise
        if isinstance(error, Broke) and (halvings == BROKE_HALVINGS or len(texts[0]) < BROKE_CHARS):
            raise
    halves = _halves(texts[0])
    rows = [embed_fitting(ask, [half], halvings=halvings + 1) for half in halves]
    weights = np.array([[len(half)] for half in halves], dtype=np.float32)
    mean = (np.concatenate(rows) * weights).sum(axis=0, keepdims=True) / weights.sum()
    return checked(mean, count=1, dimension=None)


def embed_or_blame(ask: Ask, alone: Callable[[], object], texts: Sequence[str], who: str, way_out: str) -> np.ndarray:
    """
    As `embed_fitting`. What a server refuses of a single text it must not refuse of any: `alone` embeds a word of ours,
    and if that is refused too it is the server, `who` for people, that is at fault.
    """
    try:
        return embed_fitting(ask, texts)
    except Doubtful as error:
        if len(texts) > 1:
            raise  # whoever called asks again with fewer
        try:
            alone()
        except EmbedderRejected:
            raise EmbedderUnavailable(f"{who} refuses every text: {error.message}", hint=way_out) from None
        raise


@contextmanager
def over_http(name: str, connect_s: float, timeout_s: float, loading: str) -> Iterator[None]:
    """
    Around a request of httpx's to `name`: what it fails with as ours. `loading`: what helps who waits for a model.

    `from None` throughout: a cause may hold what was sent or answered, and a traceback would print it.
    """
    progress()  # each request has its own timeout: a bad text is found by many of them in one call
    try:
        yield
    except httpx.ConnectTimeout:
        silent = Silent(f"{name} did not accept a connection within {connect_s:g} s")
        silent.connected = False
        raise silent from None
    except httpx.TimeoutException:
        raise Silent(f"{name} did not answer within {timeout_s:g} s", hint=loading) from None
    except (httpx.HTTPError, RuntimeError, OSError) as error:
        # RuntimeError: the pool was closed under the call.
        raise EmbedderUnavailable(f"the connection to {name} broke off ({type(error).__name__})") from None


def _halves(text: str) -> tuple[str, str]:
    """`text` cut at the whitespace nearest its middle, or in its middle when none is near."""
    text = text.strip()
    middle = len(text) // 2
    near = range(len(text) // 4, len(text) - len(text) // 4)
    cuts = [place for place in near if text[place].isspace()]
    cut = min(cuts, key=lambda place: abs(place - middle), default=middle)
    return text[:cut].rstrip(), text[cut:].lstrip()


class Respite:
    """
    With one server, `name` for people: after a question it left without an answer none is put for a while.

    Its model is then asked for beside, by `load`: a server may give a load up when whoever waited for it goes away, and
    whoever asks a question does so long before a large model is loaded. Any thread.
    """

    def __init__(self, name: str, load: Callable[[], object]) -> None:
        self._name, self._load = name, load
        self._silent_until = 0.0  # monotonic
        self._warming = threading.Lock()
        self._closed = threading.Event()

    @contextmanager
    def question(self, *, needs_model: bool = True) -> Iterator[None]:
        """Around a question. Raises EmbedderUnavailable while it is no use; one that is not answered is remembered."""
        if time.monotonic() < self._silent_until:
            raise EmbedderUnavailable(f"{self._name} did not answer the last question in time")
        try:
            yield
        except Silent as error:
            self._silent_until = time.monotonic() + SILENT_FOR_S
            if needs_model:
                self._load_beside(error)
            raise

    @contextmanager
    def work(self) -> Iterator[None]:
        """Around what has the time to wait."""
        try:
            yield
        except Silent as error:
            self._load_beside(error)
            raise

    def answered(self) -> None:
        """It embeds."""
        self._silent_until = 0.0

    def _load_beside(self, error: Silent) -> None:
        """Have the model loaded, on a thread beside, if somebody was there to load it."""
        if error.connected and self._warming.acquire(blocking=False):
            threading.Thread(target=self._warm_up, name="embedder-load", daemon=True).start()

    def close(self) -> None:
        """Begin no load any more."""
        self._closed.set()

    def _warm_up(self) -> None:
        try:
            if not self._closed.wait(WARM_UP_AFTER_S):
                self._load()
                self.answered()
        except (EmbedderUnavailable, EmbedderRejected):
            return  # the next silence tries again
        finally:
            self._warming.release()
