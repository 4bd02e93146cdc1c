"""A real SMTP server (aiosmtpd) that prints its port, then one line of JSON a mail. Ends with its input.

Arguments: `plain`, or the files of a certificate and its key for STARTTLS and a login (user, word), or `refuse`,
`half` or `later` for a server that answers every recipient with 550, the first one, or the first one with 451."""
import asyncio
import json
import os
import ssl
import sys
import threading
from aiosmtpd.smtp import SMTP, AuthResult

seen = 0


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        global seen
        seen += 1
        if sys.argv[1] == "half" and seen == 1:
            return "550 no such user"
        if sys.argv[1] == "refuse" or (sys.argv[1] == "later" and seen == 1):
            os.write(1, b'{"refused": true}\n')
            return "550 no such user" if sys.argv[1] == "refuse" else "451 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        os.write(1, (json.dumps({"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
                                 "login": session.authenticated,
                                 "mail": envelope.content.decode("latin-1")}) + "\n").encode())
        return "250 kept"


def login(server, session, envelope, mechanism, data):
    good = data.login == b"user" and data.password == b"word of proof"
    return AuthResult(success=good, handled=False)


options = {}
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    options = {"tls_context": context, "require_starttls": True, "authenticator": login, "auth_required": True}
loop = asyncio.new_event_loop()
server = loop.run_until_complete(loop.create_server(lambda: SMTP(Keeper(), loop=loop, **options), "127.0.0.1", 0))
print(server.sockets[0].getsockname()[1], flush=True)
threading.Thread(target=loop.run_forever, daemon=True).start()
sys.stdin.read()
os._exit(0)
