"""Certificates, and a chat with its transcript and receipt."""

import base64
import hashlib
import json
import pathlib
import secrets
import threading
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.ciphers import modes

from wire import (
    b64,
    decrypt,
    decrypt_with_iv,
    encrypt,
    encrypt_with_iv,
    Fault,
    LINE,
    PKCS1,
    PSS_SIGN,
    PSS_VERIFY,
    sha256,
    tell,
)

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
