"""Servers and clients of two classic protocols, written from docs/classic.md alone, as simple as programs that exist.

    classic_peers.py key-transport server FOLDER         the key in FOLDER is made if it is not there
    classic_peers.py key-transport client PORT           says the lines that are typed
    classic_peers.py broadcast server FILE own|modp-14   users are in FILE
    classic_peers.py broadcast client PORT register|login NAME PASSWORD

A server prints READY and its port; all print a JSON string for each text that they hear. What they read at once they take for
one message: it exists to show that ours gets along with that.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import socket
import sys
import threading
import warnings

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import dh, rsa
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

warnings.filterwarnings("ignore")  # Diffie-Hellman over finite fields is out of fashion

PEM = serialization.Encoding.PEM
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
OAEP = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
PSS = rsa_padding.PSS(rsa_padding.MGF1(hashes.SHA256()), rsa_padding.PSS.MAX_LENGTH)

# `openssl dhparam 2048`: a group that no library knows, written as PKCS#3.
OWN = """-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEArJAFYLoTMYXTlFXrdvkpIlEKznGzYg1ch1xk7HJSzS29f9Bndo/K
k4fBGFXJauRGO54QHvh9YwJjqmyFFJ9uERRVr9DScuNMcBEnah4zJQeI+BCJawTo
5KIrTa/abrHNwLVTzFZDN4wwwo9b9z5kRAXCr8zwgIRrmkfE+rmXEhEveXB1FeNI
8KK8KFY5SzI5GJjR48gHKx9Pzpi5L56DsitDxsx4+Bz3Bj7uvibQQ4Q42Wzd7YUx
UX6s7L+UEG1Yv/h9A5Ocz304Sbn1J3VoCJ3IUeRBJMZMtpkI9bKNoivuIginiR8N
Ez4ljlt7Zpx7maqPIVMFaWHGmbV2JT5LvwIBAg==
-----END DH PARAMETERS-----
"""
MODP_14 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)


def b64(data):
    return base64.b64encode(data).decode()


def tell(text):
    print(json.dumps(text), flush=True)


def cbc(key, iv):
    return Cipher(algorithms.AES(key), modes.CBC(iv))


def encrypt(key, iv, text):
    padder = padding.PKCS7(128).padder()
    encryptor = cbc(key, iv).encryptor()
    return encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()


def decrypt(key, iv, data):
    unpadder = padding.PKCS7(128).unpadder()
    decryptor = cbc(key, iv).decryptor()
    return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()


def listen(session, *arguments):
    listener = socket.create_server(("127.0.0.1", 0))
    print("READY", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=session, args=(connection, *arguments), daemon=True).start()


def typed():
    return (line.rstrip("\n") for line in sys.stdin)


# key-transport (CL-40 to CL-46)


def until_blank_line(connection):
    """What follows the blank line in the same piece is lost."""
    data = b""
    while b"\n\n" not in data:
        piece = connection.recv(4096)
        if not piece:
            return None
        data += piece
    return data.split(b"\n\n")[0]


def key_transport_key(folder):
    path = pathlib.Path(folder, "server_key.pem")
    if path.exists():
        return serialization.load_pem_private_key(path.read_bytes(), None)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(
        key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
    return key


def key_transport_session(connection, key):
    connection.sendall(b"SERVER_PUB\n" + key.public_key().public_bytes(PEM, SPKI) + b"\n\n")
    connection.settimeout(10)
    delivery = json.loads(until_blank_line(connection))
    blob = key.decrypt(base64.b64decode(delivery["enc_session"]), OAEP)
    client = serialization.load_pem_public_key(base64.b64decode(delivery["client_pub"]))
    client.verify(base64.b64decode(delivery["client_sig"]), blob, PSS, hashes.SHA256())
    assert len(blob) == 48 and client.key_size == 2048
    connection.settimeout(None)
    while (data := until_blank_line(connection)) is not None:
        message = json.loads(data)
        assert list(message) == ["cipher", "hmac"]
        cipher = base64.b64decode(message["cipher"])
        code = hmac.new(blob[:32], cipher, hashlib.sha256).digest()
        assert hmac.compare_digest(code, base64.b64decode(message["hmac"]))
        tell(decrypt(blob[:32], blob[32:], cipher).decode())
    connection.close()
    tell("(left)")


def key_transport_client(port):
    connection = socket.create_connection(("127.0.0.1", port))
    data = b""
    while not data.endswith(b"\n\n\n"):
        piece = connection.recv(4096)
        assert piece, "the server left"
        data += piece
    assert data.startswith(b"SERVER_PUB\n")
    server = serialization.load_pem_public_key(data.removeprefix(b"SERVER_PUB\n"))
    blob = os.urandom(48)
    client = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    delivery = {
        "enc_session": b64(server.encrypt(blob, OAEP)),
        "client_pub": b64(client.public_key().public_bytes(PEM, SPKI)),
        "client_sig": b64(client.sign(blob, PSS, hashes.SHA256())),
    }
    connection.sendall(json.dumps(delivery).encode() + b"\n\n")
    for line in typed():
        cipher = encrypt(blob[:32], blob[32:], line.encode())
        code = hmac.new(blob[:32], cipher, hashlib.sha256).digest()
        connection.sendall(json.dumps({"cipher": b64(cipher), "hmac": b64(code)}).encode() + b"\n\n")
    connection.close()


# broadcast (CL-50 to CL-57)


def receive(connection):
    """One object for what is read at once."""
    data = connection.recv(4096)
    return json.loads(data) if data else None


def send(connection, message):
    connection.sendall(json.dumps(message).encode())


def room_key(private, peer):
    secret = private.exchange(peer)
    return HKDF(hashes.SHA256(), 32, None, b"handshake data").derive(secret)[:16]


def seal(key, text):
    iv = os.urandom(16)
    return {"type": "message", "data": b64(iv + encrypt(key, iv, text.encode()))}


def unseal(key, message):
    assert message["type"] == "message"
    data = base64.b64decode(message["data"])
    return decrypt(key, data[:16], data[16:]).decode()


class Room:
    def __init__(self, users, group):
        self.users = pathlib.Path(users)
        own = serialization.load_pem_parameters(OWN.encode())
        self.group = own if group == "own" else dh.DHParameterNumbers(MODP_14, 2).parameters()
        self.key = self.group.generate_private_key()
        self.members = {}
        self.lock = threading.Lock()

    def answer(self, request):
        users = json.loads(self.users.read_text()) if self.users.exists() else {}
        name, password = request["username"], request["password"].encode()
        if request["type"] == "register":
            if name in users:
                return {"type": "register_response", "success": False, "message": "Username already exists"}
            salt = os.urandom(16)
            users[name] = {"salt": b64(salt), "hash": hashlib.sha256(salt + password).hexdigest()}
            self.users.write_text(json.dumps(users))
            return {"type": "register_response", "success": True, "message": "Registration successful"}
        answer = {"type": "login_response", "success": False, "message": "Username not found"}
        if name in users:
            answer["message"] = "Invalid password"
            salt = base64.b64decode(users[name]["salt"])
            if hashlib.sha256(salt + password).hexdigest() == users[name]["hash"]:
                public = self.key.public_key().public_bytes(PEM, SPKI)
                parameters = self.group.parameter_bytes(PEM, serialization.ParameterFormat.PKCS3)
                answer |= {"success": True, "message": "Authentication successful"}
                answer |= {"dh_params": b64(parameters), "public_key": b64(public)}
        return answer

    def say(self, text, speaker):
        with self.lock:
            for connection, key in self.members.items():
                if connection is not speaker:
                    send(connection, seal(key, text))

    def session(self, connection):
        answer = {"success": False}
        while not (answer["success"] and "dh_params" in answer):
            request = receive(connection)
            if request is None:
                return
            answer = self.answer(request)
            send(connection, answer)
        name = request["username"]
        peer = serialization.load_pem_public_key(base64.b64decode(receive(connection)["public_key"]))
        key = room_key(self.key, peer)
        with self.lock:
            self.members[connection] = key
        self.say(f"User {name} has joined the chat", connection)
        tell(f"{name} is in")
        while (message := receive(connection)) is not None:
            text = unseal(key, message)
            tell(f"{name}: {text}")
            self.say(f"{name}: {text}", connection)
        with self.lock:
            del self.members[connection]
        self.say(f"User {name} has left the chat", connection)
        tell(f"{name} is out")
        connection.close()


def hear(connection, key):
    while (message := receive(connection)) is not None:
        tell(unseal(key, message))


def broadcast_client(port, what, name, password):
    connection = socket.create_connection(("127.0.0.1", port))
    if what == "register":
        send(connection, {"type": "register", "username": name, "password": password})
        tell(receive(connection)["message"])
    send(connection, {"type": "login", "username": name, "password": password})
    answer = receive(connection)
    tell(answer["message"])
    if not answer["success"]:
        sys.exit(1)
    group = serialization.load_pem_parameters(base64.b64decode(answer["dh_params"]))
    server = serialization.load_pem_public_key(base64.b64decode(answer["public_key"]))
    private = group.generate_private_key()
    public = private.public_key().public_bytes(PEM, SPKI)
    send(connection, {"type": "dh_key", "public_key": b64(public)})
    key = room_key(private, server)
    threading.Thread(target=hear, args=(connection, key), daemon=True).start()
    for line in typed():
        if line == "exit":
            break
        send(connection, seal(key, line))
    connection.close()


def main(protocol, role, *arguments):
    match protocol, role:
        case "key-transport", "server":
            listen(key_transport_session, key_transport_key(*arguments))
        case "key-transport", "client":
            key_transport_client(int(arguments[0]))
        case "broadcast", "server":
            listen(Room(*arguments).session)
        case "broadcast", "client":
            broadcast_client(int(arguments[0]), *arguments[1:])


main(*sys.argv[1:])
