"""An SMTP server of a suite's own, as a process that can be killed: `/usr/bin/python3 smtp_sink.py PORT FOLDER [CERT KEY]`.

Each message that it has taken is a file in FOLDER, written before it says so. What it shall answer instead is in the files
`rcpt` and `data` in FOLDER (`550 5.1.1 no such user`), as long as they are there; `hang` makes it take a message and say
nothing. With a certificate it wants STARTTLS, and user `sut` with `smtp password`."""

import email
import email.policy
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import stack


class Message:
    def __init__(self, raw):
        self.raw = raw
        self.mail = email.message_from_bytes(raw, policy=email.policy.default)
        self.id, self.to, self.subject = self.mail["Message-ID"], self.mail["To"], self.mail["Subject"]

    def part(self, subtype):
        return next(p for p in self.mail.walk() if p.get_content_subtype() == subtype).get_content()

    @property
    def token(self):
        return self.part("plain").split("#token=")[1].split()[0]


def messages_in(folder, suffix=".eml"):
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(suffix) and not name.startswith("."):
            with open(os.path.join(folder, name), "rb") as f:
                found.append(Message(f.read()))
    return found


class SmtpSink:
    """`with SmtpSink() as sink: … sink.port … sink.messages()`. kill() and start() as often as one likes, on one port."""

    def __init__(self, *tls):
        self.folder, self.port, self.tls, self.process = tempfile.mkdtemp(prefix="sut-smtp-"), stack.free_port(), tls, None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def start(self):
        self.process = subprocess.Popen(["/usr/bin/python3", os.path.abspath(__file__), str(self.port), self.folder, *self.tls])
        stack.wait_until(self.listens, 20, "the mail server")

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def restart(self, *tls):
        self.kill()
        self.tls = tls
        self.start()

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def answer(self, what, text):
        """What to say to every `rcpt` or `data`; None: yes again."""
        path = os.path.join(self.folder, what)
        if text is None:
            os.unlink(path)
        else:
            with open(path + ".new", "w") as f:
                f.write(text)
            os.rename(path + ".new", path)

    def messages(self, to=None):
        return [m for m in messages_in(self.folder) if to is None or to == m.to.strip("<>")]

    def wait_for(self, to, count=1, seconds=20):
        return stack.wait_until(lambda: len(self.messages(to)) >= count and self.messages(to), seconds, f"{count} mails to {to}")


def serve(port, folder, certificate=None, key=None):
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword
    taken = [len(os.listdir(folder))]

    def said(what):
        try:
            with open(os.path.join(folder, what)) as f:
                return f.read()
        except FileNotFoundError:
            return None

    class Handler:
        async def handle_RCPT(self, server, session, envelope, address, options):
            answer = said("rcpt")
            if answer:
                return answer
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):
            if said("hang"):
                import asyncio
                await asyncio.Event().wait()
            answer = said("data")
            if answer:
                return answer
            taken[0] += 1
            path = os.path.join(folder, f"{taken[0]:06d}-{os.getpid()}")
            with open(path, "wb") as f:
                f.write(envelope.original_content)
            os.rename(path, path + ".eml")
            return "250 OK"

    more = {}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        right = LoginPassword(b"sut", b"smtp password")
        more = {"tls_context": context, "require_starttls": True, "auth_required": True,
                "authenticator": lambda server, session, envelope, mechanism, data: AuthResult(success=data == right)}
    Controller(Handler(), hostname="127.0.0.1", port=port, **more).start()
    threading.Event().wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]), *sys.argv[2:])
