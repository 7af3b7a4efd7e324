"""Tokens: whose they are is said by whoever has the key, and by nobody else."""

from collections.abc import Mapping
from datetime import timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.adapters.tokens import JwtAccessTokens
from blog.domain.users import InvalidToken
from tests.builders import Clock
from tests.support import KEY

LONG_KEY = KEY * 2
CLAIMS = {"sub": "7", "iat": 1, "exp": 2**40, "jti": "1"}


def tokens(key: str = LONG_KEY, algorithm: str = "HS256") -> JwtAccessTokens:
    return JwtAccessTokens(key=key, algorithm=algorithm, lifetime=timedelta(minutes=5), now=Clock())


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
