"""A client that waits to be called (RFC 8071): it accepts TCP, and on that connection it is the client of TLS and HTTP.

Arguments: a certificate with its key in one PEM file. The first line written is the port. Each line read is one connection:
{"ca": FILE, "certificate": BOOL, "protocol": NAME, "requests": [[METHOD, PATH, {FIELD: VALUE}], ...]}; the answers' status codes
are written as one line. A connection is closed when the next one is asked for.
"""

import http.client
import json
import socket
import ssl
import sys

listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(60)
print(listener.getsockname()[1], flush=True)
open_connection = None
for line in sys.stdin:
    if open_connection:
        open_connection.close()
    order = json.loads(line)
    tcp, _ = listener.accept()
    context = ssl.create_default_context(cafile=order["ca"])
    context.set_alpn_protocols(["http/1.1"])
    if order["certificate"]:
        context.load_cert_chain(sys.argv[1])
    connection = http.client.HTTPSConnection("localhost")
    open_connection = connection.sock = context.wrap_socket(tcp, server_hostname="localhost")
    codes = []
    for method, path, fields in order["requests"]:
        connection.request(method, path, headers=fields)
        answer = connection.getresponse()
        answer.read()
        codes.append(answer.status)
    print(json.dumps(codes), flush=True)
