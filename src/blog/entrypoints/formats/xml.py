"""XML 1.0, by the standard library: elements with their text, and documents of them."""

import re
from xml.etree import ElementTree

Element = ElementTree.Element

# XML 1.0, section 2.2. HTML may hold what a text of ours may not: CommonMark makes the character of `&#1;`.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add(parent: Element, name: str, text: str | None = None, **attributes: str | None) -> Element:
    """A new element at the end of another. An attribute of None is left out."""
    given = {attribute: clean(value) for attribute, value in attributes.items() if value is not None}
    element = ElementTree.SubElement(parent, name, given)
    if text is not None:
        element.text = clean(text)
    return element


def clean(text: str) -> str:
    """The text with U+FFFD in the place of what no document of XML may hold."""
    return FORBIDDEN.sub("\ufffd", text)


def document(root: Element) -> bytes:
    """A whole document, in UTF-8."""
    encoded: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded


def root(name: str, **attributes: str) -> Element:
    """The element that all others of a document are in.

    Names are written with their prefixes, which it declares: what ElementTree chooses by itself depends on what other
    code of the process has registered.
    """
    return Element(name, attributes)
