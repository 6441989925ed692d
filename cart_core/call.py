"""What every question to Partner Center has in common: for whom, in which language, until when."""

from collections.abc import Callable
from dataclasses import dataclass

from cart_core.api.messages import Call, Request, locale
from cart_core.deadline import Deadline
from cart_core.settings import Settings


@dataclass(frozen=True, slots=True)
class Errand:
    """For whom Partner Center is asked, on behalf of which call, and until when."""

    call: Call
    customer_id: str
    locale: str
    deadline: Deadline

    @classmethod
    def of(
        cls, request: Request, call: Call, settings: Settings, monotonic: Callable[[], float]
    ) -> "Errand":
        """The errand of a request, whose customerId may yet turn out to be none."""
        return cls(
            call,
            request.path.get("customerId", "").lower(),
            locale(request.headers, settings.locale),
            Deadline(call.began + settings.deadline_seconds, monotonic),
        )
