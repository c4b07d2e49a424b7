"""Servers, clients and a verifier of the three dialects of cianr, written from the description of the programs that exist alone,
and as simple as they are.

    classic_cianr DIALECT server CERTS OUT [turns] [weak]   prints its port; says the lines that are typed
    classic_cianr DIALECT client CERTS OUT [weak] PORT [ACCOUNTS] register|login EMAIL NAME PASSWORD
    classic_cianr DIALECT verify CERTS RECEIPT

CERTS is a folder of certificates, OUT one for transcripts. Each line that is printed is a JSON object. With "turns" a server of
cianr-pkcs1 sends a line, waits for one, and so on; "weak" is the group of 768 bits. Where it speaks second in an exchange it
looks for a secret with a leading zero byte, which happens once in 256 exchanges otherwise.
"""

import sys

from wire import tell
from server import Server
from client import Client
from verifier import verify


def main():
    dialect, what, certs, out, *rest = sys.argv[1:]
    options = [word for word in rest if word in ("turns", "weak")]
    rest = [word for word in rest if word not in options]
    if what == "server":
        Server(dialect, certs, out, options).serve()
    elif what == "client":
        ports = [int(word) for word in rest if word.isdigit()]
        Client(dialect, certs, out, options, ports, rest[len(ports) :]).run()
    else:
        tell(verdict=verify(dialect, certs, out))


main()
