"""Settings, and the documents that list them."""

import inspect
import os
import re
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blog.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]
KEY = "k" * 32
NAMES = [this.name.upper() for this in fields(Settings)]
SECRETS = [this.name.upper() for this in fields(Settings) if this.metadata["secret"]]
FILES = [f"{name}_FILE" for name in SECRETS]


def load(**environment: str) -> Settings:
    return Settings.load(environment, file=None)


def test_with_nothing_set_everything_has_a_default() -> None:
    settings = load()
    assert settings.app_name == "Blog"
    assert settings.debug is False
    assert settings.database_url is None
    assert settings.secret_key is None
    assert settings.algorithm == "HS256"
    assert settings.access_token_expire_minutes == 30
    assert settings.backend_cors_origins == ("http://localhost:3000",)
    assert settings.trusted_proxies == ()
    assert settings.log_format == "auto"
    assert settings.data_folder.is_absolute()


def test_everything_can_be_set(tmp_path: Path) -> None:
    settings = load(
        APP_NAME="Notes",
        DEBUG="TRUE",
        DATABASE_URL="postgres://u:p@h:1/d?sslmode=require",
        SECRET_KEY="k" * 64,
        SECRET_KEY_PREVIOUS="p" * 64,
        ALGORITHM="HS512",
        ACCESS_TOKEN_EXPIRE_MINUTES="5",
        BACKEND_CORS_ORIGINS="https://a.example/, http://b.example:8080",
        TRUSTED_PROXIES="10.0.0.1, fd00::/8",
        LOG_FORMAT="json",
        BLOG_DATA_DIR=str(tmp_path),
        DATABASE_POOL_SIZE="3",
        DATABASE_TIMEOUT_SECONDS="7",
        DATABASE_PREPARED_STATEMENTS="false",
    )
    assert settings.app_name == "Notes"
    assert settings.debug is True
    assert settings.database_url is not None
    assert settings.database_url.render_as_string(hide_password=False) == (
        "postgresql+asyncpg://u:p@h:1/d?ssl=require"
    )
    assert (settings.secret_key, settings.algorithm) == ("k" * 64, "HS512")
    assert settings.secret_key_previous == "p" * 64
    assert settings.access_token_expire_minutes == 5
    assert settings.backend_cors_origins == ("https://a.example", "http://b.example:8080")
    assert settings.trusted_proxies == (ip_network("10.0.0.1/32"), ip_network("fd00::/8"))
    assert settings.log_format == "json"
    assert settings.blog_data_dir == tmp_path
    assert (settings.database_pool_size, settings.database_timeout_seconds) == (3, 7)
    assert settings.database_prepared_statements is False


def test_origins_may_be_a_json_list_or_none() -> None:
    assert load(BACKEND_CORS_ORIGINS='["https://a.example", "https://b.example"]').backend_cors_origins == (
        "https://a.example",
        "https://b.example",
    )
    assert load(BACKEND_CORS_ORIGINS="[]").backend_cors_origins == ()


def test_what_is_set_to_nothing_is_not_set() -> None:
    assert load(APP_NAME="", DATABASE_URL=" ", SECRET_KEY="") == load()
    assert Settings.load({"DATABASE_URL": " ", "SECRET_KEY": " "}, file=None, serving=True) == load()
    with pytest.raises(SettingsError, match="SECRET_KEY is missing"):
        Settings.load({"DATABASE_URL": "postgresql://h/d", "SECRET_KEY": " "}, file=None, serving=True)


def test_several_hosts_of_one_database_stay_several() -> None:
    settings = load(DATABASE_URL="postgresql://u@/d?host=a:1&host=b:2&target_session_attrs=primary")
    assert settings.database_url is not None
    assert settings.database_url.query["host"] == ("a:1", "b:2")


@pytest.mark.parametrize(
    "password",
    ["tiger@striped", "tiger@striped:fur", "tiger:striped@fur", "tiger@striped/fur", "tiger@striped?fur=1"],
)
def test_a_password_that_is_not_escaped_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(SettingsError, match=r"DATABASE_URL .*%40") as caught:
        load(DATABASE_URL=f"postgresql://user:{password}@host:5432/database")
    assert not [part for part in ("tiger", "striped", "fur") if part in str(caught.value)]


def test_words_of_libpq_are_translated_for_the_driver() -> None:
    settings = load(DATABASE_URL="postgresql://u@h/?sslmode=require&dbname=d&target_session_attrs=primary")
    assert settings.database_url is not None
    assert settings.database_url.query == {"ssl": "require", "database": "d", "target_session_attrs": "primary"}
    assert set(settings.database_url.query) <= set(inspect.signature(asyncpg.connect).parameters)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("connect_timeout=3", "connect_timeout, .*: set DATABASE_TIMEOUT_SECONDS instead"),
        ("sslmode=verify-full&sslrootcert=a.crt", "sslrootcert, .*: set PGSSLROOTCERT in the environment"),
        ("channel_binding=require", "channel_binding, .*: take it out"),
        ("sslmode=require&sslmode=disable", "ssl twice"),
        ("host=a:1&host=b", "port for each"),
        ("host=a:1:2&host=b:1", "port for each"),
        ("host=[::1]:1&host=b:2", "port for each"),
        ("host=,&port=1,2", "each host"),
        ("host=a,b&port=1", "port for each"),
        ("port=many", "port"),
        ("port=5_4", "port"),
        ("sslmode=", "have a value for sslmode: write one, or take sslmode out"),
        ("sslmode", "have a value for sslmode"),
        ("target_session_attrs=any&ssl=", "have a value for ssl: "),
        ("connect_timeout", "have a value for connect_timeout"),
        ("sslmode=bogus", "sslmode one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("ssl=true", "ssl one of disable"),
        ("target_session_attrs=master", "target_session_attrs one of any, primary, standby"),
        ("gsslib=other", "gsslib one of gssapi, sspi"),
        ("service=blog", "service, .*: name the host"),
        ("host=a%00b", "control characters"),
        ("user=%zz", "%25"),
        ("user=%ff", "UTF-8"),
    ],
)
def test_what_the_driver_would_stumble_over_is_named(query: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"^DATABASE_URL must .*{words}"):
        load(DATABASE_URL=f"postgresql://u@/d?{query}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u@a,b/d", "several hosts in its query"),
        ("postgresql://u@a:1,b:2/d", "look like"),
        ("postgresql://%2Ftmp/d", "folder of a socket in its query"),
        ("postgresql://u@h:0/d", "port from 1 to 65535"),
        ("postgresql://u@h..x/d", "63 characters"),
        ("postgresql://u@[::1/d", "look like"),
        ("postgresql://u:p%ss@h/d", "%25"),
        ("postgresql://u:p%ff@h/d", "UTF-8"),
        ("postgresql://u:p%00@h/d", "control characters"),
    ],
)
def test_an_address_that_the_driver_would_take_for_another_is_named(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"^DATABASE_URL must .*{words}"):
        load(DATABASE_URL=url)


def test_a_port_of_the_environment_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "many")
    with pytest.raises(SettingsError, match=r"^DATABASE_URL must name a port, because PGPORT"):
        load(DATABASE_URL="postgresql://u@h/d")
    assert load(DATABASE_URL="postgresql://u@h:5432/d").database_url


def test_a_user_without_a_name_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def getuser() -> str:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.delenv("PGUSER", raising=False)
    monkeypatch.setattr("getpass.getuser", getuser)
    with pytest.raises(SettingsError, match=r"^DATABASE_URL must name a user"):
        load(DATABASE_URL="postgresql://h/d")
    assert load(DATABASE_URL="postgresql://u@h/d").database_url


def test_the_values_that_the_driver_takes_are_those_that_we_name() -> None:
    """A newer driver that takes others makes this fail."""
    from asyncpg.connect_utils import SessionAttribute, SSLMode  # type: ignore[import-untyped]

    from blog.settings.database_url import CHOICES

    assert CHOICES["ssl"] == tuple(mode.name.replace("_", "-") for mode in SSLMode)
    assert CHOICES["target_session_attrs"] == tuple(attribute.value for attribute in SessionAttribute)


def test_a_part_of_a_password_is_not_taken_for_the_name_of_a_parameter_and_shown() -> None:
    with pytest.raises(SettingsError, match=r"write %26 for an &") as caught:
        load(DATABASE_URL="postgresql://h/d?user=u&password=tiger&striped=1")
    assert not [part for part in ("tiger", "striped") if part in str(caught.value)]
    with pytest.raises(SettingsError, match="write sslmode"):
        load(DATABASE_URL="postgresql://u@h/d?sslmod=require")


def test_a_part_of_a_password_that_has_no_value_is_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"write %26 for an &") as caught:
        load(DATABASE_URL="postgresql://h/d?user=u&password=tiger&striped")
    assert not [part for part in ("tiger", "striped") if part in str(caught.value)]
    settings = load(DATABASE_URL="postgresql://u:what?ssl=@h/d?sslmode=require")
    assert settings.database_url
    assert settings.database_url.password == "what?ssl="


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0o600, r"cannot be read, .*/passwords \(No such file"),
        (b"h:5432:d:u:tiger", 0o644, "chmod 600"),
        (b"h:*:*:*:first\ntiger\n", 0o600, "line 2 cannot be read: write host:port:database:user:password"),
        (b"h:*:*:*:tiger\xff", 0o600, "is not UTF-8"),
    ],
)
def test_a_file_of_passwords_that_the_driver_would_not_take_is_named(
    content: bytes | None, mode: int, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "passwords"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(SettingsError, match=rf"^DATABASE_URL has a passfile .*{words}") as caught:
        load(DATABASE_URL=f"postgresql://u@h/d?passfile={file}")
    assert "tiger" not in str(caught.value)


def test_a_file_of_passwords_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("# ours\n\nh:5432:d:u:ti\\:ger\n")
    file.chmod(0o600)
    assert load(DATABASE_URL=f"postgresql://u@h/d?passfile={file}").database_url


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        ("HTTPS://Blog.Example.org:443/", "write https://blog.example.org."),
        ("https://a.example/path", "write https://a.example."),
        ("https://a.example//", "write https://a.example."),
        ("https://a.example?x", "write https://a.example."),
        ("https://a.example:", "write https://a.example."),
        ("https://a.example:08080", "write https://a.example:8080."),
        ("http://a.example:80", "write http://a.example."),
        ("http://[0:0::1]:80", "write http://[::1]."),
        ("http://[::ffff:1.2.3.4]", "write http://[::ffff:102:304]."),
        ("http://127.1:3000", "write http://127.0.0.1:3000."),
        ("https://bücher.example", "write https://xn--bcher-kva.example."),
        ("https://straße.example", "write it in its form that begins with xn--"),
        ("https://*.example.org", "a wildcard matches none"),
        ("*", "a wildcard matches none"),
        ("https://a.example:0", "no port from 1 to 65535"),
        ("https://a.example:99999", "no port from 1 to 65535"),
        ("https://a..example", "no valid host"),
        ("http://b c", "no valid host"),
        ("http://1.2.3.4.5", "no valid IPv4 address"),
        ("http://[v1.x]", "no valid IPv6 address"),
        ("http://[::1", "no origin"),
        ("localhost:3000", "no origin"),
        ("null", "no origin"),
        ("https://", "no origin"),
    ],
)
def test_an_origin_that_no_browser_sends_is_named_with_its_right_spelling(origin: str, words: str) -> None:
    with pytest.raises(SettingsError, match=rf"^BACKEND_CORS_ORIGINS .*{re.escape(words)}"):
        load(BACKEND_CORS_ORIGINS=f"http://localhost:3000, {origin}")


@pytest.mark.parametrize(
    "origin", ["http://[::1]:3000", "http://my_host:3000", "https://a.example.", "https://xn--bcher-kva.example"]
)
def test_an_origin_that_a_browser_sends_is_taken(origin: str) -> None:
    assert load(BACKEND_CORS_ORIGINS=origin).backend_cors_origins == (origin,)


def test_the_password_in_an_origin_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="with a user, which no browser sends: write https://a") as caught:
        load(BACKEND_CORS_ORIGINS="https://ada:tiger@a.example")
    assert "tiger" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "url", "authority"),
    [
        ("http://[::1]:8000", "http://[::1]:8000", "localhost"),
        ("http://[2001:DB8::0:1]/notes/", "http://[2001:db8::1]/notes", "localhost"),
        ("http://192.0.2.1:8080/", "http://192.0.2.1:8080", "192.0.2.1"),
        ("https://Blog.Example.org", "https://blog.example.org", "blog.example.org"),
    ],
)
def test_the_blog_may_be_at_an_address_without_a_name(given: str, url: str, authority: str) -> None:
    settings = load(SITE_URL=given)
    assert (settings.site_url, settings.authority) == (url, authority)
    assert load(SITE_URL=given, FEED_AUTHORITY="example.org").authority == "example.org"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://a.example", "must begin with http:// or https://, such as"),
        ("a.example", "must begin with http:// or https://, such as"),
        ("https://a.example/a b", "must not contain spaces"),
        ("https://a.example?q", "must be an address with a host"),
        ("https://a.example/a%00", "must have no control characters in its path"),
        ("https://a.example/%0ab", "must have no control characters in its path"),
        ("https://a.example/%7F", "must have no control characters in its path"),
        ("https://a.example/%C2%85", "must have no control characters in its path"),
        ("https://a.example/5%", "must have %25 for each %"),
        ("https://a.example//b", "has an empty or dotted part in its path: write /blog or /a/b"),
        ("https://a.example/a/../b", "has an empty or dotted part in its path: write /blog or /a/b"),
    ],
)
def test_an_address_of_the_blog_is_refused_for_what_is_wrong_with_it(address: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(SITE_URL=address)
    assert str(caught.value).startswith(f"SITE_URL {words}")


def test_the_scheme_of_the_address_may_be_in_capitals() -> None:
    assert load(SITE_URL="HTTPS://Example.org/Notes").site_url == "https://example.org/Notes"


def test_the_blog_is_where_it_is_served_unless_it_is_said_to_be_elsewhere() -> None:
    served_at = "http://[::1]:8080"
    assert Settings.load({}, file=None, served_at=served_at).site_url == served_at
    assert Settings.load({"SITE_URL": " "}, file=None, served_at=served_at).site_url == served_at
    elsewhere = Settings.load({"SITE_URL": "https://a.example"}, file=None, served_at=served_at)
    assert elsewhere.site_url == "https://a.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_NAME", "Blog\x1b[31m"),
        ("SITE_URL", "http://[v1.x]"),
        ("SITE_URL", "http://[::1%25eth0]"),
        ("SITE_URL", "http://1.2.3.4.5"),
        ("SITE_URL", "http://a.example/["),
        ("SITE_URL", "http://a.example:0"),
        ("BLOG_DATA_DIR", "~no-such-user/blog"),
        ("BLOG_DATA_DIR", "a\0b"),
        ("SECRET_KEY", "k" * 32 + "\udcff"),
        ("DATABASE_TIMEOUT_SECONDS", "00000000000000000005999999"),
        ("DEBUG", "maybe"),
        ("DATABASE_URL", "sqlite:///blog.db"),
        ("DATABASE_URL", "not an address"),
        ("DATABASE_URL", "postgresql://h:99999/d"),
        ("DATABASE_URL", "postgresql://u@/d?host=a:1&host=b:99999"),
        ("DATABASE_URL", f"postgresql://{'h' * 64}/d"),
        ("SECRET_KEY", "k" * 31),
        ("ALGORITHM", "none"),
        ("ALGORITHM", "RS256"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "0"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "1.5"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", "9" * 5000),
        ("BACKEND_CORS_ORIGINS", "*"),
        ("BACKEND_CORS_ORIGINS", "example.org"),
        ("BACKEND_CORS_ORIGINS", "https://a.example/path"),
        ("BACKEND_CORS_ORIGINS", "[1"),
        ("TRUSTED_PROXIES", "proxy.example.org"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("LOG_FORMAT", "xml"),
        ("DATABASE_POOL_SIZE", "many"),
        ("DATABASE_TIMEOUT_SECONDS", "-1"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(**{name: value})


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load({"DEBUG": "maybe", "DATABASE_URL": "mysql://h/d", "ALGORITHM": "none"}, file=None, serving=True)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == ["DEBUG", "DATABASE_URL", "ALGORITHM", "SECRET_KEY"]


@pytest.mark.parametrize(("algorithm", "needed"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_key_is_as_long_as_its_hash(algorithm: str, needed: int) -> None:
    assert load(ALGORITHM=algorithm, SECRET_KEY="k" * needed).secret_key == "k" * needed
    with pytest.raises(SettingsError, match=f"{needed} bytes"):
        load(ALGORITHM=algorithm, SECRET_KEY="k" * (needed - 1))


def test_a_previous_key_is_as_long_as_the_other_and_another() -> None:
    settings = load(SECRET_KEY=KEY, SECRET_KEY_PREVIOUS="p" * 32)
    assert (settings.secret_key, settings.secret_key_previous) == (KEY, "p" * 32)
    assert load(SECRET_KEY=KEY, SECRET_KEY_PREVIOUS=" ").secret_key_previous is None
    for previous, algorithm, words in (
        ("p" * 31, "HS256", "SECRET_KEY_PREVIOUS is too short: HS256 needs 32 bytes"),
        ("p" * 48, "HS512", "SECRET_KEY_PREVIOUS is too short: HS512 needs 64 bytes"),
        ("k" * 64, "HS512", "SECRET_KEY_PREVIOUS is the same as SECRET_KEY: set SECRET_KEY to a new key"),
    ):
        with pytest.raises(SettingsError) as caught:
            load(SECRET_KEY="k" * 64, SECRET_KEY_PREVIOUS=previous, ALGORITHM=algorithm)
        assert str(caught.value).startswith(words)
        assert previous not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        load(SECRET_KEY="k", SECRET_KEY_PREVIOUS="p")
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["SECRET_KEY", "SECRET_KEY_PREVIOUS"]


def test_a_previous_key_alone_signs_nothing(tmp_path: Path) -> None:
    for others in ({}, {"DATABASE_URL": "postgresql://h/d"}):
        for serving in (True, False):
            with pytest.raises(SettingsError) as caught:
                Settings.load({"SECRET_KEY_PREVIOUS": KEY, **others}, file=None, serving=serving)
            assert str(caught.value).startswith("SECRET_KEY is missing, and needed where SECRET_KEY_PREVIOUS is set")
            assert len(str(caught.value).splitlines()) == 1
    # A key whose file cannot be read is not missing.
    with pytest.raises(SettingsError) as caught:
        load(SECRET_KEY_PREVIOUS=KEY, SECRET_KEY_FILE=str(tmp_path / "key"))
    assert str(caught.value).startswith("SECRET_KEY_FILE names a file that cannot be read")
    assert len(str(caught.value).splitlines()) == 1


def test_a_shared_database_wants_a_key_to_serve_and_only_then() -> None:
    environment = {"DATABASE_URL": "postgresql://h/d"}
    with pytest.raises(SettingsError, match="SECRET_KEY is missing"):
        Settings.load(environment, file=None, serving=True)
    assert Settings.load(environment, file=None).secret_key is None
    assert Settings.load(environment | {"SECRET_KEY": KEY}, file=None, serving=True).secret_key == KEY
    assert Settings.load({}, file=None, serving=True).secret_key is None


def test_a_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("APP_NAME='From the file'\nDEBUG=true\nSOMETHING_ELSE=1\n")
    settings = Settings.load({"DEBUG": "false"}, file=file)
    assert (settings.app_name, settings.debug) == ("From the file", False)
    assert Settings.load({}, file=tmp_path / "missing").app_name == "Blog"


def test_what_is_blank_in_the_environment_leaves_it_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"DATABASE_URL=postgresql://h/d\nSECRET_KEY={KEY}\n")
    for blank in ("", " "):
        settings = Settings.load({"DATABASE_URL": blank, "SECRET_KEY": blank}, file=file, serving=True)
        assert settings.database_url is not None
        assert settings.secret_key == KEY


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("APP_NAME=Notes\n\n\ntiger\n", 4),
        ("SECRET_KEY: tiger\n", 1),
        ("# ours\nSECRET_KEY='tiger\nAPP_NAME=Notes\n", 2),
        ('SECRET_KEY="tiger', 1),
        ("\r\nSECRET_KEY='tiger' tiger", 2),
        ("=tiger", 1),
        ("export tiger", 1),
    ],
)
def test_a_line_of_the_file_that_cannot_be_read_is_named_and_not_shown(
    text: str, line: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(text.encode())
    with pytest.raises(SettingsError, match=rf"^{file} line {line} cannot be read: write NAME=value") as caught:
        Settings.load({"DEBUG": "maybe"}, file=file, serving=True)
    assert "DEBUG must be true or false" in str(caught.value)
    assert "tiger" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_name_that_the_file_sets_twice_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("APP_NAME=One\nOTHER=1\nOTHER=2\n\nAPP_NAME=Two\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, file=file)
    assert str(caught.value) == f"APP_NAME is set in {file} line 1 and again in line 5: take one of them out."


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("SITE_ULR", "SITE_URL"),
        ("site_url", "SITE_URL"),
        ("Site_Url", "SITE_URL"),
        ("SITE-URL", "SITE_URL"),
        ("SITEURL", "SITE_URL"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("DATABASE_URLS", "DATABASE_URL"),
        ("DATABASE_URL_FLIE", "DATABASE_URL_FILE"),
        ("SECRETKEY", "SECRET_KEY"),
        ("SECRT_KEY", "SECRET_KEY"),
        ("SECRET_KEY_FIEL", "SECRET_KEY_FILE"),
        ("SECRET_KEYFILE", "SECRET_KEY_FILE"),
        ("TRUSTED_PROXYS", "TRUSTED_PROXIES"),
        ("BACKEND_CORS_ORIGIN", "BACKEND_CORS_ORIGINS"),
        ("BACKND_CORS_ORGINS", "BACKEND_CORS_ORIGINS"),
        ("ACCES_TOKEN_EXPIRE_MINUTE", "ACCESS_TOKEN_EXPIRE_MINUTES"),
        ("ALGORITM", "ALGORITHM"),
        ("DEBG", "DEBUG"),
        ("APPNAME", "APP_NAME"),
        ("LOG_FORMT", "LOG_FORMAT"),
        ("SITTE_URL", "SITE_URL"),
        ("DEBUGG", "DEBUG"),
        ("BLOGDATADIR", "BLOG_DATA_DIR"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("FEED_AUTHORITIES", "FEED_AUTHORITY"),
    ],
)
def test_a_misspelled_name_is_named_with_the_right_one(name: str, right: str, tmp_path: Path) -> None:
    sentence = "is not a setting: write {right}, or take it out."
    with pytest.raises(SettingsError) as caught:
        load(**{name: "tiger"})
    assert str(caught.value) == f"{name} in the environment {sentence.format(right=right)}"
    file = tmp_path / ".env"
    file.write_text(f"{name}=tiger\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, file=file)
    assert str(caught.value) == f"{name} in {file} {sentence.format(right=right)}"


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("VITE_URL", "SITE_URL"),
        ("APP_GAME", "APP_NAME"),
        ("DEBUT", "DEBUG"),
        ("RATE_LIMIT", "RATE_LIMITS"),
        ("DATABASE_TIMEOUT", "DATABASE_TIMEOUT_SECONDS"),
        ("DATABASE_POOL", "DATABASE_POOL_SIZE"),
        ("ACCESS_TOKEN_EXPIRE", "ACCESS_TOKEN_EXPIRE_MINUTES"),
        ("SECRET_KEYS", "SECRET_KEY"),
    ],
)
def test_a_name_that_may_be_of_another_program_is_named_in_the_file_alone(
    name: str, right: str, tmp_path: Path
) -> None:
    assert load(**{name: "x"}) == load()
    file = tmp_path / ".env"
    file.write_text(f"{name}=tiger\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, file=file)
    assert str(caught.value) == f"{name} in {file} is not a setting: write {right}, or take it out."


OF_OTHERS = [
    "VITE_URL",
    "SUITE_URL",
    "CITE_URL",
    "LITE_URL",
    "SIT_URL",
    "LOGO_FORMAT",
    "APP_GAME",
    "AP_NAME",
    "DEBUT",
    "ALGORITHMS",
    "DATABASE_USER",
    "DATABASE_HOST",
    "DATABASE_NAME",
    "DATABASE_PORT",
    "DATABASE_PASSWORD",
    "DATABASE_SSL",
    "DATABASE_UID",
    "DATABASE_DSN",
    "DATABASE_SCHEMA",
    "DATABASE_URL_RO",
    "DATABASE_URL2",
    "TEST_DATABASE_URL",
    "SQLITE_URL",
    "BASE_URL",
    "SITE_NAME",
    "SITE_ID",
    "POSTGRES_PASSWORD",
    "PGPASSWORD",
    "BLOG_PORT",
    "SECRET_KEY_BASE",
    "SECRET_KEY_2",
    "AWS_SECRET_KEY",
    "JWT_SECRET_KEY",
    "APP_SECRET_KEY",
    "SENTRY_KEY",
    "LOG_LEVEL",
    "LOG_FILE",
    "LOG_DIR",
    "APP_ENV",
    "APP_KEY",
    "APP_HOME",
    "DEBUG_COLORS",
    "NO_DEBUG",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TERM",
    "SHELL",
    "_",
    "PWD",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "HOSTNAME",
    "COMPOSE_FILE",
    "PYTHONUNBUFFERED",
    "http_proxy",
]


@pytest.mark.parametrize("name", OF_OTHERS)
def test_a_name_of_another_program_is_none_of_ours(name: str) -> None:
    assert load(**{name: "x"}) == load()


def test_secrets_may_be_in_files(tmp_path: Path) -> None:
    key, url = tmp_path / "key", tmp_path / "url"
    key.write_text(f"\n {KEY}\n\n")
    url.write_bytes(b"\xef\xbb\xbfpostgresql://u:p@h/d\n")
    settings = Settings.load({"SECRET_KEY_FILE": f" {key} ", "DATABASE_URL_FILE": str(url)}, file=None, serving=True)
    assert settings.secret_key == KEY
    assert settings.database_url is not None
    assert settings.database_url.password == "p"


def test_a_secret_of_the_environment_wins_over_the_file_in_either_form(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("f" * 32)
    file = tmp_path / ".env"
    file.write_text(f"SECRET_KEY={KEY}\n")
    assert Settings.load({"SECRET_KEY_FILE": str(tmp_path / "key")}, file=file).secret_key == "f" * 32
    assert Settings.load({"SECRET_KEY_FILE": ""}, file=file).secret_key == KEY
    file.write_text(f"SECRET_KEY_FILE={tmp_path / 'missing'}\n")
    assert Settings.load({"SECRET_KEY": KEY}, file=file).secret_key == KEY


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_set_twice_in_one_place_is_named(name: str, tmp_path: Path) -> None:
    both = {name: KEY, f"{name}_FILE": str(tmp_path / "key")}
    with pytest.raises(SettingsError) as caught:
        load(**both)
    assert str(caught.value) == f"{name}_FILE and {name} are both set in the environment: take one of them out."
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in both.items()))
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, file=file)
    assert str(caught.value) == f"{name}_FILE and {name} are both set in {file}: take one of them out."


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: None, "cannot be read, {file} (No such file or directory)"),  # noqa: ARG005
        (lambda file: file.symlink_to(file), "cannot be read, {file} (Too many levels of symbolic links)"),
        (Path.mkdir, "is a folder, {file}"),
        (os.mkfifo, "is no ordinary file, {file}"),
        (lambda file: file.symlink_to("/dev/zero"), "is no ordinary file, {file}"),
        (lambda file: file.write_text(" \n"), "is empty, {file}"),
        (lambda file: file.write_bytes(b"tiger\xff" * 9), "is not UTF-8, {file}"),
        (lambda file: file.write_bytes(b"tiger" * 64 * 1024), "is larger than 64 KiB, {file}"),
    ],
)
def test_a_file_that_holds_no_secret_is_named_and_not_shown(
    spoil: Callable[[Path], object], words: str, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    spoil(file)
    with pytest.raises(SettingsError) as caught:
        Settings.load(
            {name: str(file), "DATABASE_URL" if name == "SECRET_KEY_FILE" else "X": "postgresql://h/d"},
            file=None,
            serving=True,
        )
    assert str(caught.value).startswith(f"{name} names a file that {words.format(file=file)}: ")
    assert str(caught.value).count("\n") == 0
    assert "tiger" not in str(caught.value)


RUBBISH = st.one_of(
    st.text(st.characters(), max_size=60),  # Lone surrogates too, as bytes of the environment that are not UTF-8 are.
    st.text("[]:/@%?&=,.-_~0129axz\0\n\udcff \"'", max_size=40),
    st.builds("http://{}".format, st.text("[]:/@%?#.-_019afxü", max_size=20)),
    st.builds("postgresql://u@{}".format, st.text("[]:/@%?&=,.-_019afhostpr", max_size=30)),
    st.builds(
        "postgresql://u@h/d?{}={}".format,
        st.sampled_from(["host", "port", "sslmode", "passfile", "user", "target_session_attrs"]),
        st.text("[]:/%&=,.-_019af", max_size=20),
    ),
    st.integers(0, 10**6).map(lambda length: "9" * length),
)


@given(st.dictionaries(st.sampled_from(NAMES + FILES), RUBBISH, max_size=4))
@example({"SECRET_KEY": "\udcff" * 32})
@example({"BLOG_DATA_DIR": "~no-such-user/blog"})
@example({"DATABASE_URL": "postgresql://u@/d?host=a:1:2&host=b:3:4"})
@example({"SECRET_KEY_FILE": "/dev/zero"})
def test_rubbish_is_loaded_or_named(environment: dict[str, str]) -> None:
    try:
        Settings.load(environment, file=None, serving=True)
    except SettingsError as error:
        for line in str(error).splitlines():
            assert line.split()[0] in NAMES + FILES, traceback.format_exc()
            assert line.isprintable()
            assert len(line) < 700


@given(st.binary(max_size=80))
def test_a_file_of_rubbish_is_loaded_or_named(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "rubbish.env"
    file.write_bytes(content)
    with suppress(SettingsError):
        Settings.load({}, file=file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes("APP_NAME=Café".encode("latin-1"))
    with pytest.raises(SettingsError, match=rf"^{file} cannot be read \(not UTF-8\)"):
        Settings.load({}, file=file)
    with pytest.raises(SettingsError, match=rf"^{tmp_path} cannot be read \(Is a directory\)"):
        Settings.load({}, file=tmp_path)
    file.write_bytes(b"#" * (64 * 1024 + 1))
    with pytest.raises(SettingsError, match=rf"^{file} cannot be read \(larger than 64 KiB\)"):
        Settings.load({}, file=file)


@pytest.mark.parametrize("spoil", [os.mkfifo, lambda file: file.symlink_to("/dev/zero")])
def test_a_file_that_never_ends_is_named(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / ".env"
    spoil(file)
    with pytest.raises(SettingsError, match=rf"^{file} cannot be read \(no ordinary file\)"):
        Settings.load({}, file=file)


def test_what_the_file_takes_from_elsewhere_is_there_or_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("HOST=${PLACE}.example\nSITE_URL=https://${HOST}\nAPP_NAME=${TITLE:-Notes}\n")
    settings = Settings.load({"PLACE": "a"}, file=file)
    assert (settings.site_url, settings.app_name) == ("https://a.example", "Notes")
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, file=file)
    assert str(caught.value) == (
        f"SITE_URL in {file} has a ${{…}} of something that is set neither above it nor in the environment: "
        "set that, or write the value itself."
    )


def test_a_secret_of_the_file_is_not_shortened(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"DATABASE_URL=postgresql://h/d\nSECRET_KEY='{KEY}${{tiger}}'\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load({}, file=file, serving=True)
    assert str(caught.value).startswith(f"SECRET_KEY in {file} has a ${{…}} of something that is set neither ")
    assert str(caught.value).endswith(": set that, or name with SECRET_KEY_FILE a file that has the value itself.")
    assert len(str(caught.value).splitlines()) == 1
    assert "tiger" not in str(caught.value)


def test_secrets_do_not_show_themselves() -> None:
    previous = KEY[::-1] + "p"
    shown = repr(load(SECRET_KEY=KEY, SECRET_KEY_PREVIOUS=previous, DATABASE_URL="postgresql://user:hidden@host/db"))
    assert KEY not in shown
    assert previous not in shown
    assert "hidden" not in shown


@pytest.mark.parametrize("document", [".env.example", "README.md"])
def test_every_setting_is_documented(document: str) -> None:
    text = (ROOT / document).read_text()
    missing = [name for name in NAMES + FILES if not re.search(rf"\b{name}\b", text)]
    assert not missing


def test_the_example_sets_nothing_until_it_is_changed() -> None:
    assert Settings.load({}, file=ROOT / ".env.example", served_at="http://127.0.0.1:8080") == Settings.load(
        {}, file=None, served_at="http://127.0.0.1:8080"
    )


def test_the_example_names_no_setting_that_is_none_and_loads(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text()
    named = re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)
    assert sorted(named) == sorted(NAMES + FILES)
    file = tmp_path / ".env"
    file.write_text(re.sub(r"^#(?=[A-Z_]+=)(?![A-Z_]+_FILE=)", "", example, flags=re.MULTILINE))
    assert Settings.load({}, file=file, serving=True)
