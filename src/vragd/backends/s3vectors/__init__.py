"""An index of Amazon S3 Vectors."""
