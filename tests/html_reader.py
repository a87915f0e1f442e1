"""Reads pieces of HTML: their texts and pictures."""

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Checks that every element is closed in order, and keeps the texts and the pictures."""

    def __init__(self):
        super().__init__()
        self.open, self.texts, self.pictures = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.pictures.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def read_html(html):
    """Return the reader of a piece of HTML, all of whose elements are closed."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader
