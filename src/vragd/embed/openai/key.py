"""The key of a server: where it is kept, and who gets it. It is in no message, log or settings."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vragd.embed.openai.settings import OpenAIEmbedder
from vragd.errors import EmbedderRefused
from vragd.system.secrets import Unfit, can_be_sent, secret_in
from vragd.terms.hosts import origin, stays_private

VARIABLE, HOST_VARIABLE = "OPENAI_API_KEY", "OPENAI_BASE_URL"
KEY_HOST = ("https", "api.openai.com", 443)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,40}")


def key_of(settings: OpenAIEmbedder, environment: Mapping[str, str]) -> str:
    """
    The key to send to the server of `settings`; "" for none. Read each time: a key may be changed while we run.

    Raises EmbedderRefused where a key was named that is not there, or that others can read.
    """
    if settings.key_file is not None:
        return _sendable(_of_file(settings.key_file), f"the key in {settings.key_file}")
    if settings.key_env is not None:
        if not environment.get(settings.key_env, "").strip():
            raise EmbedderRefused(
                f"the environment has no {_named(settings.key_env)}, which key_env names",
                hint="that of your shell is not the service's: key_file names a file with mode 0600",
            )
        return _sendable(environment[settings.key_env], f"the key in {_named(settings.key_env)}")
    if environment.get(VARIABLE) and is_given_for(settings.url, environment):
        return _sendable(environment[VARIABLE], f"the key in {VARIABLE}")
    return ""


def is_given_for(url: str, environment: Mapping[str, str]) -> bool:
    """
    Whether a key that no setting names was given for the server at `url`: that of api.openai.com, or the one that
    `OPENAI_BASE_URL` names, unless others could read it on the way.
    """
    here = origin(url)
    if here is None or not stays_private(url):
        return False
    given_for = environment.get(HOST_VARIABLE, "")
    return here == (origin(given_for) if given_for else KEY_HOST)


def _of_file(path: str) -> str:
    try:
        return secret_in(path)
    except Unfit as error:
        raise EmbedderRefused(f"the embedder's key_file {error}", hint=error.hint or f"see key_file: {path}") from None


def _named(variable: str) -> str:
    """A variable for people; what is not spelt as one may be the key itself, in the wrong setting."""
    return variable if _VARIABLE.fullmatch(variable) else "such variable"


def _sendable(key: str, where: str) -> str:
    key = key.strip()
    if not key:
        raise EmbedderRefused(f"{where} is empty", hint="write the key, and nothing else, there")
    if not can_be_sent(key):
        raise EmbedderRefused(f"{where} is none: it has blanks, line ends or other letters than a key has")
    return key
