"""The users of a server, in memory."""

import hashlib
import secrets


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
