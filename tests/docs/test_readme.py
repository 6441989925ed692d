"""The cart and the answers in README.md are those of the code."""

import json
import re
from pathlib import Path

from cart_core.cart.answer import CartAnswer
from cart_core.cart.request import CartRules, read_cart
from cart_core.storefronts.sources import read_sources
from local.samples import CUSTOMER, curl_line
from local.storefronts import SAMPLE, order_id_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_command_is_the_one_that_is_printed() -> None:
    assert curl_line("http://127.0.0.1:7071", "local-key").strip() in README


def test_the_cart_of_the_command_is_valid() -> None:
    body = re.search(r"-d '(.*)'", README)
    assert body
    read_cart(json.loads(body[1]), CUSTOMER, CartRules(), [])


def test_the_webhook_that_is_sent_is_an_order_of_the_sample_file() -> None:
    command = re.search(r"^make webhook SOURCE=(\w+) BODY=(\S+)$", README, re.MULTILINE)
    assert command
    source = read_sources(SAMPLE.read_text("utf-8"))[command[1]]

    assert order_id_of(source, (ROOT / command[2]).read_bytes())


def test_the_answer_and_the_error_have_these_members() -> None:
    answer, error = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", README, re.S))

    CartAnswer.model_validate(answer, context=[])
    assert {"code", "outcome", "retryable", "errors"} == set(error)
