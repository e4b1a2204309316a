"""What the process that reads answers, asked without one."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from tests import documents as made
from vragd.sync.worker import answer


@pytest.mark.skipif(find_spec("pypdfium2") is None, reason="needs pip install 'vragd[documents]'")
def test_a_document_is_answered_with_its_text_or_why_there_is_none() -> None:
    assert json.loads(answer(b".pdf\n" + made.pdf(["wombat"]))) == {"found": [[[["Page 1"], [[1, "wombat"]]]], False]}
    assert json.loads(answer(b".pdf\n" + made.encrypted_pdf())) == {"refused": "encrypted"}


@pytest.mark.skipif(find_spec("tree_sitter") is None, reason="needs pip install 'vragd[code]'")
def test_code_is_answered_with_its_stretches() -> None:
    assert json.loads(answer(b".py\nx = 1\n")) == {"found": [[[], [[0, 1]]]]}
    assert json.loads(answer(b".py\n" + bytes(300))) == {"refused": "binary"}
    assert json.loads(answer(b".kt\nval x = 1\n")) == {"found": None}
