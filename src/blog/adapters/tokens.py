"""Tokens as signed JSON Web Tokens (RFC 7519): one kind is not taken for another."""

from datetime import timedelta
from typing import Annotated
from uuid import uuid4

import jwt
import msgspec

from blog.application.ports import AccessToken, Clock
from blog.domain.previews import Preview, PreviewNotFound
from blog.domain.users import InvalidToken

LEEWAY = 10
"""Seconds by which the clocks of two machines may differ."""


class Claims(msgspec.Struct):
    """What a token must say (RFC 7519, section 4.1)."""

    sub: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,17}$")]
    iat: int
    exp: int
    jti: str


class JwtAccessTokens:
    """Tokens that one key signs, with one algorithm."""

    def __init__(self, *, key: str, algorithm: str, lifetime: timedelta, now: Clock) -> None:
        self._key, self._algorithm, self._lifetime, self._now = key, algorithm, lifetime, now

    def issue(self, user_id: int) -> AccessToken:
        issued = int(self._now().timestamp())
        lifetime = int(self._lifetime.total_seconds())
        claims = Claims(sub=str(user_id), iat=issued, exp=issued + lifetime, jti=uuid4().hex)
        token = jwt.encode(msgspec.to_builtins(claims), self._key, self._algorithm)
        return AccessToken(access_token=token, expires_in=lifetime)

    def subject(self, token: str) -> int:
        try:
            # The moment is the caller's, so PyJWT checks the signature and the times are checked here.
            decoded = jwt.decode_complete(
                token,
                self._key,
                [self._algorithm],
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            claims = msgspec.convert(decoded["payload"], Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError):
            raise InvalidToken from None
        moment = self._now().timestamp()
        if decoded["header"].get("typ") != "JWT" or claims.exp + LEEWAY <= moment or claims.iat - LEEWAY > moment:
            raise InvalidToken
        return int(claims.sub)


class PreviewClaims(msgspec.Struct):
    """What a preview's token must say."""

    sub: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,17}$")]


class JwtPreviewTokens:
    """Tokens of previews, of a type of their own (RFC 8725, section 3.11), by which no access token is one."""

    TYPE = "preview+jwt"

    def __init__(self, *, key: str, algorithm: str) -> None:
        self._key, self._algorithm = key, algorithm

    def issue(self, preview: Preview) -> str:
        claims = {"sub": str(preview.id), "exp": int(preview.expires_at.timestamp())}
        return jwt.encode(claims, self._key, self._algorithm, headers={"typ": self.TYPE})

    def read(self, token: str) -> int:
        try:
            # What is kept of the preview says when it expires, so the moment is not asked for here.
            decoded = jwt.decode_complete(token, self._key, [self._algorithm], options={"verify_exp": False})
            claims = msgspec.convert(decoded["payload"], PreviewClaims)
        except (jwt.InvalidTokenError, msgspec.ValidationError):
            raise PreviewNotFound from None
        if decoded["header"].get("typ") != self.TYPE:
            raise PreviewNotFound
        return int(claims.sub)
