"""Things to test with. What varies at random is Hypothesis's; what a test talks about it says itself."""

from string import ascii_letters, digits

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from blog.testing import (
    NOON,
    Clock,
    PlainMarkdown,
    a_draft,
    a_manuscript,
    a_preview,
    a_rendition,
    a_reply,
    a_request,
    a_revision,
    a_user,
    a_working_copy,
    an_article,
)

__all__ = [
    "ASKING",
    "NOON",
    "Clock",
    "PlainMarkdown",
    "a_draft",
    "a_manuscript",
    "a_preview",
    "a_rendition",
    "a_reply",
    "a_request",
    "a_revision",
    "a_user",
    "a_working_copy",
    "an_article",
    "characters",
    "contents",
    "passwords",
    "searches",
    "titles",
    "usernames",
]

# Any character that a text may hold: no control characters (Cc) and no surrogates (Cs).
characters = st.characters(exclude_categories=("Cc", "Cs"))
titles = st.text(characters, min_size=1, max_size=200).filter(str.strip)
contents = st.text(characters | st.sampled_from("\n\r\t"), min_size=10, max_size=300).filter(str.strip)
# What people look for, and what means something to those that look: operators of search engines and of PostgreSQL.
searches = st.lists(
    st.sampled_from([*"-!&|()<>:*\\'\"%_ ", "or", "-" * 33, "!" * 33, "<->", ":*A", "a/b", "x.y", "-1e5", "plover"])
    | st.text(characters, max_size=20),
    min_size=1,
    max_size=80,
).map(lambda parts: "".join(parts)[:200]).filter(str.strip)  # fmt: skip
# For a test that asks the blog: over each store, on a machine that may be busy, and with the same examples each time.
ASKING = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.differing_executors,
    ],
)
usernames = st.text(f"{ascii_letters}{digits}_.-", min_size=3, max_size=50)
# Long enough however many characters become one when it is normalised.
passwords = st.text(characters, min_size=40, max_size=100)
