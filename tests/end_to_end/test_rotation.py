"""The timer that renews the refresh token: real SDKs, real processes, and what can befall them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from partner_center_emulator.cloud import REFRESH_TOKEN_NAME, VAULT
from partner_center_emulator.services.key_vault import SecretVersion
from partner_center_emulator.watch.disturbances import Disturbance

from tests.end_to_end.chain import KEY_HEADER, NO_CALLS, Chain, started

OWN_VAULT = "carts-refresh"
DAY = 86_400
TIMER = "/admin/functions/rotate_refresh_token"


_DELETED = {"error": {"code": "Conflict", "innererror": {"code": "ObjectIsDeletedButRecoverable"}}}
_LONG = {"Retry-After": "3600"}


class Rotation:
    """A chain in app+user mode, the vault of its refresh token, and the log since a test began."""

    def __init__(self, chain: Chain, vault: str = VAULT) -> None:
        self.chain = chain
        self._vault = vault
        self._start = len(chain.output())

    def fire(self) -> int:
        """Run the timer now; the host's status."""
        return self.chain.send("POST", TIMER, KEY_HEADER).status_code

    def versions(self) -> list[SecretVersion]:
        """The versions of the refresh token, oldest first."""
        return self.chain.cloud.key_vault.versions(self._vault, REFRESH_TOKEN_NAME)

    def enabled(self) -> list[bool]:
        """Which of them are enabled."""
        return [version.enabled for version in self.versions()]

    def fill(self, *days: int) -> None:
        """Give the vault versions of these ages, all of them working."""
        secrets = self.chain.cloud.key_vault.vaults.setdefault(self._vault, {})
        now, entra = int(time.time()), self.chain.cloud.entra
        secrets[REFRESH_TOKEN_NAME] = [
            SecretVersion(entra.add_refresh_token(), created=now - day * DAY) for day in days
        ]

    def pass_a_day(self) -> None:
        """Make the versions older: none is disabled that is as old as the current one."""
        for version in self.versions():
            version.created -= DAY

    def log(self) -> list[str]:
        """The rotation's lines."""
        mark = ":cart_core.use_cases.rotate_refresh_token:"
        lines = self.chain.output()[self._start :].splitlines()
        return [line.partition(mark)[2] for line in lines if mark in line]

    def exchanged(self) -> list[str]:
        """The refresh tokens that Entra was shown."""
        arrivals = self.chain.cloud.journal.requests("entra", "/token")
        return [parse_qs(arrival.body.decode())["refresh_token"][0] for arrival in arrivals]


@pytest.fixture(scope="module")
def _app_user_chain() -> Iterator[Chain]:
    with started(PARTNER_CENTER_AUTH="app_user") as chain:
        chain.expected_defects = ["Function rotate_refresh_token failed"]
        yield chain


@pytest.fixture
def rotation(_app_user_chain: Chain) -> Rotation:
    """The shared chain, whose refresh token is 10 days old and has two older versions."""
    _app_user_chain.reset()
    rotation = Rotation(_app_user_chain)
    rotation.fill(30, 20, 10)
    return rotation


def test_the_token_is_renewed_in_a_vault_of_its_own() -> None:
    url = f"https://{OWN_VAULT}.vault.azure.net"
    settings = {"PARTNER_CENTER_AUTH": "app_user", "PARTNER_CENTER_CREDENTIAL": "certificate"}
    with started(KEY_VAULT_REFRESH_TOKEN_URL=url, **settings) as chain:
        del chain.cloud.key_vault.vaults[VAULT][REFRESH_TOKEN_NAME]
        chain.expected_hosts.add(f"{OWN_VAULT}.vault.azure.net")
        rotation = Rotation(chain, OWN_VAULT)
        rotation.fill(30, 20, 10)
        previous = rotation.versions()[-1].value
        assert chain.post().status_code == 201
        before = datetime.now(UTC)

        assert rotation.fire() == 202

        assert rotation.enabled() == [False, False, True, True]
        newest = rotation.versions()[-1]
        issued = datetime.fromisoformat(newest.tags["issued"])
        assert int(before.timestamp()) <= issued.timestamp() <= time.time()
        assert newest.expires
        assert abs(newest.expires - issued.timestamp() - 90 * DAY) <= 1
        assert rotation.exchanged()[1:] == [previous, newest.value]  # used, and proved
        assert rotation.log() == ["refresh token rotated"]
        assert chain.post().status_code == 201

        rotation.pass_a_day()
        assert rotation.fire() == 202
        assert rotation.enabled() == [False, False, False, True, True]


def test_without_a_refresh_token_the_timer_does_nothing(chain: Chain) -> None:
    rotation = Rotation(chain)
    before = len(rotation.versions())

    assert chain.send("POST", TIMER).status_code == 401
    assert rotation.fire() == 202

    assert chain.calls() == NO_CALLS
    assert len(rotation.versions()) == before
    assert rotation.log() == []


@pytest.mark.parametrize(
    ("disturbance", "written", "code"),
    [
        (Disturbance("key_vault", method="PUT", status=403), False, "vault_denied"),
        (
            Disturbance("key_vault", method="PUT", status=409, body=_DELETED),
            False,
            "secret_missing",
        ),
        (Disturbance("key_vault", method="PATCH", status=403), True, "vault_denied"),
        (
            Disturbance("entra", path="/token$", status=503, headers=_LONG),
            False,
            "token_unavailable",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_fails_once_succeeds_the_next_time(
    rotation: Rotation, disturbance: Disturbance, written: bool, code: str
) -> None:
    rotation.chain.cloud.disturbances.inject(disturbance)

    assert rotation.fire() == 500

    failure, *age = rotation.log()
    assert failure.startswith(f"refresh token rotation failed: {code}: ")
    assert age == [f"refresh token age {0 if written else 10} days; it ends at 90"]
    assert len(rotation.versions()) == 3 + written
    assert rotation.chain.post().status_code == 201

    rotation.pass_a_day()
    assert rotation.fire() == 202
    assert rotation.enabled()[-2:] == [True, True]
    assert sum(rotation.enabled()) == 2


def test_a_write_whose_answer_is_lost_is_tried_once_more(rotation: Rotation) -> None:
    disturbance = Disturbance("key_vault", method="PUT", action="drop", commit=True)
    rotation.chain.cloud.disturbances.inject(disturbance)

    assert rotation.fire() == 202

    assert rotation.log() == ["refresh token rotated"]
    assert len(rotation.versions()) == 5
    assert rotation.chain.post().status_code == 201
