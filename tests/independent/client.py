"""A RESTCONF client of the standard library alone. What an answer means is judged elsewhere."""
import dataclasses
import http.client
import json
import ssl
import urllib.parse

JSON = "application/yang-data+json"
XML = "application/yang-data+xml"
XML_LIST = "application/yang-data+xml-list"


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def media_type(self):
        return self.headers.get_content_type() if self.headers["content-type"] else None

    def json(self):
        return json.loads(self.text) if self.text else None


class Client:
    """One connection of one user; `url` is that of the server without a path."""

    def __init__(self, url, ca, token):
        self.url, self.ca, self.token = url, ca, token
        self.host = urllib.parse.urlsplit(url).netloc
        self.connection = self.connect()

    def connect(self):
        return http.client.HTTPSConnection(self.host, context=ssl.create_default_context(cafile=self.ca), timeout=60)

    def head(self, fields):
        return {"Authorization": "Bearer " + self.token, **{name: value for name, value in fields.items() if value}}

    def ask(self, method, path, body=None, accept=JSON, content=None):
        """`body` is a text, or something that becomes JSON."""
        if body is not None and not isinstance(body, str):
            body, content = json.dumps(body), content or JSON
        fields = self.head({"Accept": accept, "Content-Type": content})
        try:
            self.connection.request(method, path, body.encode() if body else None, fields)
            answer = self.connection.getresponse()
        except http.client.RemoteDisconnected:  # between two requests; RFC 9112 section 9.3.1 wants a new try
            self.connection = self.connect()
            self.connection.request(method, path, body.encode() if body else None, fields)
            answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())

    def get(self, path, accept=JSON):
        return self.ask("GET", path, accept=accept)

    def events(self, path):
        """The data of each event, until the server ends the stream."""
        connection = self.connect()
        connection.request("GET", path, headers=self.head({"Accept": "text/event-stream"}))
        answer = connection.getresponse()
        assert answer.status == 200, (path, answer.status, answer.read())
        assert answer.headers["content-type"] == "text/event-stream", answer.headers["content-type"]
        data = []
        for line in answer:
            line = line.decode().rstrip("\n")
            if line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and data:
                yield "\n".join(data)
                data = []
