"""Servers, clients and a verifier of the three dialects of cianr, written from the description of the programs that exist alone,
and as simple as they are.

    classic_cianr.py DIALECT server CERTS OUT [turns] [weak]   prints its port; says the lines that are typed
    classic_cianr.py DIALECT client CERTS OUT [weak] PORT [ACCOUNTS] register|login EMAIL NAME PASSWORD
    classic_cianr.py DIALECT verify CERTS RECEIPT

CERTS is a folder of certificates, OUT one for transcripts. Each line that is printed is a JSON object. With "turns" a server of
cianr-pkcs1 sends a line, waits for one, and so on; "weak" is the group of 768 bits. Where it speaks second in an exchange it
looks for a secret with a leading zero byte, which happens once in 256 exchanges otherwise.
"""

import base64
import hashlib
import json
import pathlib
import queue
import secrets
import socket
import sys
import threading
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

MODP_14 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)
OAKLEY_1 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF",
    16,
)
PSS_SIGN = rsa_padding.PSS(rsa_padding.MGF1(hashes.SHA256()), rsa_padding.PSS.MAX_LENGTH)
PSS_VERIFY = rsa_padding.PSS(rsa_padding.MGF1(hashes.SHA256()), rsa_padding.PSS.AUTO)
PKCS1 = rsa_padding.PKCS1v15()
LINE = "cianr-line"


class Fault(Exception):
    """What the other side did wrong, in the words that it is told."""


def b64(data):
    return base64.b64encode(data).decode()


def tell(**what):
    print(json.dumps(what), flush=True)


def sha256(data):
    return hashlib.sha256(data).digest()


# Bytes


class Wire:
    def __init__(self, connection, dialect):
        self.connection, self.dialect, self.buffer = connection, dialect, b""

    def bytes(self, count):
        while len(self.buffer) < count:
            piece = self.connection.recv(4096)
            if not piece:
                raise EOFError
            self.buffer += piece
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def frame(self):
        if self.dialect != LINE:
            return self.bytes(int.from_bytes(self.bytes(4), "big"))
        line = b""
        while not line.endswith(b"\n"):
            line += self.bytes(1)
        return line

    def send_frame(self, data):
        if self.dialect == LINE:
            self.connection.sendall(data + b"\n")
        else:
            self.connection.sendall(len(data).to_bytes(4, "big") + data)

    def send(self, kind, **fields):
        self.send_frame(json.dumps({"type": kind, **fields}).encode())

    def receive(self, kind):
        message = json.loads(self.frame())
        if message["type"] == "error":
            raise PermissionError(message.get("message", message.get("msg")))
        assert message["type"] == kind, message
        return message


def pad(text):
    padder = padding.PKCS7(128).padder()
    return padder.update(text) + padder.finalize()


def unpad(text):
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(text) + unpadder.finalize()


def encrypt(key, mode, text):
    encryptor = Cipher(algorithms.AES(key), mode).encryptor()
    return encryptor.update(pad(text)) + encryptor.finalize()


def decrypt(key, mode, data):
    decryptor = Cipher(algorithms.AES(key), mode).decryptor()
    return unpad(decryptor.update(data) + decryptor.finalize())


def encrypt_with_iv(key, text):
    iv = secrets.token_bytes(16)
    return iv + encrypt(key, modes.CBC(iv), text)


def decrypt_with_iv(key, data):
    return decrypt(key, modes.CBC(data[:16]), data[16:])


# Diffie-Hellman


class Share:
    def __init__(self, prime, generator, dialect):
        self.prime, self.generator, self.dialect = prime, generator, dialect
        self.secret = secrets.randbits(256)

    @property
    def public(self):
        return pow(self.generator, self.secret, self.prime)

    def agree(self, value, second=False):
        if not 1 < value < self.prime - 1:
            raise Fault("DH value out of range")
        width = (self.prime.bit_length() + 7) // 8
        z = pow(value, self.secret, self.prime)
        while second and z.bit_length() > 8 * (width - 1):
            self.secret = secrets.randbits(256)
            z = pow(value, self.secret, self.prime)
        if self.dialect != LINE:
            width = (z.bit_length() + 7) // 8
        return sha256(z.to_bytes(width, "big"))[:16]


# Certificates


class Identity:
    def __init__(self, folder, role, dialect):
        certificate, key = (".cert.pem", ".key.pem") if dialect == LINE else (".crt", ".key")
        folder = pathlib.Path(folder)
        self.file = folder / (role + certificate)
        self.pem = self.file.read_bytes()
        self.certificate = x509.load_pem_x509_certificate(self.pem)
        self.key = serialization.load_pem_private_key((folder / (role + key)).read_bytes(), None)
        self.ca = x509.load_pem_x509_certificate((folder / ("ca" + certificate)).read_bytes())


def signed_by(certificate, ca):
    try:
        ca.public_key().verify(
            certificate.signature, certificate.tbs_certificate_bytes, PKCS1, certificate.signature_hash_algorithm
        )
        return True
    except InvalidSignature:
        return False


def check_certificate(pem, identity, dialect, role):
    """Each dialect checks what it checks, and says it in its own words."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise Fault("bad cert" if dialect == LINE else "BAD_CERT: no certificate") from None
    now = time.time()
    current = (
        certificate.not_valid_before_utc.timestamp() <= now <= certificate.not_valid_after_utc.timestamp()
    )
    if dialect == LINE:
        if certificate.issuer != identity.ca.subject or not current or not signed_by(certificate, identity.ca):
            raise Fault("bad cert")
        return certificate
    if not signed_by(certificate, identity.ca):
        raise Fault("BAD_CERT: Invalid signature")
    if not current:
        raise Fault("BAD_CERT: Certificate expired")
    name = role if dialect == "cianr-pss" else role + ".local"
    if common_name(certificate) != name:
        raise Fault("BAD_CERT: Certificate CN mismatch")
    return certificate


def common_name(certificate):
    return certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value


def der_fingerprint(certificate):
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


# Messages, transcripts, receipts


def signed_bytes(dialect, seqno, ts, ct):
    parts = f"{seqno}{ts}{ct}".encode()
    return parts if dialect == "cianr-pss" else sha256(parts)


def sign(dialect, key, data):
    return b64(key.sign(data, PSS_SIGN if dialect == "cianr-pss" else PKCS1, hashes.SHA256()))


def verifies(dialect, certificate, data, signature):
    scheme = PSS_VERIFY if dialect == "cianr-pss" else PKCS1
    try:
        certificate.public_key().verify(base64.b64decode(signature), data, scheme, hashes.SHA256())
        return True
    except InvalidSignature:
        return False


class Chat:
    def __init__(self, wire, dialect, role, identity, peer_pem, key, out):
        self.wire, self.dialect, self.role, self.identity, self.key = wire, dialect, role, identity, key
        self.peer_pem, self.peer = peer_pem, x509.load_pem_x509_certificate(peer_pem)
        self.out = pathlib.Path(out)
        self.sent = self.last = 0
        self.lines = []
        self.lock = threading.Lock()
        self.receipt = None

    def note(self, message, sender):
        line = f"{message['seqno']}|{message['ts']}|{message['ct']}|{message['sig']}|"
        if self.dialect == LINE:
            # Of the other side, whoever sent it. The second is how the other side writes the same line.
            ours, theirs = (sha256(b64(pem).encode()).hex()[:16] for pem in (self.peer_pem, self.identity.pem))
            self.lines.append((line + ours, line + theirs))
        else:
            self.lines.append((line + der_fingerprint(sender),) * 2)

    def transcript(self, of_peer=False):
        lines = [line[1 if of_peer else 0] for line in self.lines]
        if self.dialect == "cianr-pss":
            return "\n".join(lines).encode()
        return "".join(line + "\n" for line in lines).encode()

    def say(self, text):
        with self.lock:
            if self.receipt or not text:
                return
            self.sent += 1
            ts = int(time.time() * 1000)
            data, extra = text.encode(), {}
            if self.dialect == "cianr-pss":
                ct = encrypt_with_iv(self.key, data)
            elif self.dialect == "cianr-pkcs1":
                ct = encrypt(self.key, modes.ECB(), data)
            else:
                iv = secrets.token_bytes(16)
                ct, extra = encrypt(self.key, modes.CBC(iv), data), {"iv": b64(iv)}
            ct = b64(ct)
            sig = sign(self.dialect, self.identity.key, signed_bytes(self.dialect, self.sent, ts, ct))
            message = {"seqno": self.sent, "ts": ts, **extra, "ct": ct, "sig": sig}
            self.wire.send("msg", **message)
            self.note(message, self.identity.certificate)

    def accept(self, message):
        replay, forged = "REPLAY", "SIG_FAIL"
        if self.dialect == LINE:
            replay, forged = "replay/sequence error", "bad signature"
        if message["seqno"] <= self.last:
            raise Fault(replay)
        self.last = message["seqno"]
        data = signed_bytes(self.dialect, message["seqno"], message["ts"], message["ct"])
        if not verifies(self.dialect, self.peer, data, message["sig"]):
            raise Fault(forged)
        ct = base64.b64decode(message["ct"], validate=True)
        if self.dialect == "cianr-pss":
            text = decrypt_with_iv(self.key, ct)
        elif self.dialect == "cianr-pkcs1":
            text = decrypt(self.key, modes.ECB(), ct)
        else:
            text = decrypt(self.key, modes.CBC(base64.b64decode(message["iv"])), ct)
        self.note(message, self.peer)
        tell(heard=text.decode())
        return text.decode()

    def leave(self):
        with self.lock:
            if self.receipt:
                return
            if self.dialect == LINE and self.role == "client":
                self.receipt = "bye"
                self.wire.send("bye")
                return
            digest = hashlib.sha256(self.transcript()).hexdigest()
            signature = sign(self.dialect, self.identity.key, digest.encode())
            self.receipt = {"receipt_hash": digest, "signature_b64": signature}
            fields = {}
            if self.dialect != LINE:
                peer = "client" if self.role == "server" else "server"
                fields = {"peer": peer, "first_seq": min(self.sent, 1), "last_seq": self.sent}
            self.wire.send("receipt", **fields, transcript_sha256=digest, sig=signature)

    def listen(self, turn=None):
        """Until the other side has left; `turn` says something after each text that is heard."""
        while True:
            message = json.loads(self.wire.frame())
            if message["type"] == "msg":
                with self.lock:
                    text = self.accept(message)
                if self.dialect == "cianr-pss" and self.role == "server":
                    self.say(f"Server acknowledges: '{text}'")
                if turn:
                    turn()
            elif message["type"] == "receipt":
                digest = message["transcript_sha256"]
                good = verifies(self.dialect, self.peer, digest.encode(), message["sig"])
                same = hashlib.sha256(self.transcript(of_peer=True)).hexdigest() == digest
                if self.dialect != LINE:
                    numbers = message["first_seq"], message["last_seq"]
                    same = same and message["peer"] == self.role and numbers == (min(self.last, 1), self.last)
                tell(receipt=good, same=same, keys=[key for key in message if key not in ("type", "sig")])
                break
            elif message["type"] == "bye" and self.dialect == LINE and self.role == "server":
                break
            else:
                raise PermissionError(message.get("message", message.get("msg", "?")))
        self.leave()

    def save(self):
        stem = "client" if self.role == "server" else "server"
        names = ("_transcript.log", "_session_receipt.json")
        if self.dialect != "cianr-pss":
            stem = f"{self.role}_vs_{common_name(self.peer)}_{int(time.time() * 1000)}"
            names = (".log", "_receipt.json")
        self.out.mkdir(exist_ok=True)
        transcript, receipt = (self.out / (stem + name) for name in names)
        transcript.write_bytes(self.transcript())
        peer = self.out / (stem + "_peer.crt")
        peer.write_bytes(self.peer_pem)
        if isinstance(self.receipt, dict):
            files = {"our_cert_file": self.identity.file, "peer_cert_file": peer, "transcript_file": transcript}
            kept = {**self.receipt, **{key: str(path) for key, path in files.items()}}
            receipt.write_text(json.dumps(kept, indent=2))
        tell(saved=str(receipt))


# Accounts


class Users:
    def __init__(self):
        self.rows = {}

    def register(self, email, username, salt, digest):
        if email in self.rows or any(row[0] == username for row in self.rows.values()):
            return False
        self.rows[email] = (username, salt, digest)
        return True

    def logs_in(self, email, password):
        row = self.rows.get(email)
        return row is not None and hashlib.sha256(row[1] + password).hexdigest() == row[2]


def salted(password):
    salt = secrets.token_bytes(16)
    return salt, hashlib.sha256(salt + password).hexdigest()


# Servers


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


# Clients


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


# The verifier


def verify(dialect, certs, path):
    receipt = json.loads(pathlib.Path(path).read_text())
    ca = Identity(certs, "client", dialect).ca
    own, peer = (
        x509.load_pem_x509_certificate(pathlib.Path(receipt[name]).read_bytes())
        for name in ("our_cert_file", "peer_cert_file")
    )
    transcript = pathlib.Path(receipt["transcript_file"]).read_bytes()
    if not signed_by(own, ca) or not signed_by(peer, ca):
        return "certificates"
    if hashlib.sha256(transcript).hexdigest() != receipt["receipt_hash"]:
        return "hash"
    if not verifies(dialect, own, receipt["receipt_hash"].encode(), receipt["signature_b64"]):
        return "signature"
    last = {der_fingerprint(own): 0, der_fingerprint(peer): 0}
    senders = {der_fingerprint(own): own, der_fingerprint(peer): peer}
    other = sha256(b64(pathlib.Path(receipt["peer_cert_file"]).read_bytes()).encode()).hex()[:16]
    for line in transcript.decode().splitlines():
        seqno, ts, ct, sig, sender = line.split("|")
        signed = signed_bytes(dialect, seqno, ts, ct)
        if dialect == LINE:
            if sender != other:
                return "fingerprint"
            sender = next((name for name in senders if verifies(dialect, senders[name], signed, sig)), None)
        if sender is None or not verifies(dialect, senders[sender], signed, sig):
            return "message"
        if int(seqno) <= last[sender]:
            return "sequence"
        last[sender] = int(seqno)
    return "valid"


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
