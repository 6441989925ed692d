"""What a soak proves of accepted operations: none is lost, and each ends once, as it was told."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cart_core.operations.operation import names_of
from tests.soak.judgement import Evidence


def wrong_ends(evidence: Evidence, still_open: list[str]) -> Iterator[str]:
    """Operations that were accepted and have not ended, or that ended otherwise than was told."""
    ledger = evidence.cloud.ledger
    yield from (f"{name}: still open" for name in still_open)
    for name, written in ledger.ended.items():
        if len(written) != 1:
            yield f"{name}: ended {len(written)} times"
        if written[0]["request"]:
            yield f"{name}: the request is kept"
    for _, answer in evidence.answers():
        if not answer.accepted:
            continue
        names = names_of(answer.accepted)
        ended = ledger.ended.get(f"{names.ended}.json" if names else "")
        if not ended:
            yield f"{answer.key}: accepted as {answer.accepted}, and lost"
        elif (answer.status, answer.body) != _told(ended[0]):
            yield f"{answer.key}: told {answer.status} {answer.code}, recorded is something else"


def _told(record: Mapping[str, Any]) -> tuple[int, Any]:
    return record["answer"]["status"], record["answer"]["body"]


def ends(evidence: Evidence) -> "Counter[str]":
    """How the accepted operations ended, and after how many tries."""
    counts = Counter[str]()
    for [record] in evidence.cloud.ledger.ended.values():
        tries = record["tries"]
        counts[f"{record['state']}, {tries if tries < 4 else '4 or more'} tries"] += 1
    return counts
