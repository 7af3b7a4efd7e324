"""Settings, and the documents that list them."""

import inspect
import re
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from blog.settings import Settings, SettingsError

ROOT = Path(__file__).parents[2]
KEY = "k" * 32
NAMES = [this.name.upper() for this in fields(Settings)]


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
    assert settings.blog_data_dir.is_absolute()


def test_everything_can_be_set(tmp_path: Path) -> None:
    settings = load(
        APP_NAME="Notes",
        DEBUG="TRUE",
        DATABASE_URL="postgres://u:p@h:1/d?sslmode=require",
        SECRET_KEY="k" * 64,
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
        ("port=many", "port"),
    ],
)
def test_what_the_driver_would_stumble_over_is_named(query: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"^DATABASE_URL must .*{words}"):
        load(DATABASE_URL=f"postgresql://u@/d?{query}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
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


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes("APP_NAME=Café".encode("latin-1"))
    with pytest.raises(SettingsError, match=rf"^{file} cannot be read \(not UTF-8\)"):
        Settings.load({}, file=file)
    with pytest.raises(SettingsError, match=rf"^{tmp_path} cannot be read \(Is a directory\)"):
        Settings.load({}, file=tmp_path)


def test_secrets_do_not_show_themselves() -> None:
    shown = repr(load(SECRET_KEY=KEY, DATABASE_URL="postgresql://user:hidden@host/db"))
    assert KEY not in shown
    assert "hidden" not in shown


@pytest.mark.parametrize("document", [".env.example", "README.md"])
def test_every_setting_is_documented(document: str) -> None:
    text = (ROOT / document).read_text()
    missing = [name for name in NAMES if not re.search(rf"\b{name}\b", text)]
    assert not missing


def test_the_example_names_no_setting_that_is_none_and_loads(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text()
    named = re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)
    assert sorted(named) == sorted(NAMES)
    file = tmp_path / ".env"
    file.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", example, flags=re.MULTILINE))
    assert Settings.load({}, file=file, serving=True)
