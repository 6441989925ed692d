"""Requests that Schemathesis derives from the OpenAPI document, right ones and wrong ones.

For each of them the function does what the document says: statuses, headers, bodies, what is
accepted and what is refused. The requests are the same in every run.
"""

import copy
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from click.testing import CliRunner
from schemathesis.cli import schemathesis as command_line
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER

from cart_core.api.parameters import GUID
from description.document import KEY, describe
from description.examples import CART_ID
from local.function_process import ROOT
from tests.end_to_end.chain import FUNCTION_KEY, Chain, started

Case = schemathesis.Case[Any]
EXAMPLES = {each["example"] for each in describe()["components"]["parameters"].values()}

NOT_HERE = {
    "unsupported_method": "The platform answers a wrong method, with 404; see docs/contract.md.",
    "positive_data_acceptance": "Replaced by refused_with_reason, which is stricter.",
}
"""Checks that are left out, and why; all others are on."""

OF_THE_PAST = ("/accepted/", "/operations/{id}/", "/storefront-orders/{orderId}", "/webhooks/")
"""Parts of paths that need what no request made of the document can make."""

BEYOND_A_SCHEMA = {
    "duplicate_id at id": "Ids are unique among lines and add-ons.",
    "wrong_type at id": "1.0 is a whole number to JSON Schema, not to Partner Center.",
    "wrong_type at quantity": "The same.",
    "out_of_range at id": "No schema limits a number that is given as a text.",
    "out_of_range at amount": "Nor the digits of a number.",
    "invalid_text": "There are more characters that nobody sees than a pattern can name.",
    "invalid_name": "The same holds for the names of undocumented members.",
    "invalid_parameter": "The same, for a search; and a domain and a search exclude each other.",
    "preflight_failed": "What stands against an order only Partner Center knows.",
    "product_not_found": "What is in the catalogue only Partner Center knows.",
    "unexpected_segment": "A segment stands beside a SKU, not beside an availability.",
    "unknown_member": "At most 100 undocumented members are sent on.",
    "order_member": "Nor may one be a member of Partner Center's orders.",
    "duplicate_member": "Names are the same in any case.",
    "misspelled_member": "Near misses of documented names are refused.",
    "cart_mismatch at id": "The body's id must be the path's.",
    "customer_mismatch at customerId": "So must its customerId.",
    "idempotency_key_reused": "A key belongs to one request, a cart to one customer user.",
    "item_not_available": "Which SKUs there are at what terms only Partner Center knows.",
    "cart_not_orderable": "What is for sale only Partner Center knows.",
    "idempotency_key_required": "Whoever does not wait for a cart needs a key.",
    "operation_not_resting": "What has become of an operation, only its record knows.",
    "operation_not_found": "Which operations were accepted, only the store knows.",
    "order_not_found": "Which orders storefronts have sent, too.",
    "operation_in_progress": "What was accepted may not be done yet.",
    "partner_center_not_found": "Which carts there are, too.",
    "partner_center_invalid_request": "And what can be done with them.",
}
"""What a request may be refused for although it fits the document."""


SIGNED = "/api/webhooks/{source}"
"""Nobody but a shop can sign what this route takes, and its answers have no body."""


@schemathesis.check
def refused_with_reason(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """What fits the document is accepted, or refused for what no schema can say."""
    if _positive(case) and response.status_code >= 400 and case.path != SIGNED:
        problem = response.json()
        reasons = [[problem["code"]]]
        if problem["errors"]:
            reasons = [[problem["code"], *_names_of(error)] for error in problem["errors"]]
        unknown = [reason for reason in reasons if not set(BEYOND_A_SCHEMA) & set(reason)]
        assert not unknown, unknown


def _names_of(error: dict[str, str]) -> list[str]:
    return [error["code"], f"{error['code']} at {error['pointer'].rpartition('/')[2]}"]


def _positive(case: Case) -> bool:
    """Whether the request fits the document."""
    return case.meta is not None and case.meta.generation.mode.is_positive


class Rehearsal:
    """The function under test, the carts in Partner Center, and the statuses answered so far."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.statuses: dict[str, set[int]] = defaultdict(set)
        self._numbers = count()
        assert chain.post().status_code == 201
        (self._cart,) = chain.cloud.partner_center.carts.values()

    def prepare(self, case: Case) -> None:
        """Let every second cart exist, and send one key at most, which is not an example's."""
        customer, cart = (str(case.path_parameters.get(name)) for name in ("customerId", "cartId"))
        if GUID.fullmatch(customer) and GUID.fullmatch(cart) and int(cart[-1], 16) % 2:
            self._supply(customer.lower(), cart.lower())
        keys = [name for name in ("Idempotency-Key", "webhook-id") if name in case.headers]
        wrong = [name for name in keys if not re.fullmatch(KEY, str(case.headers[name]))]
        for name in keys:
            if wrong and name not in wrong:
                del case.headers[name]
            elif _positive(case) and case.headers[name] in EXAMPLES:
                case.headers[name] = f"order-{next(self._numbers)}"

    def note(self, case: Case, response: Any) -> None:
        """Remember an answer."""
        self.statuses[case.operation.label].add(response.status_code)
        self.chain.remember(response)

    def _supply(self, customer_id: str, cart_id: str) -> None:
        """Make a cart with this id, unless there is one. The example's is always made anew."""
        carts = self.chain.cloud.partner_center.carts
        if cart_id not in carts or cart_id == CART_ID:
            cart = copy.deepcopy(self._cart)
            cart.customer_id, cart.document["id"] = customer_id, cart_id
            carts[cart_id] = cart


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    # The document says that undocumented members are sent on. By default, orders refuse them.
    with started(CART_ALLOW_CHECKOUT="true", CART_UNKNOWN_MEMBERS="forward") as chain:
        rehearsal = Rehearsal(chain)

        @schemathesis.hook
        def before_call(context: schemathesis.HookContext, case: Case, kwargs: Any) -> None:
            rehearsal.prepare(case)

        @schemathesis.hook
        def after_call(context: schemathesis.HookContext, case: Case, response: Any) -> None:
            rehearsal.note(case, response)

        yield rehearsal
        GLOBAL_HOOK_DISPATCHER.unregister_all()
        for operation, statuses in rehearsal.statuses.items():
            succeeded = statuses & {200, 201, 202}
            assert succeeded or any(map(operation.count, OF_THE_PAST)), (
                f"{operation} never succeeded"
            )


@pytest.mark.parametrize("phase", ["examples", "coverage", "fuzzing", "stateful"])
def test_the_document_holds(rehearsal: Rehearsal, phase: str, tmp_path: Path) -> None:
    settings = tmp_path / "schemathesis.toml"
    settings.write_text("[cache]\nenabled = false\n")  # nothing of one run is left for the next

    run = CliRunner().invoke(
        command_line,
        [
            *(f"--config-file={settings}", "run"),
            *(
                str(ROOT / "cart_core" / "api" / "openapi.json"),
                f"--url={rehearsal.chain.function.url}",
            ),
            *(f"--header=x-functions-key: {FUNCTION_KEY}", f"--phases={phase}"),
            *("--checks=all", f"--exclude-checks={','.join(NOT_HERE)}", "--continue-on-failure"),
            *("--generation-deterministic", "--max-examples=5", "--no-shrink", "--no-color"),
        ],
    )

    assert run.exit_code == 0, run.output
