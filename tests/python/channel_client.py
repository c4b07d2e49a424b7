"""A client of the channel, written from docs/channel.md alone.

    channel_client.py connect < PARAMETERS.json     talks to an echo server, rekeys, closes in order
    channel_client.py vectors DIRECTORY             checks docs/vectors/channel

It exists to show that the page suffices; it is not hardened and not for use.
"""

import hashlib
import hmac
import json
import os
import pathlib
import socket
import struct
import sys
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.hashes import SHA256

M1, M2, M3, CLEAR_ALERT, SEALED_ALERT, RECORD = range(1, 7)  # CH-2
DATA, CONFIRM, R1, R2, R3, ASK, ALERT, CLOSE = range(1, 9)  # CH-46
CLASSES = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384)
SUITES = {1: AESGCM, 2: ChaCha20Poly1305}
SERVER_HANDSHAKE = "2.25.148359491468939756557176734159387943434.1.1"  # docs/identity.md, ID-11


def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def ext(salt, ikm):
    return mac(salt, ikm)


def exp(secret, label, context=b"", length=32):
    label = b"countersign v1 " + label.encode()
    info = struct.pack(">HB", length, len(label)) + label + bytes([len(context)]) + context
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(secret)


def len16(field):
    return struct.pack(">H", len(field)) + field


def len32(field):
    return struct.pack(">I", len(field)) + field


class Aead:
    """AEAD(s, n, ad, x) of CH-5."""

    def __init__(self, suite, secret):
        self.cipher = SUITES[suite](exp(secret, "key"))
        self.iv = exp(secret, "iv", b"", 12)

    def nonce(self, number):
        return bytes(a ^ b for a, b in zip(self.iv, struct.pack(">IQ", 0, number)))

    def seal(self, number, associated, plaintext):
        return self.cipher.encrypt(self.nonce(number), plaintext, associated)

    def open(self, number, associated, sealed):
        return self.cipher.decrypt(self.nonce(number), sealed, associated)


class Direction:
    """What one side sends in one epoch (CH-40 to CH-42)."""

    def __init__(self, suite, traffic, epoch):
        self.aead, self.epoch, self.number = Aead(suite, traffic), epoch, 0

    def seal(self, kind, content=b""):
        padded = next(size for size in CLASSES if size >= len(content))
        plaintext = content.ljust(padded, b"\0") + struct.pack(">BH", kind, len(content))
        header = struct.pack(">BIH", RECORD, self.epoch, len(plaintext) + 16)
        frame = header + self.aead.seal(self.number, header, plaintext)
        self.number += 1
        return frame

    def open(self, frame):
        header, body = frame[:7], frame[7:]
        frame_type, epoch, length = struct.unpack(">BIH", header)
        assert (frame_type, epoch, length) == (RECORD, self.epoch, len(body))
        plaintext = self.aead.open(self.number, header, body)
        self.number += 1
        padded, (kind, size) = plaintext[:-3], struct.unpack(">BH", plaintext[-3:])
        assert len(padded) == next(c for c in CLASSES if c >= size) and not any(padded[size:])
        return kind, padded[:size]


class Shares:
    """The client's shares of one exchange (CH-7, CH-50)."""

    def __init__(self):
        self.dh, self.kem = X25519PrivateKey.generate(), MLKEM768PrivateKey.generate()
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.request = self.dh.public_key().public_bytes(*raw) + self.kem.public_key().public_bytes(*raw)
        assert len(self.request) == 1216

    def finish(self, response):
        assert len(response) == 1120
        dh = self.dh.exchange(X25519PublicKey.from_public_bytes(response[:32]))
        assert any(dh)  # CH-15
        return self.kem.decapsulate(response[32:]), dh


def handshake_secrets(m1, m2p, ss_kem, ss_dh):
    """CH-16 as far as M2p goes."""
    s = {"th1": H(b"countersign v1 hs", len32(m1), len32(m2p))}
    s["hs"] = ext(bytes(32), ss_kem + ss_dh)
    s["c_hs"], s["s_hs"] = exp(s["hs"], "c hs", s["th1"]), exp(s["hs"], "s hs", s["th1"])
    s["ms"] = ext(exp(s["hs"], "derived", H(b"")), bytes(32))
    return s


def server_secrets(s, chain, signature):
    s["th2"] = H(s["th1"], chain)
    s["th3"] = H(s["th2"], signature)
    s["fin_s"] = mac(exp(s["s_hs"], "finished"), s["th3"])
    s["th4"] = H(s["th3"], s["fin_s"])


def client_secrets(s, chain, signature):
    s["th5"] = H(s["th4"], chain)
    s["th6"] = H(s["th5"], signature)
    s["fin_c"] = mac(exp(s["c_hs"], "finished"), s["th6"])
    s["th7"] = H(s["th6"], s["fin_c"])
    s["epoch_0"], s["exporter"] = exp(s["ms"], "epoch 0", s["th7"]), exp(s["ms"], "exporter", s["th7"])
    s["c_traffic"], s["s_traffic"] = exp(s["epoch_0"], "c traffic"), exp(s["epoch_0"], "s traffic")
    s["s_confirm"] = exp(s["epoch_0"], "s confirm", s["th7"])


def epoch_secrets(epoch, exporter, number, method, user, device, session_key, r1, r2, ss_kem, ss_dh):
    """CH-50."""
    s = {"th": H(b"countersign v1 epoch", struct.pack(">I", number), exporter, bytes([method]),
                 len16(user), len16(device), len32(r1), len32(r2))}
    s["epoch"] = exp(ext(epoch, ss_kem + ss_dh + len16(session_key)), "epoch", s["th"])
    s["c_traffic"], s["s_traffic"] = exp(s["epoch"], "c traffic"), exp(s["epoch"], "s traffic")
    s["c_confirm"] = exp(s["epoch"], "c confirm", s["th"])
    s["s_confirm"] = exp(s["epoch"], "s confirm", s["th"])
    return s


def split_chain(plaintext):
    """The encoded chain at the front, its certificates, and the rest (CH-12)."""
    at, certificates = 1, []
    for _ in range(plaintext[0]):
        (size,) = struct.unpack(">H", plaintext[at:at + 2])
        certificates.append(plaintext[at + 2:at + 2 + size])
        at += 2 + size
    return plaintext[:at], certificates, plaintext[at:]


def verify_chain(certificates, root_hash, now_ms):
    """CH-21, with as much of docs/identity.md as a test of the handshake needs."""
    assert H(certificates[-1]) == root_hash
    chain = [x509.load_der_x509_certificate(der) for der in certificates]
    now = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=now_ms)
    for certificate, issuer in zip(chain, chain[1:] + chain[-1:]):
        certificate.verify_directly_issued_by(issuer)
        assert certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    usages = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [usage.dotted_string for usage in usages] == [SERVER_HANDSHAKE]
    return chain[0].public_key()


class Client:
    def __init__(self, parameters):
        self.parameters = parameters
        self.socket = socket.create_connection((parameters["host"], parameters["port"]), timeout=60)
        self.shake_hands()

    def read(self, count):
        received = b""
        while len(received) < count:
            part = self.socket.recv(count - len(received))
            if not part:
                raise EOFError
            received += part
        return received

    def read_frame(self):
        header = self.read(7)
        return header + self.read(struct.unpack(">H", header[5:])[0])

    def shake_hands(self):
        p, shares = self.parameters, Shares()
        suites = struct.pack(">8H", *(p["suites"] + [0] * 8)[:8])
        m1 = struct.pack(">H", 1) + suites + os.urandom(32) + shares.request
        self.socket.sendall(struct.pack(">BIH", M1, 0, len(m1)) + m1)

        frame = self.read_frame()
        assert frame[:5] == bytes([M2, 0, 0, 0, 0]), frame[:8].hex()
        m2p, sealed = frame[7:7 + 1154], frame[7 + 1154:]
        (self.suite,) = struct.unpack(">H", m2p[:2])
        assert self.suite in p["suites"]
        s = handshake_secrets(m1, m2p, *shares.finish(m2p[34:]))
        plaintext = Aead(self.suite, s["s_hs"]).open(0, s["th1"], sealed)
        assert len(plaintext) % 1024 == 0 and len(plaintext) <= 8192
        chain, certificates, rest = split_chain(plaintext)
        signature, finished, pad = rest[:64], rest[64:96], rest[96:]
        server_secrets(s, chain, signature)
        assert hmac.compare_digest(finished, s["fin_s"]) and not any(pad) and len(pad) < 1024
        key = verify_chain(certificates, bytes.fromhex(p["root_sha256"]), p["now_ms"])
        key.verify(signature, b"countersign v1 server handshake\0" + s["th2"])

        own, signature = b"\0", b""
        if p["chain"]:
            own = bytes([len(p["chain"])]) + b"".join(len16(bytes.fromhex(c)) for c in p["chain"])
            key = serialization.load_der_private_key(bytes.fromhex(p["key_pkcs8"]), None)
            assert isinstance(key, Ed25519PrivateKey)
            signature = key.sign(b"countersign v1 client handshake\0" + H(s["th4"], own))
        client_secrets(s, own, signature)
        plaintext = (own + signature + s["fin_c"]).ljust(2048, b"\0")
        m3 = Aead(self.suite, s["c_hs"]).seal(0, s["th4"], plaintext)
        self.socket.sendall(struct.pack(">BIH", M3, 0, len(m3)) + m3)

        self.epoch, self.secret, self.exporter = 0, s["epoch_0"], s["exporter"]
        self.sending = Direction(self.suite, s["c_traffic"], 0)
        self.receiving = Direction(self.suite, s["s_traffic"], 0)
        assert self.receiving.open(self.read_frame()) == (CONFIRM, s["s_confirm"])

    def send(self, data):
        for at in range(0, len(data), 16384):
            self.socket.sendall(self.sending.seal(DATA, data[at:at + 16384]))

    def receive(self):
        """The next record that is not a request for a rekey, which is answered at once."""
        while True:
            kind, content = self.receiving.open(self.read_frame())
            assert kind != ALERT, f"alert {content[0]}"
            if kind != ASK:
                return kind, content
            self.rekey()

    def receive_data(self, size):
        received = b""
        while len(received) < size:
            kind, content = self.receive()
            assert kind == DATA and content
            received += content
        return received

    def rekey(self):
        """CH-50 to CH-55; data that come before R2 are kept by nobody, so none may be on their way."""
        shares, number = Shares(), self.epoch + 1
        r1 = struct.pack(">I", number) + shares.request
        self.socket.sendall(self.sending.seal(R1, r1))
        kind, r2 = self.receiving.open(self.read_frame())
        assert kind == R2 and struct.unpack(">I", r2[:4]) == (number,)
        login = self.parameters["login"]
        session_key = bytes.fromhex(login["opaque_session_key"]) if number == 1 else b""
        s = epoch_secrets(self.secret, self.exporter, number, login["method"], login["user"].encode(),
                          login["device"].encode(), session_key, r1, r2, *shares.finish(r2[4:]))
        self.receiving = Direction(self.suite, s["s_traffic"], number)
        self.socket.sendall(self.sending.seal(R3, struct.pack(">I", number)))
        self.sending = Direction(self.suite, s["c_traffic"], number)
        self.socket.sendall(self.sending.seal(CONFIRM, s["c_confirm"]))
        assert self.receiving.open(self.read_frame()) == (CONFIRM, s["s_confirm"])
        self.epoch, self.secret = number, s["epoch"]

    def close(self):
        self.socket.sendall(self.sending.seal(CLOSE))
        assert self.receive() == (CLOSE, b"")
        assert self.socket.recv(1) == b""


def connect(parameters):
    client = Client(parameters)

    def echo(data):
        client.send(data)
        assert client.receive_data(len(data)) == data

    echo(b"under epoch 0")
    client.rekey()
    echo(b"under epoch 1")
    client.rekey()
    echo(os.urandom(100_000))
    # The server answers this word with a request for a rekey, and then with the word.
    echo(b"rekey!")
    assert client.epoch == 3
    echo(b"under epoch 3")
    client.close()


def check(expected, computed, what):
    for name, value in expected.items():
        assert computed[name].hex() == value, f"{what}: {name}"


def check_handshake(inputs, secrets, what):
    i = {name: bytes.fromhex(value) for name, value in inputs.items()}
    s = handshake_secrets(i["m1"], i["m2p"], i["ss_kem"], i["ss_dh"])
    server_secrets(s, i["chain_s"], i["sig_s"])
    client_secrets(s, i["chain_c"], i["sig_c"])
    check(secrets, s, what)


def check_rekey(rekey, what):
    i = {name: bytes.fromhex(value) if isinstance(value, str) else value
         for name, value in rekey["inputs"].items()}
    s = epoch_secrets(i["epoch"], i["exporter"], i["number"], i["method"], i["user"], i["device"],
                      i["opaque_session_key"], i["r1"], i["r2"], i["ss_kem"], i["ss_dh"])
    check(rekey["secrets"], s, what)


def check_recording(vector, what):
    """Opens every sealed message and record of a recorded connection."""
    check_handshake(vector["inputs"], vector["secrets"], what)
    s = {name: bytes.fromhex(value) for name, value in vector["secrets"].items()}
    i = {name: bytes.fromhex(value) for name, value in vector["inputs"].items()}
    suite = vector["suite"]
    frames = [dict(entry, frame=bytes.fromhex(entry["frame"])) for entry in vector["frames"]]
    assert frames[0]["frame"] == struct.pack(">BIH", M1, 0, 1266) + i["m1"]
    m2, m3 = frames[1]["frame"][7:], frames[2]["frame"][7:]
    assert m2[:1154] == i["m2p"]
    plaintext = Aead(suite, s["s_hs"]).open(0, s["th1"], m2[1154:])
    assert plaintext.startswith(i["chain_s"] + i["sig_s"] + s["fin_s"])
    _, certificates, _ = split_chain(plaintext)
    key = verify_chain(certificates, H(bytes.fromhex(vector["root"])), vector["now_ms"])
    key.verify(i["sig_s"], b"countersign v1 server handshake\0" + s["th2"])
    plaintext = Aead(suite, s["c_hs"]).open(0, s["th4"], m3)
    assert plaintext == (i["chain_c"] + i["sig_c"] + s["fin_c"]).ljust(2048, b"\0")

    directions = {"client": Direction(suite, s["c_traffic"], 0), "server": Direction(suite, s["s_traffic"], 0)}
    confirms, rekeys, current = {"server": s["s_confirm"]}, iter(vector["rekeys"]), None
    for entry in frames[3:]:
        side, what_is_it = entry["from"], entry["what"]
        kind, content = directions[side].open(entry["frame"])
        if what_is_it == "confirm":
            assert (kind, content) == (CONFIRM, confirms.pop(side))
        elif what_is_it == "data":
            assert (kind, content.hex()) == (DATA, entry["content"])
        elif what_is_it == "R1":
            current = next(rekeys)
            check_rekey(current, what)
            assert (kind, content.hex()) == (R1, current["inputs"]["r1"])
        elif what_is_it in ("R2", "R3"):
            secrets, number = current["secrets"], current["inputs"]["number"]
            letter = side[0]
            confirms[side] = bytes.fromhex(secrets[f"{letter}_confirm"])
            directions[side] = Direction(suite, bytes.fromhex(secrets[f"{letter}_traffic"]), number)
            expected = (R2, current["inputs"]["r2"]) if what_is_it == "R2" else (R3, f"{number:08x}")
            assert (kind, content.hex()) == expected
        else:
            assert (what_is_it, kind, content) == ("close", CLOSE, b"")


def vectors(directory):
    def load(name):
        return json.loads((pathlib.Path(directory) / name).read_text())

    schedule = load("key-schedule.json")
    for case in schedule["exp"]:
        out = exp(bytes.fromhex(case["secret"]), case["label"], bytes.fromhex(case["context"]), case["length"])
        assert out.hex() == case["out"], case["label"]
    for case in schedule["handshakes"]:
        check_handshake(case["inputs"], case["secrets"], "key-schedule.json")
    for case in schedule["rekeys"]:
        check_rekey(case, "key-schedule.json")
    for entry in load("records.json")["directions"]:
        traffic = exp(bytes.fromhex(entry["epoch_secret"]), f"{entry['from'][0]} traffic")
        sealing = Direction(entry["suite"], traffic, entry["epoch"])
        opening = Direction(entry["suite"], traffic, entry["epoch"])
        kinds = {"data": DATA, "confirm": CONFIRM, "alert": ALERT, "close": CLOSE}
        for record in entry["records"]:
            kind, content = kinds[record["kind"]], bytes.fromhex(record["content"])
            assert sealing.seal(kind, content).hex() == record["frame"]
            assert opening.open(bytes.fromhex(record["frame"])) == (kind, content)
    for name in ("handshake-certified.json", "handshake-anonymous.json"):
        check_recording(load(name), name)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["connect"]:
            connect(json.load(sys.stdin))
        case ["vectors", directory]:
            vectors(directory)
        case _:
            sys.exit(__doc__)
