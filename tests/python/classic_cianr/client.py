"""Clients of the three dialects."""

import base64
import json
import secrets
import socket
import sys
import threading

from cryptography.hazmat.primitives.ciphers import modes

from wire import b64, decrypt, encrypt, encrypt_with_iv, Fault, LINE, MODP_14, OAKLEY_1, Share, tell, Wire
from chat import Chat, check_certificate, Identity
from accounts import salted


class Client:
    def __init__(self, dialect, certs, out, options, ports, account):
        self.dialect, self.out, self.ports = dialect, out, ports
        self.prime = OAKLEY_1 if "weak" in options else MODP_14
        self.identity = Identity(certs, "client", dialect)
        self.how, self.email, self.name, password = account
        self.password = password.encode()

    def connect(self, port):
        return Wire(socket.create_connection(("127.0.0.1", port)), self.dialect)

    def run(self):
        try:
            if self.dialect == LINE:
                self.line_account(self.connect(self.ports[1]))
            wire = self.connect(self.ports[0])
            arrive = {"cianr-pss": self.pss, "cianr-pkcs1": self.pkcs1, LINE: self.line}[self.dialect]
            peer_pem, key = arrive(wire)
            chat = Chat(wire, self.dialect, "client", self.identity, peer_pem, key, self.out)
            threading.Thread(target=self.talk, args=(chat,), daemon=True).start()
            chat.listen()
            chat.save()
        except Fault as fault:
            tell(fault=str(fault))
        except PermissionError as error:
            tell(refused=str(error))

    def talk(self, chat):
        for line in sys.stdin:
            if line.rstrip("\n") in ("!!quit", "/quit"):
                break
            chat.say(line.rstrip("\n"))
        chat.leave()

    def pss(self, wire):
        wire.send("hello", client_cert=b64(self.identity.pem))
        pem = base64.b64decode(wire.receive("server_hello")["server_cert"], validate=True)
        check_certificate(pem, self.identity, self.dialect, "server")
        share = Share(self.prime, 2, self.dialect)
        wire.send("auth_dh_init", A_client=str(share.public))
        key = share.agree(int(wire.receive("auth_dh_reply")["B_server"]))
        asked = {"type": self.how, "email": self.email}
        if self.how == "register":
            asked["username"] = self.name
        asked["password"] = self.password.decode()
        wire.send("auth_cred_encrypted", payload=b64(encrypt_with_iv(key, json.dumps(asked).encode())))
        answer = wire.receive("auth_response")
        tell(answered=answer["message"])
        if answer["status"] != "ok":
            raise PermissionError(answer["message"])
        share = Share(self.prime, 2, self.dialect)
        wire.send("dh_client", g=2, p=self.prime, A=str(share.public))
        return pem, share.agree(int(wire.receive("dh_server")["B"]))

    def pkcs1_exchange(self, wire):
        share = Share(self.prime, 2, self.dialect)
        wire.send("dh_client", g=2, p=self.prime, A=share.public)
        value = wire.receive("dh_server")["B"]
        assert isinstance(value, int)
        return share.agree(value)

    def pkcs1(self, wire):
        wire.send("hello", client_cert=self.identity.pem.decode(), nonce=b64(secrets.token_bytes(16)))
        pem = wire.receive("server_hello")["server_cert"].encode()
        check_certificate(pem, self.identity, self.dialect, "server")
        key = self.pkcs1_exchange(wire)
        asked = {"type": self.how, "email": self.email}
        if self.how == "register":
            salt, digest = salted(self.password)
            asked.update(username=self.name, pwd=b64(digest.encode()), salt=b64(salt))
        else:
            asked.update(pwd=b64(self.password), nonce=b64(secrets.token_bytes(16)))
        wire.send_frame(encrypt(key, modes.ECB(), json.dumps(asked).encode()))
        tell(answered=wire.receive("success")["message"])
        return pem, self.pkcs1_exchange(wire)

    def line_account(self, wire):
        wire.send("hello", cert=b64(self.identity.pem), nonce=b64(secrets.token_bytes(16)))
        pem = base64.b64decode(wire.receive("hello_ack")["cert"], validate=True)
        check_certificate(pem, self.identity, self.dialect, "server")
        offer = wire.receive("dh_params")
        assert all(offer[name].startswith("0x") for name in ("p", "g", "server_pub"))
        share = Share(int(offer["p"], 16), int(offer["g"], 16), self.dialect)
        key = share.agree(int(offer["server_pub"], 16), second=True)
        wire.send("dh_client_pub", client_pub=hex(share.public))
        asked = {"type": self.how, "email": self.email}
        if self.how == "register":
            asked["username"] = self.name
        asked["pwd"] = b64(self.password)
        iv = secrets.token_bytes(16)
        wire.send("enc", iv=b64(iv), ct=b64(encrypt(key, modes.CBC(iv), json.dumps(asked).encode())))
        enc = wire.receive("enc")
        answer = json.loads(
            decrypt(key, modes.CBC(base64.b64decode(enc["iv"])), base64.b64decode(enc["ct"], validate=True))
        )
        tell(answered=answer["msg"])
        if answer["status"] != "ok":
            raise PermissionError(answer["msg"])

    def line(self, wire):
        wire.send("cert", cert=b64(self.identity.pem))
        pem = base64.b64decode(wire.receive("cert")["cert"], validate=True)
        check_certificate(pem, self.identity, self.dialect, "server")
        offer = wire.receive("dh_params")
        share = Share(int(offer["p"], 16), int(offer["g"], 16), self.dialect)
        key = share.agree(int(offer["y"], 16), second=True)
        wire.send("dh_pub", y=hex(share.public))
        return pem, key
