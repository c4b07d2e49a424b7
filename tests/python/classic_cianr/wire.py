"""Frames, ciphers and Diffie-Hellman of the dialects of cianr."""

import base64
import hashlib
import json
import secrets

from cryptography.hazmat.primitives import hashes, padding
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
