"""The settings of Elasticsearch. Loads no client."""

from __future__ import annotations

from typing import ClassVar, Literal

from vragd.backends.lucene.settings import LuceneSettings
from vragd.terms.fields import PathText


class ElasticsearchBackend(LuceneSettings):
    """Indices of an Elasticsearch 8 or 9. Without `user` an API key is looked for, in `api_key_file` and elsewhere."""

    type: Literal["elasticsearch"]
    api_key_file: PathText | None = None

    title: ClassVar[str] = "Elasticsearch"
    word_from: ClassVar[str] = "ELASTICSEARCH_PASSWORD"
    key_variable: ClassVar[str] = "ELASTICSEARCH_API_KEY"


Settings = ElasticsearchBackend
