"""Tokens: whose they are is said by whoever has the key, and by nobody else."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blog.adapters.tokens import JwtAccessTokens, JwtPreviewTokens
from blog.domain.previews import Preview, Previewed, PreviewNotFound
from blog.domain.users import InvalidToken
from tests.builders import NOON
from tests.support import KEY

LONG_KEY = KEY * 2
CLAIMS = {"sub": "7", "iat": 1, "exp": 2**40, "jti": "1"}


def tokens(key: str = LONG_KEY, algorithm: str = "HS256", previous: str | None = None) -> JwtAccessTokens:
    return JwtAccessTokens(
        key=key, previous=previous, algorithm=algorithm, lifetime=timedelta(minutes=5), now=lambda: NOON
    )


def test_a_token_says_whose_it_is_to_others_too() -> None:
    for algorithm in ("HS256", "HS384", "HS512"):
        ours = tokens(algorithm=algorithm)
        token = ours.issue(7).access_token
        assert ours.subject(token) == 7
        claims = jwt.decode(token, LONG_KEY, [algorithm], options={"verify_exp": False, "verify_iat": False})
        assert claims["sub"] == "7"
        assert ours.subject(jwt.encode(CLAIMS, LONG_KEY, algorithm)) == 7
        for other in {"HS256", "HS384", "HS512"} - {algorithm}:
            assert_refused(tokens(algorithm=other), token)
        assert_refused(tokens(key=LONG_KEY[1:], algorithm=algorithm), token)


TOKEN = tokens().issue(7).access_token
places = st.integers(0, len(TOKEN))


@given(places, places, st.text(max_size=3) | st.sampled_from([*"=.-_AZaz09+/ \n\0", "\ud800"]))
def test_nothing_else_is_taken_for_a_token(start: int, end: int, instead: str) -> None:
    other = TOKEN[:start] + instead + TOKEN[end:]
    if other != TOKEN:
        assert_refused(tokens(), other)


@pytest.mark.parametrize(
    ("claims", "headers"),
    [
        (CLAIMS | {"aud": "others"}, {}),
        (CLAIMS | {"aud": None}, {}),
        (CLAIMS | {"sub": 7}, {}),
        (CLAIMS | {"sub": "0"}, {}),
        (CLAIMS, {"crit": ["b64"], "b64": True}),
        (CLAIMS, {"kid": "1"}),
        (CLAIMS, {"typ": "preview+jwt"}),
        (CLAIMS, {"typ": None}),
    ],
)
def test_a_signature_is_not_enough(claims: Mapping[str, object], headers: dict[str, object]) -> None:
    assert_refused(tokens(), jwt.encode(dict(claims), LONG_KEY, "HS256", headers=headers))


def encoded(part: bytes) -> bytes:
    return urlsafe_b64encode(part).rstrip(b"=")


def signed(claims: bytes, *, typ: str = "JWT") -> str:
    """A token whose signature holds, whatever stands in the place of its claims."""
    header = encoded(json.dumps({"alg": "HS256", "typ": typ}, separators=(",", ":")).encode())
    content = header + b"." + claims
    return (content + b"." + encoded(hmac.digest(LONG_KEY.encode(), content, "sha256"))).decode("ascii")


GOOD = json.dumps(CLAIMS).encode()
ASCII = st.characters(max_codepoint=127, exclude_characters=".").map(str.encode)
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_the_tokens_of_these_tests_hold() -> None:
    assert tokens().subject(signed(encoded(GOOD))) == 7
    assert JwtPreviewTokens(key=LONG_KEY, algorithm="HS256").read(signed(encoded(GOOD), typ="preview+jwt")) == 7


def assert_malformed(claims: bytes) -> None:
    assert_refused(tokens(), signed(claims))
    with pytest.raises(PreviewNotFound):
        JwtPreviewTokens(key=LONG_KEY, algorithm="HS256").read(signed(claims, typ="preview+jwt"))


@given(st.binary(max_size=50))
@example(b'{"sub": "\xff", "iat": 1, "exp": 9999999999, "jti": "1"}')
@example(GOOD[:-1] + b', "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(b"[" * 100_000)
@example(GOOD.decode().encode("utf-16"))
@example(b"\xef\xbb\xbf" + GOOD)
@example(GOOD + GOOD)
def test_claims_that_are_no_json_object_are_refused(claims: bytes) -> None:
    assert_malformed(encoded(claims))


@given(st.lists(ASCII, max_size=20).map(b"".join))
@example(encoded(GOOD) + b"=")
@example(encoded(GOOD) + b"A")
@example(encoded(GOOD) + b"\n")
@example(b"!" + encoded(GOOD))
@example(b"A")
@example(encoded(GOOD[:-1] + b',"a":"??>>"}').replace(b"_", b"/"))
@example(encoded(GOOD[:-1] + b" }")[:-1] + b"R")
def test_claims_that_are_not_base64url_are_refused(claims: bytes) -> None:
    assert_malformed(claims)


NO_DATES: tuple[Any, ...] = ("1", None, True, [2**40], {}, -1, 2**53 + 2, 10**400, float("nan"), float("inf"))
MALFORMED: list[dict[str, Any]] = [
    *({"sub": sub} for sub in ("1\n", "\n1", "01", "-1", "1" * 19, "\u0661", "", None, 7, ["7"], True)),
    *({claim: value} for claim in ("iat", "exp", "nbf") for value in NO_DATES),
    *({"jti": jti} for jti in (None, 1, ["1"])),
    *({"aud": aud} for aud in (None, "blog", ["blog"])),
]


@pytest.mark.parametrize("different", MALFORMED)
def test_each_claim_is_what_the_rfc_says(different: dict[str, Any]) -> None:
    assert_refused(tokens(), signed(encoded(json.dumps(CLAIMS | different).encode())))


@given(st.sampled_from(["sub", "iat", "exp", "nbf", "jti", "aud", "else"]), json_values)
def test_whatever_a_claim_is_a_token_holds_or_is_refused(claim: str, value: object) -> None:
    token = signed(encoded(json.dumps(CLAIMS | {claim: value}).encode()))
    try:
        assert 0 < tokens().subject(token) < 10**18
    except InvalidToken:
        assert claim != "else" or "NaN" in json.dumps(value) or "Infinity" in json.dumps(value)


@pytest.mark.parametrize(("early", "holds"), [(-60, True), (0, True), (10, True), (11, False), (10.5, False)])
@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_holds_from_its_beginning_give_or_take_ten_seconds(claim: str, early: float, holds: bool) -> None:
    now = NOON.timestamp()
    token = signed(encoded(json.dumps(CLAIMS | {claim: now + early}).encode()))
    if holds:
        assert tokens().subject(token) == 7
    else:
        assert_refused(tokens(), token)


def test_of_two_beginnings_the_later_counts() -> None:
    now = NOON.timestamp()
    for iat, nbf in ((now + 60, now - 60), (now - 60, now + 60)):
        assert_refused(tokens(), signed(encoded(json.dumps(CLAIMS | {"iat": iat, "nbf": nbf}).encode())))


@pytest.mark.parametrize(("ago", "holds"), [(-60, True), (0, True), (9.5, True), (10, False)])
def test_a_token_holds_until_its_end_give_or_take_ten_seconds(ago: float, holds: bool) -> None:
    token = signed(encoded(json.dumps(CLAIMS | {"exp": NOON.timestamp() - ago}).encode()))
    if holds:
        assert tokens().subject(token) == 7
    else:
        assert_refused(tokens(), token)


def assert_refused(ours: JwtAccessTokens, token: str) -> None:
    with pytest.raises(InvalidToken):
        ours.subject(token)


NEW_KEY = LONG_KEY[::-1]


def test_an_exchange_of_keys_ends_no_token() -> None:
    before, after = tokens(), tokens(key=NEW_KEY, previous=LONG_KEY)
    assert after.subject(before.issue(7).access_token) == 7
    signed = after.issue(8).access_token
    assert after.subject(signed) == tokens(key=NEW_KEY).subject(signed) == 8
    # The previous key signs nothing more, and without it its tokens have ended.
    assert_refused(before, signed)
    assert_refused(tokens(key=NEW_KEY), before.issue(7).access_token)
    assert_refused(after, tokens(key=NEW_KEY[1:]).issue(7).access_token)


def test_the_next_key_may_be_given_to_every_instance_before_one_signs_with_it() -> None:
    not_yet, already = tokens(previous=NEW_KEY), tokens(key=NEW_KEY, previous=LONG_KEY)
    assert not_yet.subject(already.issue(7).access_token) == 7
    assert already.subject(not_yet.issue(7).access_token) == 7


def test_an_exchange_of_keys_ends_no_preview() -> None:
    preview = Preview(id=7, article_id=1, of=Previewed.ARTICLE, created_at=NOON, expires_at=NOON + timedelta(days=30))
    before = JwtPreviewTokens(key=LONG_KEY, algorithm="HS256")
    after = JwtPreviewTokens(key=NEW_KEY, previous=LONG_KEY, algorithm="HS256")
    assert after.read(before.issue(preview)) == 7
    assert JwtPreviewTokens(key=NEW_KEY, algorithm="HS256").read(after.issue(preview)) == 7
    with pytest.raises(PreviewNotFound):
        before.read(after.issue(preview))


def test_under_either_key_one_kind_of_token_is_not_taken_for_another() -> None:
    both = tokens(key=NEW_KEY, previous=LONG_KEY)
    for key in (LONG_KEY, NEW_KEY):
        for headers in ({"typ": "preview+jwt"}, {"kid": "1"}, {"typ": None}):
            assert_refused(both, jwt.encode(CLAIMS, key, "HS256", headers=headers))
        assert_refused(both, jwt.encode(CLAIMS, key * 2, "HS512"))


def test_a_token_is_verified_once_and_its_times_are_compared_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = NOON
    ours = JwtAccessTokens(
        key=LONG_KEY, algorithm="HS256", lifetime=timedelta(minutes=5), now=lambda: moment, remembered=2
    )
    verify, verified = ours._signer.verify, list[str]()

    def counting(token: str) -> bytes | None:
        verified.append(token)
        return verify(token)

    monkeypatch.setattr(ours._signer, "verify", counting)
    first, second, third = (ours.issue(number).access_token for number in (1, 2, 3))
    assert [ours.subject(token) for token in (first, second, first, second, first)] == [1, 2, 1, 2, 1]
    assert verified == [first, second]
    # The one that was used least recently makes room.
    assert [ours.subject(token) for token in (third, first, second)] == [3, 1, 2]
    assert verified == [first, second, third, second]
    assert_refused(ours, second + "A")
    moment += timedelta(minutes=5, seconds=10)
    for token in (first, second, third):
        assert_refused(ours, token)
    moment -= timedelta(minutes=6)
    assert_refused(ours, first)
