"""What is remembered of one keyed operation, as JSON that support can open and read.

Nothing secret is in it: ids, the fingerprint of the request, and the answer. Its states:

    in_progress   somebody works on it until `lease_until`, or died trying
    unknown       Partner Center may have done it; it is resumed under the same request id
    released      Partner Center certainly did not do it; the next attempt has a new request id
    open          ended for certain, with not all of it done; the key stays bound, and the next
                  attempt goes on at the step that is open; where a part was ordered, `answer` is
                  what was told of it
    completed     `answer` is replayed to everybody who asks again
"""

import json
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from cart_core.cart.spelling import format_timestamp

RECORD_VERSION = 1

Moment = Annotated[AwareDatetime, PlainSerializer(format_timestamp, return_type=str)]


class _Remembered(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


class Step(_Remembered):
    """One call that the operation makes to Partner Center, and the MS-RequestId it goes under."""

    name: str
    request_id: str
    done: bool = False
    result: dict[str, Any] | None = None


class StoredAnswer(_Remembered):
    """The whole answer, as it is replayed."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Record(_Remembered):
    """One operation. Times are UTC; `nonce` is new in every write and tells whose write it was.

    `fingerprint` is `<version>:<SHA-256>` of the request. `epoch` counts how
    often the request ids were renewed.
    """

    version: int = RECORD_VERSION
    operation: str
    customer_id: str
    caller_id: str | None
    key: str
    fingerprint: str
    state: Literal["in_progress", "unknown", "released", "open", "completed"]
    epoch: int
    nonce: str
    lease_until: Moment
    expires_at: Moment
    correlation_id: str
    steps: list[Step]
    answer: StoredAnswer | None = None

    def to_json(self) -> bytes:
        """The record as UTF-8 JSON, indented for the reader.

        Half a surrogate pair, which a cart of Partner Center may bring along, stays an escape.
        """
        text = json.dumps(self.model_dump(by_alias=True), indent=2, ensure_ascii=False)
        return text.encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(cls, data: bytes) -> "Record":
        """The record in `data`. Raises ValueError where it is none."""
        return cls.model_validate(json.loads(data))
