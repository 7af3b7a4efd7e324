"""The rules of users."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from blog.domain.errors import Invalid
from blog.domain.users import AccountDisabled, Email, NewPassword, Password, PasswordIsName, User, Username
from tests.builders import NOON, a_user, passwords, usernames


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.org",
        "Ada.Lovelace+blog@sub.example.co.uk",
        "ada@localhost",
        "用户@例子.公司",
        "a" * 64 + "@" + "b" * (255 - 65),
    ],
)
def test_an_email_is_kept_as_it_was_written(address: str) -> None:
    assert Email(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@example.org",
        "a@b@c",
        "ada @example.org",
        "ada@exa mple.org",
        "ada@.org",
        "ada@org.",
        "ada@a..b",
        "a,b@example.org",
        "ada@exam\nple.org",
        "ada\x00@example.org",
        "a" * 65 + "@example.org",
        "a@" + "b" * 254,
        # 18 characters each, once compatibility forms are unfolded.
        "a@" + "\ufdfa" * 20,
    ],
)
def test_what_is_no_email_is_refused(address: str) -> None:
    with pytest.raises(Invalid):
        Email(address)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        ("straße@example.org", "STRASSE@example.org"),
        ("\uff41da@example.org", "ada@example.org"),
        ("e\u0301@example.org", "\u00c9@example.org"),
    ],
)
def test_spellings_of_one_email_share_a_key(one: str, other: str) -> None:
    assert Email(one).key == Email(other).key


def test_different_emails_have_different_keys() -> None:
    assert Email("ada@example.org").key != Email("adb@example.org").key


@given(usernames)
def test_a_username_is_kept_and_known_in_any_case(name: str) -> None:
    assert Username(name) == name
    assert Username(name.upper()).key == Username(name.lower()).key == name.lower()


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 51, "ada lovelace", "ada/", "ädä", "ada\n", "\x00ada", "ada@x", "٣٣٣"]
)
def test_what_is_no_username_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        Username(name)


@pytest.mark.parametrize("name", ["abc", "a" * 50])
def test_a_username_may_be_as_short_and_as_long_as_said(name: str) -> None:
    assert Username(name) == name


@pytest.mark.parametrize("secret", ["1234567", "", "12345678\x00", "x" * 1025, "e\u0301" * 4])
def test_what_cannot_be_chosen_as_a_password_is_refused(secret: str) -> None:
    with pytest.raises(Invalid):
        NewPassword(secret)


@pytest.mark.parametrize("secret", ["12345678", "x" * 1024, "пароль-пароль"])
def test_a_password_can_be_chosen_within_its_bounds(secret: str) -> None:
    assert NewPassword(secret).secret == secret


def test_a_password_that_is_tried_may_be_short_but_not_endless() -> None:
    assert Password("").secret == ""
    with pytest.raises(Invalid):
        Password("x" * 1025)


def test_two_ways_to_type_a_password_are_one() -> None:
    assert NewPassword("cafe\u0301 cafe\u0301").secret == NewPassword("caf\u00e9 caf\u00e9").secret


@given(passwords)
def test_a_password_never_shows_itself(secret: str) -> None:
    for password in (Password(secret), NewPassword(secret)):
        assert f"{password} {password!r} {[password]}" == f"<{type(password).__name__}> " * 2 + f"[{password!r}]"


def test_a_user_never_shows_its_hash() -> None:
    assert "scheme$hash" not in repr(a_user())


def test_a_new_user_is_as_old_as_its_last_change() -> None:
    user = User.register(id=7, email=Email("a@b.c"), username=Username("abc"), password_hash="scheme$hash", at=NOON)
    assert user == a_user(id=7, email=Email("a@b.c"), username=Username("abc"), created_at=NOON, updated_at=NOON)


INVISIBLE = (
    " \u00a0\u00ad\u034f\u061c\u115f\u1680\u17b4\u180e\u2003\u200b\u200d\u202e"
    "\u2060\u2800\u3000\u3164\ufe0f\ufeff\uffa0\U000e0041"
)


@pytest.mark.parametrize("secret", [INVISIBLE, *(character * 8 for character in INVISIBLE)], ids=ascii)
def test_what_nobody_can_see_is_no_password(secret: str) -> None:
    with pytest.raises(Invalid, match="can be seen"):
        NewPassword(secret)
    assert NewPassword(secret + "x")
    # One that somebody has already can still be tried.
    assert Password(secret)


def test_a_password_is_compared_without_case_and_what_nobody_can_see() -> None:
    for secret in ("Pass Word1", "\u200bPASSWORD1", "password1\u00a0", "\uff30assword1"):
        assert NewPassword(secret).key == "password1"


@pytest.mark.parametrize(
    "secret",
    [
        *("Ada.Lovelace", "ADA.LOVELACE", " ada.lovelace", "countess+blog", "countess", "Countess+Blog@Example.org"),
        *("\uff43ountess", "count ess"),
    ],
)
def test_ones_own_name_and_address_are_no_password(secret: str) -> None:
    with pytest.raises(PasswordIsName):
        NewPassword(secret).check_not_name(
            username=Username("ada.lovelace"), email=Email("countess+blog@example.org")
        )


@pytest.mark.parametrize("secret", ["ada.lovelace.1815", "example.org", "blog@example.org", "countess and more"])
def test_what_holds_a_name_among_other_things_will_do(secret: str) -> None:
    NewPassword(secret).check_not_name(username=Username("ada.lovelace"), email=Email("countess+blog@example.org"))


def test_a_user_is_disabled_since_it_was_and_may_be_enabled_again() -> None:
    user, later = a_user(), NOON + timedelta(days=1)
    disabled = user.disable(at=NOON)
    assert (disabled.disabled_at, disabled.updated_at) == (NOON, NOON)
    assert disabled.disable(at=later) == disabled
    with pytest.raises(AccountDisabled):
        disabled.check_enabled()
    enabled = disabled.enable(at=later)
    assert enabled == replace(user, updated_at=later)
    assert enabled.enable(at=NOON) == enabled
    enabled.check_enabled()


def test_a_changed_password_is_a_change() -> None:
    changed = a_user().change_password("scheme$another", at=NOON + timedelta(days=1))
    assert changed == a_user(password_hash="scheme$another", updated_at=NOON + timedelta(days=1))
