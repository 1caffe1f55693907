"""An SMTP server that keeps what it gets: the next hop of the end-to-end tests.  What it says can be
changed, so that it greylists, refuses, or drops the connection."""

import base64
import socket
import socketserver
import ssl
import threading

from daemon import free_port


class Message:
    def __init__(self, sender, recipients, data, session):
        self.sender, self.recipients, self.data, self.session = sender, recipients, data, session


class Sink:
    """Listens on self.port of self.address until stop().  answer(verb, argument, session) may return a reply to
    give instead of the usual one, "drop" to close the connection, or None."""

    def __init__(self, extensions=("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"), cert=None, key=None,
                 answer=None, logins=None, address="127.0.0.1", port=None):
        self.address = address
        self.messages, self.sessions, self.lines = [], 0, []
        self.extensions, self.logins = list(extensions), logins or {}
        self.answer = answer or (lambda verb, argument, session: None)
        self.changed = threading.Condition()
        self.context = None
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(cert, key)
        sink = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                session = Session(sink, self.request)
                try:
                    session.serve()
                except (OSError, ssl.SSLError):
                    pass
                finally:
                    session.close()

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        socketserver.ThreadingTCPServer.daemon_threads = True
        self.port = port or free_port()
        self.server = socketserver.ThreadingTCPServer((address, self.port), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def keep(self, message):
        with self.changed:
            self.messages.append(message)
            self.changed.notify_all()

    def wait(self, n, seconds=30):
        """Until n messages came."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.messages) >= n, seconds):
                raise AssertionError(f"{len(self.messages)} of {n} messages came; last lines: {self.lines[-20:]}")
        return self.messages


class Session:
    def __init__(self, sink, connection):
        self.sink, self.connection, self.file = sink, connection, connection.makefile("rb")
        self.tls = self.user = self.sender = None
        self.recipients = []
        sink.sessions += 1
        self.number = sink.sessions

    def close(self):
        """Behind STARTTLS the connection is not the server's to close."""
        self.file.close()
        self.connection.close()

    def say(self, text):
        self.connection.sendall((text + "\r\n").encode())

    def usual(self, verb, argument):
        """The reply of a server that likes everything."""
        if verb in ("EHLO", "LHLO"):
            words = list(self.sink.extensions)
            if self.sink.context and not self.tls:
                words.append("STARTTLS")
            if self.sink.logins and self.tls:
                words.append("AUTH PLAIN")
            lines = ["sink.example", *words]
            return "\r\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{w}" for i, w in enumerate(lines))
        if verb == "MAIL":
            self.sender, self.recipients = argument, []
        elif verb == "RCPT":
            self.recipients.append(argument)
        if verb == "DATA" and not self.recipients:
            return "503 5.5.1 no recipients"
        return {"DATA": "354 go on", "QUIT": "221 2.0.0 bye", "STARTTLS": "220 2.0.0 go on"}.get(verb, "250 2.0.0 ok")

    def auth(self, argument):
        _, user, password = base64.b64decode(argument.split()[1]).decode().split("\0")
        if self.sink.logins.get(user) != password:
            return "535 5.7.8 wrong"
        self.user = user
        return "235 2.7.0 welcome"

    def body(self):
        data = b""
        for line in self.file:
            if line == b".\r\n":
                return data
            data += line[1:] if line.startswith(b".") else line
        raise ConnectionError("gone in the midst of a message")

    def start_tls(self):
        self.connection = self.sink.context.wrap_socket(self.connection, server_side=True)
        self.file, self.tls = self.connection.makefile("rb"), True

    def serve(self):
        self.connection.settimeout(60)
        greeting = self.sink.answer("CONNECT", "", self)
        if greeting == "drop":
            return
        self.say(greeting or "220 sink.example ESMTP")
        # The file is another one behind STARTTLS.
        for line in iter(lambda: self.file.readline(), b""):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            self.sink.lines.append(text)
            verb, _, argument = text.partition(" ")
            verb = verb.upper()
            if verb == "MAIL":
                argument = argument[5:]
            if verb == "RCPT":
                argument = argument[3:]
            reply = self.sink.answer(verb, argument, self)
            if reply == "drop":
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if not reply and verb == "AUTH":
                reply = self.auth(argument)
            reply = reply or self.usual(verb, argument)
            self.say(reply)
            if verb == "STARTTLS" and reply.startswith("220"):
                self.start_tls()
            if verb == "DATA" and reply.startswith("354"):
                data = self.body()
                reply = self.sink.answer("END", data, self)
                if reply == "drop":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if not reply or reply.startswith("2"):
                    self.sink.keep(Message(self.sender, list(self.recipients), data, self))
                self.say(reply or "250 2.0.0 taken")
            if verb == "QUIT":
                return
