"""
`python -m tests.soak`: a real daemon for minutes or hours, with a random editor, kills and faults, compared every 30 s.

Not collected by pytest; `tests/unit/project/test_soak.py` tests the parts that judge.
"""
