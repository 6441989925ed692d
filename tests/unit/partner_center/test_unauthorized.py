"""When a 401 is the refusal of one request; test_retry proves what the sender makes of that."""

import pytest

from cart_core.partner_center.unauthorized import (
    EVIDENCE_SECONDS,
    MOST_IN_A_ROW,
    TokenEvidence,
    claims_challenge,
    explained,
)
from cart_core.problem import Fault, Problem


@pytest.mark.parametrize(
    ("answers", "works"),
    [
        # What Partner Center answered, a status each second, and whether the token works if it
        # refuses a request then.
        ([], False),
        ([201], True),
        ([404], True),
        ([409, 500, 503, 429, 403, 408], True),
        ([500, 503, 429, 403, 408, 407, 302], False),
        ([201, *[401] * (MOST_IN_A_ROW - 1)], True),
        ([201, *[401] * MOST_IN_A_ROW], False),
        ([201, *[401] * 9, 200], True),
        ([401], False),
        ([401, 400], True),
    ],
)
def test_a_token_works_if_it_was_accepted_and_not_refused_often_since(
    answers: list[int], works: bool
) -> None:
    evidence = TokenEvidence()
    for now, status in enumerate(answers):
        evidence.answered(status, now)
        if status == 401:
            evidence.refused(now)
    assert evidence.refused(len(answers)) is works


@pytest.mark.parametrize(("later", "works"), [(-0.5, True), (0.5, False)])
def test_what_was_accepted_an_hour_ago_proves_nothing(later: float, works: bool) -> None:
    evidence = TokenEvidence()
    evidence.answered(201, 100)
    assert evidence.refused(100 + EVIDENCE_SECONDS + later) is works


def unauthorized(fault: Fault | None) -> Problem:
    return Problem("partner_center_unauthorized", "Is the app registered?", fault=fault)


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (
            Fault(401, "400", "Access denied"),
            "Partner Center answered 401 with code 400: Access denied. It accepts this function's"
            " token for other requests, so look at what only this one has: its customer,"
            " participants and items.",
        ),
        (
            Fault(401),
            "Partner Center answered 401. It accepts this function's token for other requests, so"
            " look at what only this one has: its customer, participants and items.",
        ),
    ],
)
def test_a_refused_request_is_told_in_partner_centers_words(fault: Fault, detail: str) -> None:
    problem = explained(unauthorized(fault), token_works=True)
    assert (problem.code, problem.fault) == ("partner_center_forbidden", fault)
    assert problem.detail == detail
    problem = unauthorized(fault)
    assert explained(problem, token_works=False) is problem


@pytest.mark.parametrize("token_works", [True, False])
@pytest.mark.parametrize(
    "words",
    [
        "Unauthorized - MFA required. (10001)",
        "Authentication failed. MFA required",
        "mfa",
        "Multi-factor authentication is needed.",
        "Use multifactor authentication.",
    ],
)
def test_a_text_about_mfa_gets_the_advice_about_mfa(words: str, token_works: bool) -> None:
    problem = explained(unauthorized(Fault(401, "10001", words)), token_works=token_works)
    assert problem.code == "partner_center_unauthorized"
    assert "sign in with MFA" in problem.detail


@pytest.mark.parametrize("code", ["900420", "900421", "900309", "800001"])
def test_a_code_about_the_token_is_not_about_the_request(code: str) -> None:
    problem = unauthorized(Fault(401, code, "No MFA."))
    assert explained(problem, token_works=True) is problem


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ('Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="', "eyJhIjoxfQ=="),
        ('Bearer claims="e30"', "e30"),
        ("Bearer Claims=e30=, x=1", "e30="),
        ('OAuth realm=urn:cpsvc:cpid:{1}, Bearer x="claims", claims="e30"', "e30"),
        ('Bearer error="invalid_token"', None),
        ('Bearer claims=""', None),
        ('Bearer noclaims="e30"', None),
        (f'Bearer claims="{"x" * 9000}"', None),
        ("", None),
    ],
)
def test_the_claims_of_a_challenge(header: str, claims: str | None) -> None:
    assert claims_challenge({"www-authenticate": header}) == claims
    assert claims_challenge({}) is None
