"""Sitemaps and robots.txt, for search engines (sitemaps.org, protocol 0.9; RFC 9309)."""

from collections.abc import Iterable

from blog.application.queries import AddressView
from blog.entrypoints.formats.feeds import Site, moment
from blog.entrypoints.formats.xml import add, document, root

MEDIA_TYPE = "application/xml"
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def write(site: Site, addresses: Iterable[AddressView]) -> bytes:
    """The sitemap of these articles."""
    top = root("urlset", xmlns=NAMESPACE)
    for address in addresses:
        url = add(top, "url")
        add(url, "loc", site.article(address.slug))
        add(url, "lastmod", moment(address.changed_at))
    return document(top)


def write_index(site: Site, parts: Iterable[int]) -> bytes:
    """The index of the sitemaps that others are parts of.

    They are all at the root of the site: a sitemap speaks of what is below its own folder alone.
    """
    top = root("sitemapindex", xmlns=NAMESPACE)
    for part in parts:
        sitemap = add(top, "sitemap")
        add(sitemap, "loc", f"{site.url}/sitemap.xml?part={part}")
    return document(top)


def robots(site: Site) -> bytes:
    """What robots may read: everything but what is shown in confidence."""
    # In this order for those, older than the RFC, that go by the first rule that fits and not by the longest.
    rules = f"User-agent: *\nDisallow: {site.path}/preview\nAllow: {site.path}/\n"
    return f"{rules}\nSitemap: {site.url}/sitemap.xml\n".encode()
