"""Things to test with. What varies at random is Hypothesis's; what a test talks about it says itself."""

from string import ascii_letters, digits

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
    "titles",
    "usernames",
]

# Any character that a text may hold: no control characters (Cc) and no surrogates (Cs).
characters = st.characters(exclude_categories=("Cc", "Cs"))
titles = st.text(characters, min_size=1, max_size=200).filter(str.strip)
contents = st.text(characters | st.sampled_from("\n\r\t"), min_size=10, max_size=300).filter(str.strip)
usernames = st.text(f"{ascii_letters}{digits}_.-", min_size=3, max_size=50)
# Long enough however many characters become one when it is normalised.
passwords = st.text(characters, min_size=40, max_size=100)
