"""The ids of test cases."""


def short(value: object) -> str:
    """The beginning of the value's representation, the same in every process that collects."""
    return repr(sorted(value) if isinstance(value, set) else value)[:40]
