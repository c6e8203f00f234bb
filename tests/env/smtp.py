"""SMTP servers for the tests, of the package python3-aiosmtpd: plain, with STARTTLS, and with TLS from the first byte.

    smtp.py FOLDER CERTIFICATE KEY

Each message that is taken becomes a JSON file in FOLDER. Says "READY PLAIN STARTTLS SMTPS", the ports, and runs until it
is stopped. The one with STARTTLS takes nothing before it, and nobody but the user `argocd` with the password `s3cr3t`.
Recipients `unknown@…` are refused for good, `busy@…` for now; a message with `spam` among its headers is refused as a whole.
"""

import asyncio
import itertools
import json
import logging
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Inbox:
    def __init__(self, name, folder, count):
        self.name, self.folder, self.count = name, pathlib.Path(folder), count

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("unknown@"):
            return "550 5.1.1 no such user here"
        if address.startswith("busy@"):
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        text = envelope.content.decode("utf-8", "replace")
        if "spam" in text.split("\r\n\r\n", 1)[0]:
            return "554 5.7.1 not wanted"
        message = {
            "server": self.name,
            "hello": session.host_name,
            "authenticated": bool(session.authenticated),
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": text,
        }
        # A reader never sees half a file.
        path = self.folder / f"{next(self.count):04}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(message))
        part.rename(path)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"argocd", b"s3cr3t")
    return AuthResult(success=good, handled=False)


async def main(folder, certificate, key):
    logging.disable(logging.CRITICAL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    upgraded = {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": authenticate,
        "auth_required": True,
    }
    loop, count, ports = asyncio.get_running_loop(), itertools.count(), []
    for name, settings, outer in (("plain", {}, None), ("starttls", upgraded, None), ("smtps", {}, context)):
        inbox = Inbox(name, folder, count)
        server = await loop.create_server(
            lambda inbox=inbox, settings=settings: SMTP(inbox, enable_SMTPUTF8=True, **settings),
            "127.0.0.1",
            0,
            ssl=outer,
        )
        ports.append(str(server.sockets[0].getsockname()[1]))
    print("READY", *ports, flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:4]))
