"""What has another shape than is asked for, or a number nobody can count with, is told in words of the file."""

from __future__ import annotations

import pytest

from vragd.config.load import parse
from vragd.errors import ConfigError


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "c.yaml")
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stores:\n", "stores: expected keys with values below it, found nothing: leave the key out"),
        (
            "stores: {notes: {sources: /a}}",
            "sources: expected a list, such as [A, B] or a line '- A' for each, found '/a'",
        ),
        ("stores: {notes: {sources: {path: /a}}}", "sources: expected a list, such as [A, B]"),
        ("stores: {notes: {sources: {path: /a}}}", "for each, found keys"),
        ("stores: {notes: {backend: faiss}}", "backend: expected keys with values below it, found 'faiss'"),
        ("stores: {notes: {embedder: {model: m}}}", "stores.notes.embedder needs the key 'type'"),
        ("stores: {2024: {}}", "stores: expected a text; in quotes, if it looks like a number"),
        ("limits: {max_file_bytes: 8 MiB}", "expected a whole number without quotes or a unit, found '8 MiB'"),
        ("watch: {settle_ms: 2.5}", "expected a whole number"),
        ("web: 'true'", "web: expected true or false, without quotes, found 'true'"),
        ("log:\n\tlevel: info\n", "indent with spaces"),
    ],
)
def test_what_has_another_shape_is_told_in_words_of_the_file(text: str, told: str) -> None:
    assert told in complaint(text)


@pytest.mark.parametrize(
    "text",
    [
        f"limits: {{max_file_bytes: {'9' * 40}}}",
        f"limits: {{keep_embeddings_days: {10**11}}}",
        f"limits: {{min_free_mib: {'9' * 40}}}",
        "watch: {poll_s: 1.0e+300}",
        "documents: {timeout_s: 99999999}",
    ],
)
def test_a_number_that_would_break_what_counts_with_it_is_refused(text: str) -> None:
    assert "should be less than or equal to" in complaint(text)
