"""Users as the classic programs keep them: registers and logs in, without any code of ours.

usage: classic_users.py mysql PORT USER PASSWORD DATABASE SCHEMA create
       classic_users.py mysql PORT USER PASSWORD DATABASE SCHEMA register EMAIL NAME PASSWORD
       classic_users.py mysql PORT USER PASSWORD DATABASE SCHEMA login EMAIL PASSWORD
       classic_users.py file FILE register NAME PASSWORD
       classic_users.py file FILE login NAME PASSWORD

It prints registered, taken, in, nobody or wrong password.
"""

import base64
import hashlib
import json
import os
import sys

import pymysql

TABLES = {
    "cianr-pss": """CREATE TABLE IF NOT EXISTS users (
        id INT AUTO_INCREMENT PRIMARY KEY,
        email VARCHAR(255) UNIQUE NOT NULL,
        username VARCHAR(255) UNIQUE NOT NULL,
        salt VARBINARY(16) NOT NULL,
        pwd_hash CHAR(64) NOT NULL,
        registration_date TIMESTAMP DEFAULT CURRENT_TIMESTAMP)""",
    "cianr-pkcs1": """CREATE TABLE IF NOT EXISTS users (
        email VARCHAR(255) PRIMARY KEY,
        username VARCHAR(255) UNIQUE NOT NULL,
        salt VARBINARY(16) NOT NULL,
        pwd_hash CHAR(64) NOT NULL)""",
    "cianr-line": """CREATE TABLE IF NOT EXISTS users (
        id INT AUTO_INCREMENT PRIMARY KEY,
        email VARCHAR(255) UNIQUE,
        username VARCHAR(255) UNIQUE,
        salt BINARY(16),
        pwd_hash BINARY(32))""",
}


def in_table(port, user, password, database, schema, action, *words):
    connection = pymysql.connect(
        host="127.0.0.1", port=int(port), user=user, password=password, database=database, charset="utf8mb4"
    )
    with connection, connection.cursor() as cursor:
        if action == "create":
            cursor.execute(TABLES[schema])
            return "created"
        digest = lambda salt, word: hashlib.sha256(salt + word.encode())
        binary = schema == "cianr-line"
        if action == "register":
            email, name, word = words
            salt = os.urandom(16)
            stored = digest(salt, word).digest() if binary else digest(salt, word).hexdigest()
            try:
                cursor.execute(
                    "INSERT INTO users (email, username, salt, pwd_hash) VALUES (%s, %s, %s, %s)",
                    (email, name, salt, stored),
                )
                connection.commit()
            except pymysql.err.IntegrityError:
                return "taken"
            return "registered"
        email, word = words
        cursor.execute("SELECT salt, pwd_hash FROM users WHERE email = %s", (email,))
        row = cursor.fetchone()
        if row is None:
            return "nobody"
        found = digest(row[0], word)
        return "in" if row[1] == (found.digest() if binary else found.hexdigest()) else "wrong password"


def in_file(path, action, name, word):
    credentials = {}
    if os.path.exists(path):
        with open(path) as file:
            credentials = json.load(file)
    if action == "register":
        if name in credentials:
            return "taken"
        salt = os.urandom(16)
        stored = hashlib.sha256(salt + word.encode()).hexdigest()
        credentials[name] = {"salt": base64.b64encode(salt).decode(), "hash": stored}
        with open(path, "w") as file:
            json.dump(credentials, file)
        return "registered"
    if name not in credentials:
        return "nobody"
    salt = base64.b64decode(credentials[name]["salt"])
    return "in" if hashlib.sha256(salt + word.encode()).hexdigest() == credentials[name]["hash"] else "wrong password"


if __name__ == "__main__":
    print({"mysql": in_table, "file": in_file}[sys.argv[1]](*sys.argv[2:]))
