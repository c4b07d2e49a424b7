"""A client of cianr-pss and cianr-pkcs1, written from docs/classic.md alone, as simple as programs that exist.

    classic_cianr.py PORT CERTS pss|pkcs1 oakley-1|modp-14

It registers, says two lines, sends what has to be refused (cianr-pss), exchanges receipts and checks all that it gets. It ends
with a traceback at the first thing that is not as the page says, else it prints OK.
"""

import base64
import hashlib
import json
import os
import pathlib
import socket
import struct
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

OAKLEY_1 = (
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF"
)
MODP_14 = (
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF"
)


def b64(data):
    return base64.b64encode(data).decode()


class Peer:
    def __init__(self, port, certs, dialect, group):
        self.stream = socket.create_connection(("127.0.0.1", port))
        self.pss = dialect == "pss"
        self.prime = int(OAKLEY_1 if group == "oakley-1" else MODP_14, 16)
        self.pem = (certs / "client.crt").read_text()
        self.key = serialization.load_pem_private_key((certs / "client.key").read_bytes(), None)
        self.own = x509.load_pem_x509_certificate(self.pem.encode())
        self.lines = []
        self.last = 0

    def send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.stream.sendall(struct.pack(">I", len(data)) + data)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            part = self.stream.recv(size - len(data))
            assert part, "the server closed"
            data += part
        return data

    def receive(self, kind):
        message = json.loads(self.exactly(struct.unpack(">I", self.exactly(4))[0]))
        assert message["type"] == kind, message
        return message

    def agree(self, name, answer, value, other, extra=None):
        secret = int.from_bytes(os.urandom(32), "big")
        own = pow(2, secret, self.prime)
        self.send({"type": name, **(extra or {}), value: str(own) if self.pss else own})
        theirs = self.receive(answer)[other]
        assert isinstance(theirs, str) == self.pss
        agreed = pow(int(theirs), secret, self.prime)
        return hashlib.sha256(agreed.to_bytes((agreed.bit_length() + 7) // 8, "big")).digest()[:16]

    def encrypt(self, key, text):
        padder = PKCS7(128).padder()
        padded = padder.update(text) + padder.finalize()
        iv = os.urandom(16) if self.pss else b""
        cipher = Cipher(algorithms.AES(key), modes.CBC(iv) if self.pss else modes.ECB()).encryptor()
        return iv + cipher.update(padded) + cipher.finalize()

    def decrypt(self, key, data):
        iv, data = (data[:16], data[16:]) if self.pss else (b"", data)
        cipher = Cipher(algorithms.AES(key), modes.CBC(iv) if self.pss else modes.ECB()).decryptor()
        unpadder = PKCS7(128).unpadder()
        return unpadder.update(cipher.update(data) + cipher.finalize()) + unpadder.finalize()

    def scheme(self):
        longest = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
        return longest if self.pss else padding.PKCS1v15()

    def sign(self, data):
        return b64(self.key.sign(data, self.scheme(), hashes.SHA256()))

    def verify(self, signature, data):
        self.server.public_key().verify(base64.b64decode(signature), data, self.scheme(), hashes.SHA256())

    def signed(self, seqno, ts, ct):
        joined = f"{seqno}{ts}{ct}".encode()
        return joined if self.pss else hashlib.sha256(joined).digest()

    def line(self, message, certificate):
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        fields = [message["seqno"], message["ts"], message["ct"], message["sig"], fingerprint]
        self.lines.append("|".join(map(str, fields)))

    def say(self, seqno, text):
        ts, ct = int(time.time() * 1000), b64(self.encrypt(self.chat, text.encode()))
        message = {"type": "msg", "seqno": seqno, "ts": ts, "ct": ct, "sig": self.sign(self.signed(seqno, ts, ct))}
        self.send(message)
        self.line(message, self.own)

    def hear(self):
        message = self.receive("msg")
        assert message["seqno"] > self.last
        self.last = message["seqno"]
        self.verify(message["sig"], self.signed(message["seqno"], message["ts"], message["ct"]))
        self.line(message, self.server)
        return self.decrypt(self.chat, base64.b64decode(message["ct"])).decode()

    def hash(self):
        text = "\n".join(self.lines) if self.pss else "".join(line + "\n" for line in self.lines)
        return hashlib.sha256(text.encode()).hexdigest()


def enter_pss(peer):
    peer.send({"type": "hello", "client_cert": b64(peer.pem.encode())})
    certificate = base64.b64decode(peer.receive("server_hello")["server_cert"])
    peer.server = x509.load_pem_x509_certificate(certificate)
    key = peer.agree("auth_dh_init", "auth_dh_reply", "A_client", "B_server")
    account = {"type": "register", "email": "py@example.org", "username": "pÿthon", "password": "pässword"}
    peer.send({"type": "auth_cred_encrypted", "payload": b64(peer.encrypt(key, json.dumps(account).encode()))})
    answer = peer.receive("auth_response")
    assert answer == {"type": "auth_response", "status": "ok", "message": "Registration successful"}, answer


def enter_pkcs1(peer):
    peer.send({"type": "hello", "client_cert": peer.pem, "nonce": b64(os.urandom(16))})
    peer.server = x509.load_pem_x509_certificate(peer.receive("server_hello")["server_cert"].encode())
    key = peer.agree("dh_client", "dh_server", "A", "B", {"g": 2, "p": peer.prime})
    salt = os.urandom(16)
    pwd = b64(hashlib.sha256(salt + b"password").hexdigest().encode())
    account = {"type": "register", "email": "py@example.org", "username": "python", "pwd": pwd, "salt": b64(salt)}
    peer.send(peer.encrypt(key, json.dumps(account).encode()))
    peer.receive("success")


def main():
    port, certs, dialect, group = sys.argv[1:]
    peer = Peer(int(port), pathlib.Path(certs), dialect, group)
    (enter_pss if peer.pss else enter_pkcs1)(peer)
    peer.chat = peer.agree("dh_client", "dh_server", "A", "B", {"g": 2, "p": peer.prime})
    for seqno, text in enumerate(["hello", "zwölf"], 1):
        peer.say(seqno, text)
        if peer.pss:
            assert peer.hear() == f"Server acknowledges: '{text}'"
    if peer.pss:
        for seqno, error in [(1, "REPLAY"), (3, "SIG_FAIL")]:
            peer.send({"type": "msg", "seqno": seqno, "ts": 1, "ct": "AAAA", "sig": "AAAA"})
            assert peer.receive("error")["message"] == error
    own = {"type": "receipt", "peer": "server", "first_seq": 1, "last_seq": 2}
    peer.send({**own, "transcript_sha256": peer.hash(), "sig": peer.sign(peer.hash().encode())})
    receipt = peer.receive("receipt")
    said = 2 if peer.pss else 0
    assert (receipt["peer"], receipt["first_seq"], receipt["last_seq"]) == ("client", min(said, 1), said), receipt
    assert receipt["transcript_sha256"] == peer.hash(), receipt
    peer.verify(receipt["sig"], peer.hash().encode())
    print("OK")


main()
