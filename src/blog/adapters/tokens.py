"""Tokens as signed JSON Web Tokens (RFC 7519): one kind is not taken for another."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import jwt
import msgspec

from blog.application.ports import AccessToken, Clock
from blog.domain.previews import Preview, PreviewNotFound
from blog.domain.users import InvalidToken

LEEWAY = 10
"""Seconds by which the clocks of two machines may differ."""

Id = Annotated[str, msgspec.Meta(pattern=r"\A[1-9][0-9]{0,17}\Z")]

NumericDate = Annotated[float, msgspec.Meta(ge=0, le=2**53)]
"""Seconds since 1970 (RFC 7519, section 2), as far as every JSON parser keeps them exactly (RFC 8259, section 6)."""

Read = TypeVar("Read")


class Claims(msgspec.Struct):
    """What a token must say (RFC 7519, section 4.1), and that it is not meant for somebody else."""

    sub: Id
    iat: NumericDate
    exp: NumericDate
    jti: str
    nbf: NumericDate | msgspec.UnsetType = msgspec.UNSET
    aud: msgspec.UnsetType = msgspec.UNSET


class PreviewClaims(msgspec.Struct):
    """What a preview's token must say."""

    sub: Id


class Signer:
    """Tokens of one type (RFC 8725, section 3.11) that one key signs with one HMAC (RFC 7518, section 3.2).

    While keys are being exchanged, tokens that the `previous` key signed are taken, too. Nothing is signed with it.

    PyJWT writes them. They are read here, in a sixth of the time, because nothing needs to be found out about a token
    whose header has to be the one that is written.
    """

    def __init__(self, *, key: str, previous: str | None = None, algorithm: str, typ: str) -> None:
        self._key, self._algorithm, self._typ = key, algorithm, typ
        self._secrets = [secret.encode() for secret in (key, previous) if secret is not None]
        self._hash = algorithm.replace("HS", "sha")
        self._header = self.sign({}).partition(".")[0].encode()

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, self._algorithm, headers={"typ": self._typ})

    def read(self, token: str, decode: Callable[[bytes], Read]) -> Read | None:
        """The claims of a token, or None where it was not signed here or its claims are malformed."""
        encoded = self._verify(token)
        if encoded is None:
            return None
        try:
            claims = urlsafe_b64decode(encoded + b"==")
            return decode(claims) if _base64url(claims) == encoded else None
        except (ValueError, RecursionError):  # Not Base64, not UTF-8, not JSON or nested too deep.
            return None

    def _verify(self, token: str) -> bytes | None:
        """The claims of a token as they are encoded, or None where it was not signed here."""
        # The signature is not read: what is compared is how it would be written.
        signed, _, signature = token.encode("ascii", "replace").rpartition(b".")
        header, _, claims = signed.partition(b".")
        if header != self._header:
            return None
        for secret in self._secrets:
            made = _base64url(hmac.digest(secret, signed, self._hash))
            if hmac.compare_digest(signature, made):
                return claims
        return None


def _base64url(raw: bytes) -> bytes:
    """RFC 7515, section 2: without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=")


class JwtAccessTokens:
    """Tokens by which users are known."""

    _decode = msgspec.json.Decoder(Claims).decode

    def __init__(
        self, *, key: str, previous: str | None = None, algorithm: str, lifetime: timedelta, now: Clock
    ) -> None:
        self._signer = Signer(key=key, previous=previous, algorithm=algorithm, typ="JWT")
        self._lifetime, self._now = lifetime, now

    def issue(self, user_id: int) -> AccessToken:
        issued = int(self._now().timestamp())
        lifetime = int(self._lifetime.total_seconds())
        claims = Claims(sub=str(user_id), iat=issued, exp=issued + lifetime, jti=uuid4().hex)
        return AccessToken(access_token=self._signer.sign(msgspec.to_builtins(claims)), expires_in=lifetime)

    def subject(self, token: str) -> int:
        claims = self._signer.read(token, self._decode)
        if claims is None:
            raise InvalidToken
        moment = self._now().timestamp()
        begin = claims.iat if claims.nbf is msgspec.UNSET else max(claims.iat, claims.nbf)
        if claims.exp + LEEWAY <= moment or begin - LEEWAY > moment:
            raise InvalidToken
        return int(claims.sub)


class JwtPreviewTokens:
    """Tokens of previews, by which nobody is known."""

    _decode = msgspec.json.Decoder(PreviewClaims).decode

    def __init__(self, *, key: str, previous: str | None = None, algorithm: str) -> None:
        self._signer = Signer(key=key, previous=previous, algorithm=algorithm, typ="preview+jwt")

    def issue(self, preview: Preview) -> str:
        return self._signer.sign({"sub": str(preview.id), "exp": int(preview.expires_at.timestamp())})

    def read(self, token: str) -> int:
        # What is kept of the preview says when it expires, so the moment is not asked for here.
        claims = self._signer.read(token, self._decode)
        if claims is None:
            raise PreviewNotFound
        return int(claims.sub)
