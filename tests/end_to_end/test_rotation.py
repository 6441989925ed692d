"""The timer that renews the refresh token: real SDKs, real processes, and what can befall them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import parse_qs

import httpx
import pytest
from partner_center_emulator.cloud import REFRESH_TOKEN_NAME, VAULT
from partner_center_emulator.services.key_vault import SecretVersion
from partner_center_emulator.watch.faults import Fault

from local.environment import app_environment
from local.function_process import FunctionProcess
from tests.end_to_end.chain import CUSTOMER, FUNCTION_KEY, NOTHING, Chain, cart, problem

Start = Callable[..., Chain]

OWN_VAULT = "carts-refresh"
DAY = 86_400
TIMER = "/admin/functions/rotate_refresh_token"
KEY = {"x-functions-key": FUNCTION_KEY}


def fire(chain: Chain) -> int:
    """Runs the timer now; the host's status."""
    return chain.send("POST", TIMER, KEY).status_code


def fire_at(url: str) -> int:
    return httpx.post(url + TIMER, headers=KEY, trust_env=False, timeout=60).status_code


def versions(chain: Chain, vault: str = VAULT) -> list[SecretVersion]:
    return chain.cloud.key_vault.versions(vault, REFRESH_TOKEN_NAME)


def grown(chain: Chain, *days: int, vault: str = VAULT) -> None:
    """Gives the vault versions of these ages, all of them working."""
    kept = chain.cloud.key_vault.vaults.setdefault(vault, {})
    kept[REFRESH_TOKEN_NAME] = [
        SecretVersion(chain.cloud.entra.add_refresh_token(), created=int(time.time()) - day * DAY)
        for day in days
    ]


def a_day_later(chain: Chain, vault: str = VAULT) -> None:
    """Makes the versions older; what is no older than the current one is never disabled."""
    for version in versions(chain, vault):
        version.created -= DAY


def enabled(chain: Chain, vault: str = VAULT) -> list[bool]:
    return [version.enabled for version in versions(chain, vault)]


def told(chain: Chain) -> list[str]:
    """The rotation's lines."""
    mark = ":cart_core.use_cases.rotate_refresh_token:"
    return [line.partition(mark)[2] for line in chain.output().splitlines() if mark in line]


def another(chain: Chain, **settings: str | None) -> FunctionProcess:
    """One more process in the same cloud, which has read no secret yet."""
    environment = app_environment(
        chain.cloud, FUNCTIONS_KEY=FUNCTION_KEY, PARTNER_CENTER_AUTH="app_user", **settings
    )
    return FunctionProcess(environment, log_level="DEBUG")


def makes_carts(function: FunctionProcess) -> bool:
    url = f"{function.url}/api/customers/{CUSTOMER}/carts"
    answer = httpx.post(url, json=cart(), headers=KEY, trust_env=False, timeout=60)
    return answer.status_code == 201


def exchanged(chain: Chain) -> list[str]:
    """The refresh tokens that Entra was shown."""
    forms = [parse_qs(a.body.decode()) for a in chain.cloud.journal.requests("entra", "/token")]
    return [form["refresh_token"][0] for form in forms]


# --- What goes right


@pytest.mark.parametrize(
    ("credential", "vault"),
    [
        ("secret", VAULT),
        ("secret", OWN_VAULT),
        ("certificate", OWN_VAULT),
        ("federated", OWN_VAULT),
    ],
)
def test_the_token_is_renewed_with_every_credential(
    start: Start, credential: str, vault: str
) -> None:
    own = {"KEY_VAULT_REFRESH_TOKEN_URL": f"https://{vault}.vault.azure.net"}
    settings = {"PARTNER_CENTER_CREDENTIAL": credential, **(own if vault != VAULT else {})}
    chain = start(PARTNER_CENTER_AUTH="app_user", **settings)
    if vault != VAULT:
        del chain.cloud.key_vault.vaults[VAULT][REFRESH_TOKEN_NAME]
        chain.expected_hosts.add(f"{vault}.vault.azure.net")
    grown(chain, 30, 20, 10, vault=vault)
    previous = versions(chain, vault)[-1].value
    assert chain.post().status_code == 201

    assert fire(chain) == 202

    assert enabled(chain, vault) == [False, False, True, True]
    newest = versions(chain, vault)[-1]
    issued = datetime.fromisoformat(newest.tags["issued"])
    assert 0 <= (datetime.now(UTC) - issued).total_seconds() < 60
    assert newest.expires
    assert abs(newest.expires - issued.timestamp() - 90 * DAY) <= 1
    assert exchanged(chain)[1:] == [previous, newest.value]  # used, and proved
    assert told(chain) == ["refresh token rotated"]

    assert chain.post().status_code == 201
    chain.forget()
    with another(chain, **settings) as fresh:
        assert makes_carts(fresh)
    assert exchanged(chain) == [newest.value]

    a_day_later(chain, vault)
    assert fire(chain) == 202
    assert enabled(chain, vault) == [False, False, False, True, True]


def test_without_a_refresh_token_it_returns_at_once(start: Start) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_only")
    before = len(versions(chain))

    assert fire(chain) == 202

    assert chain.calls() == NOTHING
    assert len(versions(chain)) == before
    assert told(chain) == []


def test_only_who_has_the_key_may_run_it(start: Start) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_user")

    assert chain.send("POST", TIMER).status_code == 401

    assert chain.calls() == NOTHING


# --- What takes a person


@pytest.mark.parametrize("number", [700082, 50076, 50173])
def test_a_token_that_entra_no_longer_takes_calls_for_a_person(start: Start, number: int) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_user")
    grown(chain, 80, 71)
    chain.cloud.entra.refresh_tokens = dict.fromkeys(chain.cloud.entra.refresh_tokens, number)
    before = [version.value for version in versions(chain)]

    assert fire(chain) == 500

    assert told(chain) == [
        "refresh token rotation failed: consent_required: Microsoft Entra ID wants the user to "
        f"sign in again (AADSTS{number}): sign in as an agent with MFA, consent, and store the new "
        f"refresh token as the secret {REFRESH_TOKEN_NAME}.",
        "refresh token age 71 days; it ends at 90",
    ]
    assert [version.value for version in versions(chain)] == before
    assert enabled(chain) == [True, True]
    assert len(exchanged(chain)) == 1
    assert problem(chain.post())["code"] == "consent_required"

    consented = chain.cloud.entra.add_refresh_token()
    chain.cloud.key_vault.set_secret(VAULT, REFRESH_TOKEN_NAME, SecretVersion(consented))
    a_day_later(chain)
    assert fire(chain) == 202
    assert told(chain)[-1] == "refresh token rotated"
    assert enabled(chain) == [False, False, True, True]
    with another(chain) as fresh:
        assert makes_carts(fresh)


@pytest.mark.parametrize(
    ("fault", "written", "said"),
    [
        (Fault("key_vault", method="PUT", status=403), False, "vault_denied: "),
        (Fault("key_vault", method="PUT", status=503), False, "vault_unavailable: "),
        (Fault("key_vault", method="PUT", action="drop"), False, "vault_unavailable: "),
        (Fault("key_vault", method="PUT", action="drop", commit=True), True, "vault_unavailable: "),
        (Fault("key_vault", method="PATCH", status=403), True, "vault_denied: "),
        (Fault("entra", path="/token$", status=503), False, "token_unavailable: "),
        (Fault("identity", status=500), False, "managed_identity_unavailable: "),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_fails_once_is_made_good_the_next_time(
    start: Start, fault: Fault, written: bool, said: str
) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_user")
    grown(chain, 30, 20, 10)
    chain.cloud.faults.inject(fault)

    assert fire(chain) == 500

    failure, *age = told(chain)
    assert failure.startswith(f"refresh token rotation failed: {said}")
    days = 0 if written else 10
    assert age == [f"refresh token age {days} days; it ends at 90"]
    assert len(versions(chain)) == 3 + written
    assert chain.post().status_code == 201

    a_day_later(chain)
    assert fire(chain) == 202
    assert enabled(chain)[-2:] == [True, True]
    assert sum(enabled(chain)) == 2


# --- Death


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after the write"])
def test_a_process_that_dies_loses_no_token(start: Start, written: bool) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_user")
    grown(chain, 20, 10)
    chain.cloud.faults.inject(
        Fault("key_vault", method="PUT", delay_after=60, action="silence", commit=written)
    )
    with ThreadPoolExecutor(1) as pool, another(chain) as doomed:
        firing = pool.submit(_until_death, doomed.url)
        _wait(lambda: any(a.method == "PUT" for a in chain.cloud.journal.requests("key_vault")))
        _wait(lambda: len(versions(chain)) == 2 + written)
        assert doomed.kill() == -9
        firing.result(10)
    assert len(exchanged(chain)) == 2
    assert enabled(chain) == [True] * (2 + written)

    chain.forget()
    assert chain.post().status_code == 201
    assert exchanged(chain) == [versions(chain)[-1].value]

    a_day_later(chain)
    assert fire(chain) == 202
    assert enabled(chain)[-2:] == [True, True]
    assert sum(enabled(chain)) == 2
    with another(chain) as fresh:
        assert makes_carts(fresh)
    assert makes_carts(chain.function)


def _until_death(url: str) -> None:
    with suppress(httpx.TransportError):
        fire_at(url)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- Two at once


@pytest.mark.parametrize("slow", ["GET", "PUT", "PATCH"])
def test_two_processes_at_once_are_harmless(start: Start, slow: str) -> None:
    chain = start(PARTNER_CENTER_AUTH="app_user")
    grown(chain, 30, 20, 10)
    with another(chain) as twin:
        chain.cloud.faults.inject(Fault("key_vault", method=slow, times=4, delay=0.3))
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(fire_at, [chain.function.url, twin.url]))
        assert answers == [202, 202]
        assert makes_carts(twin)
    newest = versions(chain)[-1]
    assert newest.enabled
    assert chain.cloud.entra.refresh_tokens[newest.value] is None
    assert enabled(chain)[:2] == [False, False]
    assert 2 <= sum(enabled(chain)) <= 3

    chain.forget()
    with another(chain) as fresh:
        assert makes_carts(fresh)
    assert exchanged(chain) == [newest.value]
    assert chain.post().status_code == 201
