"""Tokens: whose they are is said by whoever has the key, and by nobody else."""

from collections.abc import Mapping
from datetime import timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.adapters.tokens import JwtAccessTokens, JwtPreviewTokens
from blog.domain.previews import Preview, Previewed, PreviewNotFound
from blog.domain.users import InvalidToken
from tests.builders import NOON, Clock
from tests.support import KEY

LONG_KEY = KEY * 2
CLAIMS = {"sub": "7", "iat": 1, "exp": 2**40, "jti": "1"}


def tokens(key: str = LONG_KEY, algorithm: str = "HS256", previous: str | None = None) -> JwtAccessTokens:
    return JwtAccessTokens(
        key=key, previous=previous, algorithm=algorithm, lifetime=timedelta(minutes=5), now=Clock()
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
