"""The pauses that Partner Center has asked for, so that nothing is sent before they are over.

Partner Center throttles some requests for each partner tenant and others for each partner and
customer ("API throttling guidance"), and does not say which. So a 429 stops requests for its
customer, and as soon as two customers are throttled at a time, requests for everybody.
"""

import math


class Throttle:
    """When each customer may be served again. Times are seconds on one monotonic clock."""

    def __init__(self) -> None:
        self._closed_until: dict[str, float] = {}
        self._all_closed_until = -math.inf

    def close(self, customer_id: str, seconds: float, now: float) -> None:
        """Partner Center asked for a pause of so many seconds for this customer."""
        closed = {customer: until for customer, until in self._closed_until.items() if until > now}
        closed[customer_id] = max(now + seconds, closed.get(customer_id, now))
        if len(closed) > 1:
            self._all_closed_until = max(closed.values())
        self._closed_until = closed

    def wait(self, customer_id: str, now: float) -> float:
        """Seconds until a request for this customer may be sent; 0 if it may be sent now."""
        until = max(self._all_closed_until, self._closed_until.get(customer_id, now))
        return max(0.0, until - now)
