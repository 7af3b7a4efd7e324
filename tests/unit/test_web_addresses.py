"""Which addresses of the web a picture or a page may have."""

from ipaddress import IPv6Address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.domain.errors import Invalid
from blog.domain.web_addresses import WebAddress


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org",
        "http://localhost:8000/a(b)?c=d&e=%20#f",
        "https://[::1]/picture.png",
        "https://[2001:DB8::ffff:192.0.2.1]:65535/?a[]=1#b",
        "https://b%C3%BCcher.example:00080/100%",
        "https://example.org/" + "a" * 1980,
    ],
)
def test_an_address_of_the_web_is_kept_as_it_was_written(text: str) -> None:
    assert WebAddress(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "picture.png",
        "/picture.png",
        "//example.org/picture.png",
        "ftp://example.org",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "https://",
        "https:///picture.png",
        "https://:80/",
        "https://[::1",
        "https://[1]/picture.png",
        "https://[1.2.3.4]/",
        "https://[:::]/",
        "https://[1:2:3:4:5:6:7:8:9]/",
        "https://[::256.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.a]/",
        "https://[]/",
        "https://example.org:65536/",
        "https://example.org:/",
        "https://100%/",
        "https://ada:secret@example.org/",
        "https://example.org/two words",
        'https://example.org/"onerror="alert(1)',
        "https://example.org/<b>",
        "https://example.org/ä",
        "https://example.org/\n",
        "https://example.org/" + "a" * 1981,
    ],
)
def test_what_is_no_address_of_the_web_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        WebAddress(text)


@given(st.from_regex(WebAddress.PATTERN, fullmatch=True).filter(lambda text: len(text) <= WebAddress.MAX))
def test_an_address_that_is_taken_can_be_parsed(text: str) -> None:
    """By the parser that most programs in Python use, and by no other rule than that of the pattern."""
    address, parsed = WebAddress(text), urlsplit(text)
    assert parsed.hostname
    assert parsed.port is None or 0 <= parsed.port <= 65535
    assert address.path == parsed.path


@given(st.ip_addresses(v=6), st.integers(0, 65535), st.booleans())
def test_every_ipv6_address_is_a_host(host: IPv6Address, port: int, whole: bool) -> None:
    text = f"http://[{host.exploded if whole else host}]:{port}"
    assert urlsplit(WebAddress(text)).port == port


@given(st.text("0123456789abcdefABCDEF:.", max_size=45) | st.lists(st.sampled_from(["", "0", "f00d"])).map(":".join))
def test_no_other_text_in_brackets_is_a_host(text: str) -> None:
    try:
        IPv6Address(text)
    except ValueError:
        with pytest.raises(Invalid):
            WebAddress(f"http://[{text}]")
    else:
        assert WebAddress(f"http://[{text}]")
