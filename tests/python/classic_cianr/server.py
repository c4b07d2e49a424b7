"""Servers of the three dialects."""

import base64
import json
import queue
import secrets
import socket
import sys
import threading

from cryptography.hazmat.primitives.ciphers import modes

from wire import b64, decrypt, decrypt_with_iv, encrypt, Fault, LINE, MODP_14, OAKLEY_1, Share, tell, Wire
from chat import Chat, check_certificate, Identity
from accounts import salted, Users


class Server:
    def __init__(self, dialect, certs, out, options):
        self.dialect, self.out, self.turns = dialect, out, "turns" in options
        self.prime = OAKLEY_1 if "weak" in options else MODP_14
        self.identity = Identity(certs, "server", dialect)
        self.users, self.typed = Users(), queue.Queue()

    def serve(self):
        threading.Thread(target=self.type, daemon=True).start()
        accounts = self.listen(self.line_accounts) if self.dialect == LINE else None
        session = {"cianr-pss": self.pss, "cianr-pkcs1": self.pkcs1, LINE: self.line}[self.dialect]
        tell(ready=self.listen(session), accounts=accounts)
        threading.Event().wait()

    def type(self):
        for line in sys.stdin:
            self.typed.put(line.rstrip("\n"))

    def listen(self, session):
        listener = socket.create_server(("127.0.0.1", 0))

        def accept():
            while True:
                self.run(session, listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def run(self, session, connection):
        wire = Wire(connection, self.dialect)
        try:
            session(wire)
        except Fault as fault:
            tell(fault=str(fault))
            if self.dialect == "cianr-pss":
                wire.send("error", message=str(fault))
            elif self.dialect == "cianr-pkcs1":
                wire.send("error", code="PROTOCOL_ERROR", message=str(fault))
            else:
                wire.send("error", msg=str(fault))
        except PermissionError as error:
            tell(refused=str(error))
        except (EOFError, ConnectionError):
            tell(gone=True)
        connection.close()
        tell(left=True)

    def chat(self, wire, peer_pem, key):
        chat = Chat(wire, self.dialect, "server", self.identity, peer_pem, key, self.out)

        def turn():
            line = self.typed.get()
            if line == "/quit":
                chat.leave()
            else:
                chat.say(line)

        def talk():
            while not chat.receipt:
                turn()

        if self.turns:
            turn()
            chat.listen(turn)
        else:
            if self.dialect != "cianr-pss":
                threading.Thread(target=talk, daemon=True).start()
            chat.listen()
        chat.save()

    def pss(self, wire):
        pem = base64.b64decode(wire.receive("hello")["client_cert"])
        check_certificate(pem, self.identity, self.dialect, "client")
        wire.send("server_hello", server_cert=b64(self.identity.pem))
        share = Share(self.prime, 2, self.dialect)
        key = share.agree(int(wire.receive("auth_dh_init")["A_client"]), second=True)
        wire.send("auth_dh_reply", B_server=str(share.public))
        payload = wire.receive("auth_cred_encrypted")["payload"]
        asked = json.loads(decrypt_with_iv(key, base64.b64decode(payload)))
        email, password = asked["email"], asked["password"].encode()
        if asked["type"] == "register":
            good = self.users.register(email, asked["username"], *salted(password))
            text = "Registration successful" if good else "Email or username already exists"
        else:
            good = self.users.logs_in(email, password)
            text = "Login successful"
            if not good:
                text = "Invalid password" if email in self.users.rows else "User not found"
        wire.send("auth_response", status="ok" if good else "error", message=text)
        tell(answered=text)
        if not good:
            return
        asked = wire.receive("dh_client")
        assert isinstance(asked["p"], int) and asked["g"] == 2 and isinstance(asked["A"], str)
        share = Share(asked["p"], asked["g"], self.dialect)
        key = share.agree(int(asked["A"]), second=True)
        wire.send("dh_server", B=str(share.public))
        self.chat(wire, pem, key)

    def pkcs1_exchange(self, wire):
        asked = wire.receive("dh_client")
        assert all(isinstance(asked[name], int) for name in "gpA")
        assert asked["p"] == self.prime
        share = Share(asked["p"], asked["g"], self.dialect)
        key = share.agree(asked["A"], second=True)
        wire.send("dh_server", B=share.public)
        return key

    def pkcs1(self, wire):
        hello = wire.receive("hello")
        assert len(base64.b64decode(hello["nonce"], validate=True)) == 16
        pem = hello["client_cert"].encode()
        check_certificate(pem, self.identity, self.dialect, "client")
        wire.send("server_hello", server_cert=self.identity.pem.decode(), nonce=b64(secrets.token_bytes(16)))
        key = self.pkcs1_exchange(wire)
        asked = json.loads(decrypt(key, modes.ECB(), wire.frame()))
        given = base64.b64decode(asked["pwd"], validate=True)
        if asked["type"] == "register":
            salt = base64.b64decode(asked["salt"], validate=True)
            assert len(salt) == 16 and len(given) == 64
            good = self.users.register(asked["email"], asked["username"], salt, given.decode())
        else:
            assert len(base64.b64decode(asked["nonce"], validate=True)) == 16
            good = self.users.logs_in(asked["email"], given)
        if not good:
            tell(answered="AUTH_FAIL")
            wire.send("error", code="PROTOCOL_ERROR", message="AUTH_FAIL")
            return
        wire.send("success", message="welcome")
        tell(answered="welcome")
        self.chat(wire, pem, self.pkcs1_exchange(wire))

    def line_accounts(self, wire):
        hello = wire.receive("hello")
        assert len(base64.b64decode(hello["nonce"], validate=True)) == 16
        check_certificate(base64.b64decode(hello["cert"]), self.identity, self.dialect, "client")
        wire.send("hello_ack", cert=b64(self.identity.pem), nonce=b64(secrets.token_bytes(16)))
        share = Share(MODP_14, 2, self.dialect)
        wire.send("dh_params", p=hex(share.prime), g=hex(share.generator), server_pub=hex(share.public))
        key = share.agree(int(wire.receive("dh_client_pub")["client_pub"], 16))
        enc = wire.receive("enc")
        asked = json.loads(
            decrypt(key, modes.CBC(base64.b64decode(enc["iv"])), base64.b64decode(enc["ct"], validate=True))
        )
        password = base64.b64decode(asked["pwd"], validate=True)
        if asked["type"] == "register":
            good = self.users.register(asked["email"], asked["username"], *salted(password))
        else:
            good = self.users.logs_in(asked["email"], password)
        answer = {"status": "ok" if good else "error", "msg": "welcome" if good else "no"}
        iv = secrets.token_bytes(16)
        wire.send("enc", iv=b64(iv), ct=b64(encrypt(key, modes.CBC(iv), json.dumps(answer).encode())))
        tell(answered=answer["msg"])

    def line(self, wire):
        pem = base64.b64decode(wire.receive("cert")["cert"])
        check_certificate(pem, self.identity, self.dialect, "client")
        wire.send("cert", cert=b64(self.identity.pem))
        share = Share(MODP_14, 2, self.dialect)
        wire.send("dh_params", p=hex(share.prime), g=hex(share.generator), y=hex(share.public))
        self.chat(wire, pem, share.agree(int(wire.receive("dh_pub")["y"], 16)))
