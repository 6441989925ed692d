"""Get a customer by its tenant id."""

from dataclasses import dataclass

from cart_core.call import Answer, Call
from cart_core.partner_center.customers import Customers


@dataclass(frozen=True, slots=True)
class GetCustomerCommand:
    """The customer is that of the call."""


class GetCustomer:
    """Gets customers."""

    def __init__(self, customers: Customers) -> None:
        self._customers = customers

    async def __call__(self, call: Call, command: GetCustomerCommand) -> Answer:
        """The customer (200). Raises Problem, also for a tenant without a relationship."""
        return Answer.of(200, await self._customers.get(call, call.customer_id))
