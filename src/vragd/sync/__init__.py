"""The way in: dirty path → committed note; the only order of writes."""
