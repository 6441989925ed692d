"""The cart and the answers in README.md are those of the code."""

import json
import re
from pathlib import Path

from cart_core.cart.answer import CartAnswer
from cart_core.cart.request import CartRules, read_cart
from local.samples import CUSTOMER, curl_line

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_command_is_the_one_that_is_printed() -> None:
    assert curl_line("http://127.0.0.1:7071", "local-key").strip() in README


def test_the_cart_of_the_command_is_valid() -> None:
    body = re.search(r"-d '(.*)'", README)
    assert body
    read_cart(json.loads(body[1]), CUSTOMER, CartRules(), [])


def test_the_answer_and_the_error_have_these_members() -> None:
    answer, error = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", README, re.S))

    CartAnswer.model_validate(answer, context=[])
    assert {"code", "outcome", "retryable", "errors"} == set(error)
