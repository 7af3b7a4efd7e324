"""Tokens as signed JSON Web Tokens (RFC 7519): one kind is not taken for another."""

import re
from collections import OrderedDict
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import jwt
import msgspec
from jwt.utils import base64url_encode

from blog.application.ports import AccessToken, Clock
from blog.domain.previews import Preview, PreviewNotFound
from blog.domain.users import InvalidToken

LEEWAY = 10
"""Seconds by which the clocks of two machines may differ."""

Id = Annotated[str, msgspec.Meta(pattern=r"\A[1-9][0-9]{0,17}\Z")]

NumericDate = Annotated[float, msgspec.Meta(ge=0, le=2**53)]
"""Seconds since 1970 (RFC 7519, section 2), as far as every JSON parser keeps them exactly (RFC 8259, section 6)."""

Read = TypeVar("Read")

COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""The compact serialization (RFC 7515, section 3.1): three parts in Base64url without padding."""


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

    While keys are exchanged, tokens that the `previous` key signed are accepted, too. Nothing is signed with it.
    """

    def __init__(self, *, key: str, previous: str | None = None, algorithm: str, typ: str) -> None:
        self._key, self._algorithm = key, algorithm
        self._keys = [one for one in (key, previous) if one is not None]
        self._header = {"alg": algorithm, "typ": typ}
        self._jws = jwt.PyJWS(algorithms=[algorithm])

    def sign(self, claims: dict[str, Any]) -> str:
        """A token that says this."""
        return jwt.encode(claims, self._key, self._algorithm, headers=self._header)

    def verify(self, token: str) -> bytes | None:
        """The claims of a token as JSON, or None if it was not signed here."""
        if not COMPACT.fullmatch(token):
            return None
        for key in self._keys:
            try:
                verified = self._jws.decode_complete(token, key, algorithms=[self._algorithm])
            except jwt.InvalidTokenError:
                continue
            # Several last characters stand for the same last bits. Only the one that is written is accepted.
            is_written_so = token.endswith("." + base64url_encode(verified["signature"]).decode())
            return verified["payload"] if is_written_so and verified["header"] == self._header else None
        return None


def decode(decoder: "msgspec.json.Decoder[Read]", claims: bytes | None) -> Read | None:
    """The claims, or None if there are none or they are malformed."""
    try:
        return None if claims is None else decoder.decode(claims)
    except (ValueError, RecursionError):  # Not UTF-8, not JSON, not these claims, or nested too deep.
        return None


class JwtAccessTokens:
    """Tokens by which users are known.

    PyJWT takes a fifth of the time of a read to verify one. So the claims of the last `remembered` tokens that were
    verified are kept, by the SHA-256 of the token. Their times are compared each time.
    """

    _decoder = msgspec.json.Decoder(Claims)

    def __init__(
        self,
        *,
        key: str,
        previous: str | None = None,
        algorithm: str,
        lifetime: timedelta,
        now: Clock,
        remembered: int = 10_000,
    ) -> None:
        self._signer = Signer(key=key, previous=previous, algorithm=algorithm, typ="JWT")
        self._lifetime, self._now = lifetime, now
        self._verified, self._remembered = OrderedDict[bytes, Claims](), remembered

    def issue(self, user_id: int) -> AccessToken:
        issued = int(self._now().timestamp())
        lifetime = int(self._lifetime.total_seconds())
        claims = Claims(sub=str(user_id), iat=issued, exp=issued + lifetime, jti=uuid4().hex)
        return AccessToken(access_token=self._signer.sign(msgspec.to_builtins(claims)), expires_in=lifetime)

    def subject(self, token: str) -> int:
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(digest) or decode(self._decoder, self._signer.verify(token))
        if claims is None:
            raise InvalidToken
        moment = self._now().timestamp()
        begin = claims.iat if claims.nbf is msgspec.UNSET else max(claims.iat, claims.nbf)
        if claims.exp + LEEWAY <= moment:
            self._verified.pop(digest, None)
            raise InvalidToken
        if begin - LEEWAY > moment:
            raise InvalidToken
        self._verified[digest] = claims
        self._verified.move_to_end(digest)
        if len(self._verified) > self._remembered:
            self._verified.popitem(last=False)
        return int(claims.sub)


class JwtPreviewTokens:
    """Tokens of previews, by which nobody is known."""

    _decoder = msgspec.json.Decoder(PreviewClaims)

    def __init__(self, *, key: str, previous: str | None = None, algorithm: str) -> None:
        self._signer = Signer(key=key, previous=previous, algorithm=algorithm, typ="preview+jwt")

    def issue(self, preview: Preview) -> str:
        return self._signer.sign({"sub": str(preview.id), "exp": int(preview.expires_at.timestamp())})

    def read(self, token: str) -> int:
        # What is kept of the preview says when it expires, so the moment is not asked for here.
        claims = decode(self._decoder, self._signer.verify(token))
        if claims is None:
            raise PreviewNotFound
        return int(claims.sub)
