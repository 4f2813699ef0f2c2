import threading
import time

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from fabric.config_model import UserSettings, is_password_hash
from fabric.errors import LoginRefused
from fabric.types import Principal
from server import auth
from server.auth import Authenticator, Login, hash_password
from server.keys import Signer

SIGNER = Signer(b"0123456789abcdef0123456789abcdef")
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
HERE, THERE = "127.0.0.1", "10.0.0.7"


def user(password: str, *roles: str, **attributes: str) -> UserSettings:
    return UserSettings(password=SecretStr(password), roles=roles, attributes=dict(attributes))


USERS = {
    "ana": user(QUICK.hash("swordfish"), "role:analyst", region="EU"),
    "bo": user("clear text behind a reference"),
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The documented cost is 64 MiB and some 50 ms a check: too dear for every one of these tests."""
    if "documented_cost" not in request.node.name:
        monkeypatch.setattr(auth, "_HASHER", QUICK)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def authenticator(clock: Clock | None = None, **changed: UserSettings) -> Authenticator:
    return Authenticator({**USERS, **changed}, SIGNER, clock=clock or Clock())


def fail(door: Authenticator, name: str = "ana", peer: str = HERE, times: int = 1) -> LoginRefused:
    for _ in range(times):
        with pytest.raises(LoginRefused) as caught:
            door.authenticate_basic(name, "wrong", peer)
    return caught.value


def test_the_right_password_gives_the_user_with_roles_and_attributes() -> None:
    found = authenticator().authenticate_basic("ana", "swordfish", HERE)
    assert found.principal == Principal("ana", frozenset({"role:analyst"}), {"region": "EU"})


def test_a_password_that_came_in_clear_text_behind_a_reference_works() -> None:
    assert (
        authenticator().authenticate_basic("bo", "clear text behind a reference", HERE).principal.user == "bo"
    )


@pytest.mark.parametrize(
    ("name", "password"),
    [("ana", "Swordfish"), ("ana", ""), ("bo", "x"), ("Ana", "swordfish"), ("nobody", "swordfish"), ("", ""),
     ("ana", "\ud800"), ("bo", "ü"), ("ana", "x" * 100_000)],
)  # fmt: skip
def test_anything_else_is_refused_in_the_same_words(name: str, password: str) -> None:
    with pytest.raises(LoginRefused) as caught:
        authenticator().authenticate_basic(name, password, HERE)
    assert caught.value.message == "wrong user name or password"


def test_the_hash_of_a_user_is_no_password() -> None:
    with pytest.raises(LoginRefused):
        authenticator().authenticate_basic("ana", USERS["ana"].password.get_secret_value(), HERE)


def test_a_hash_that_the_configuration_takes_is_made() -> None:
    assert is_password_hash(hash_password("x"))
    assert hash_password("x") != hash_password("x")


def test_five_failures_within_a_minute_lock_for_a_minute_even_the_right_password() -> None:
    clock = Clock()
    door = authenticator(clock)
    fail(door, times=5)
    with pytest.raises(LoginRefused, match="too many failed logins") as caught:
        door.authenticate_basic("ana", "swordfish", HERE)
    assert "try again in 61 seconds" in caught.value.hint
    clock.now = 60.0
    assert door.authenticate_basic("ana", "swordfish", HERE)


def test_a_remembered_password_does_not_open_a_lock() -> None:
    door = authenticator()
    assert door.authenticate_basic("ana", "swordfish", HERE)
    fail(door, times=5)
    with pytest.raises(LoginRefused, match="too many"):
        door.authenticate_basic("ana", "swordfish", HERE)


def test_a_lock_holds_for_one_user_from_one_address() -> None:
    door = authenticator()
    fail(door, times=5)
    assert door.authenticate_basic("ana", "swordfish", THERE)
    assert door.authenticate_basic("bo", "clear text behind a reference", HERE)


def test_each_further_lock_lasts_longer_up_to_a_quarter_of_an_hour() -> None:
    clock = Clock()
    door = authenticator(clock)
    lasted = []
    for _ in range(6):
        fail(door, times=5)
        begun = clock.now
        while "too many" in fail(door).message:
            clock.now += 60
        lasted.append((clock.now - begun) / 60)
        clock.now += 61  # the failure that saw the lock end is forgotten
    assert lasted == [1, 2, 4, 8, 15, 15]


def test_failures_that_lie_apart_do_not_lock() -> None:
    clock = Clock()
    door = authenticator(clock)
    for _ in range(20):
        fail(door)
        clock.now += 16
    assert door.authenticate_basic("ana", "swordfish", HERE)


def test_a_login_that_succeeds_clears_the_failures_before_it() -> None:
    door = authenticator()
    for _ in range(3):
        fail(door, times=4)
        assert door.authenticate_basic("ana", "swordfish", HERE)


def test_names_that_do_not_exist_lock_too() -> None:
    door = authenticator()
    fail(door, "nobody", times=5)
    assert "too many" in fail(door, "nobody").message


def test_guesses_sent_all_at_once_are_counted_like_others() -> None:
    door = authenticator()
    messages: list[str] = []

    def guess(n: int) -> None:
        try:
            door.authenticate_basic("bo", f"guess {n}", HERE)
        except LoginRefused as error:
            messages.append(error.message)

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert messages.count("wrong user name or password") == 5
    assert messages.count("too many failed logins") == 15


def test_many_connections_of_one_user_at_once_all_get_in() -> None:
    door = authenticator()
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(door.authenticate_basic("ana", "swordfish", HERE).principal.user)
        )
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["ana"] * 20


def test_a_second_login_is_quick_and_no_password_is_kept() -> None:
    door = authenticator()
    door.authenticate_basic("ana", "swordfish", HERE)
    begun = time.perf_counter()
    for _ in range(100):
        door.authenticate_basic("ana", "swordfish", HERE)
    assert time.perf_counter() - begun < 1.0
    assert "swordfish" not in repr(vars(door))
    assert b"swordfish" not in repr(door._remembered).encode()


def _seconds(door: Authenticator, name: str, n: int) -> float:
    best = float("inf")
    for attempt in range(n):
        begun = time.perf_counter()
        fail(door, name, f"10.1.1.{attempt}")
        best = min(best, time.perf_counter() - begun)
    return best


def test_a_name_that_does_not_exist_takes_as_long_to_refuse_at_the_documented_cost() -> None:
    door = authenticator(ana=user(hash_password("swordfish")))
    times = [_seconds(door, name, 3) for name in ("ana", "bo", "nobody")]
    assert max(times) < 3 * min(times)


def test_a_token_logs_in_with_the_roles_that_the_user_has_now() -> None:
    token = authenticator().issue("ana")
    changed = authenticator(ana=user(USERS["ana"].password.get_secret_value(), "role:auditor"))
    assert changed.authenticate_bearer(token).principal.roles == {"role:auditor"}


def test_a_token_ends_with_the_user_and_with_the_password() -> None:
    token = authenticator().issue("ana")
    for users in ({}, {"ana": user(hash_password("other"))}):
        with pytest.raises(LoginRefused, match="no longer good"):
            Authenticator(users, SIGNER).authenticate_bearer(token)


def test_a_token_for_something_else_is_no_login() -> None:
    ticket = SIGNER.sign("ticket", {"user": "ana", "mark": ""}, 60)
    with pytest.raises(LoginRefused):
        authenticator().authenticate_bearer(ticket)


def test_who_does_not_log_in_is_refused_unless_the_fabric_takes_guests() -> None:
    with pytest.raises(LoginRefused, match="wants a login"):
        authenticator().anonymous()
    guest = Authenticator({}, SIGNER, anonymous="role:guest").anonymous()
    assert guest == Login(Principal("anonymous", frozenset({"role:guest"})))
