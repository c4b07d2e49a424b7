"""Checks an evidence bundle: an independent reading of docs/evidence.md.

usage: bundle_check.py FILE [--root sha256:HEX]      prints one JSON object: verdict, problem, said
       bundle_check.py --vectors FOLDER              checks hashes, contents, log and objects

COSE by pycose, CBOR by cbor2, X.509 and Ed25519 by cryptography. Rules are cited as in the page.
"""

import base64
import datetime
import hashlib
import io
import json
import pathlib
import re
import struct
import sys
import tarfile

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from pycose.keys import OKPKey
from pycose.messages import Sign1Message

TYP = "application/vnd.countersign."
ROOM, SEQ, TIME, EPOCH, CIPHERTEXT, CHECKPOINT = range(-65537, -65543, -1)
EMPTY = hashlib.sha256().digest()
TOLERANCE = 310_000
MAX_RECEIPT, MAX_UNOPENED = 16_384, 512
MAX_DEVICES = 2_048
MAX_ERASED, MAX_ERASURE_REASON = 512, 512
CREATE, ADD, REMOVE, LEAVE, UPDATE, RETURN, RENEW = range(7)
DEVICE, LOG, COSIGNER = 2, 3, 4


class Bad(Exception):
    pass


def need(condition, code):
    if not condition:
        raise Bad(code)


def H(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def dcbor(value):
    return cbor2.dumps(value, canonical=True)


def strict(raw):
    """EV-1"""
    try:
        value = cbor2.loads(raw)
    except cbor2.CBORDecodeError:
        raise Bad("malformed") from None
    need(dcbor(value) == raw, "malformed")
    return value


def sequence(raw):
    stream, items = io.BytesIO(raw), []
    while stream.tell() < len(raw):
        start = stream.tell()
        value = cbor2.load(stream)
        items.append((value, raw[start : stream.tell()]))
    return items


def ed25519(key, signature, message, code):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        raise Bad(code) from None


# 5. The log


def leaf_hash(entry):
    return H(b"\0", entry)


def node(left, right):
    return H(b"\1", left, right)


class Compact:
    """EV-22; `peaks` are (level, hash), largest first."""

    def __init__(self):
        self.size, self.peaks, self.roots = 0, [], {0: EMPTY}

    def push(self, root, level=0):
        self.peaks.append((level, root))
        self.size += 1 << level
        while len(self.peaks) > 1 and self.peaks[-1][0] == self.peaks[-2][0]:
            (level, right), (_, left) = self.peaks.pop(), self.peaks.pop()
            self.peaks.append((level + 1, node(left, right)))
        self.roots[self.size] = self.root()

    def root(self):
        root = None
        for _, peak in reversed(self.peaks):
            root = peak if root is None else node(peak, root)
        return EMPTY if root is None else root

    def fill(self, end, proof):
        """EV-23"""
        while self.size < end:
            level = 0
            while self.size % (2 << level) == 0 and self.size + (2 << level) <= end:
                level += 1
            need(proof, "log")
            self.push(proof.pop(0), level)


def inclusion_root(index, size, leaf, path):
    """RFC 9162, section 2.1.3.2"""
    need(index < size, "directory")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        need(sn != 0, "directory")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "directory")
    return r


# 3. Signed objects


def cose(raw, typ, key=None, certificate=None):
    """EV-9, EV-10: the header map and payload of a verified object."""
    message = Sign1Message.decode(raw)
    tagged = cbor2.loads(raw)
    protected, unprotected, payload, signature = tagged.value
    header = strict(protected)
    need(header.get(16) == TYP + typ, "statement")
    need(tagged.tag == 18 and unprotected == {} and len(signature) == 64, "statement")
    need(dcbor(tagged) == raw and header[1] == -8 and header[34][0] == -16, "statement")
    labels = {
        "statement-v1+cose": [1, 16, 34, 258, 259, ROOM, SEQ, TIME, EPOCH, CIPHERTEXT, CHECKPOINT],
        "membership-v1+cose": [1, 16, 34, ROOM, SEQ, TIME, EPOCH, CHECKPOINT],
        "revocation-v1+cose": [1, 16, 34, ROOM, SEQ, TIME, EPOCH, CHECKPOINT],
        "erasure-v1+cose": [1, 16, 34, ROOM, SEQ, TIME, EPOCH, CHECKPOINT],
        "device-v1+cose": [1, 16, 34, TIME],
        "receipt-v1+cose": [1, 16, 34, ROOM, TIME, CHECKPOINT],
        "refusal-v1+cose": [1, 16, 34, ROOM, TIME],
    }[typ]
    need(list(header) == labels, "statement")
    if 258 in header:
        need(header[258] == -16 and header[259] == TYP + "commitment-v1+cbor", "statement")
    if certificate is not None:
        need(header[34][1] == certificate, "signature")
    if key is not None:
        message.key = OKPKey(crv="ED25519", x=key)
        need(message.verify_signature(), "signature")
    return header, payload


def typ_of(raw):
    return strict(cbor2.loads(raw).value[0])[16].removeprefix(TYP)


# 1, 2. Rooms and content


def room_id(organisation, creator, mode, parties, suite, nonce):
    """EV-3"""
    return H(dcbor(["countersign v1 room", organisation, creator, mode, parties, suite, nonce]))


def digest(number, salt, value):
    """EV-7"""
    return H(dcbor(["countersign v1 field", number, salt, value]))


BARS = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
FILE_NAME_BARS, TEXT_BARS = re.compile(rf"[/\\{BARS}]"), re.compile(f"[{BARS}]")
NAME = re.compile("[a-z0-9]+(-[a-z0-9]+)*")
RESERVED = "admin administrator all anonymous countersign everyone here me nobody root security server support system"
REPLY, EDIT, REACTION, MENTIONS, DELETION = 4, 5, 6, 8, 9
STANDS_WITHOUT = {EDIT: {4, 7}, REACTION: {1, 4, 5, 7, 8, 9}, DELETION: {1, 4, 5, 6, 7, 8}}
STANDS_BESIDE = {REPLY: {1, 7}, EDIT: {1}, MENTIONS: {1}}
MEDIA_TYPE = re.compile("[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def attachments(fields, code):
    """EV-6: what is told of the files of field 7, each of which follows the rules."""
    if 7 not in fields:
        return []
    files, told = fields[7], []
    need(isinstance(files, list) and 1 <= len(files) <= 16, code)
    for file in files:
        need(isinstance(file, list) and file and type(file[0]) is int, code)
        need((file[0], len(file)) in ((0, 6), (1, 7)), code)
        form, name, media_type, size, sha256, *body = file
        need(isinstance(name, str) and 1 <= len(name.encode()) <= 255, code)
        need(name not in (".", "..") and not FILE_NAME_BARS.search(name), code)
        if media_type is not None:
            need(isinstance(media_type, str) and len(media_type) <= 127, code)
            need(MEDIA_TYPE.fullmatch(media_type), code)
        need(type(size) is int and size >= 0 and all(isinstance(part, bytes) for part in [sha256, *body]), code)
        if form == 0:
            need(size == len(body[0]) and sha256 == H(body[0]), code)
        else:
            need([len(part) for part in [sha256, *body]] == [32, 32, 32], code)
        told.append({"name": name, "media_type": media_type, "bytes": size, "sha256": sha256.hex(), "inline": form == 0})
    for inline, most in ((True, 98_304), (False, 2**31)):
        need(sum(file["bytes"] for file in told if file["inline"] == inline) <= most, code)
    return told


def check_fields(fields, whole, code):
    """EV-6: which fields stand together, and references, reactions and mentions; of a whole content what they need too."""
    need(fields and set(fields) <= set(range(1, 10)), code)
    for number, value in fields.items():
        need(not STANDS_WITHOUT.get(number, set()) & set(fields), code)
        need(not whole or number not in STANDS_BESIDE or STANDS_BESIDE[number] & set(fields), code)
        if number == 1:
            need(isinstance(value, str) and len(value.encode()) <= 65_536, code)
        if number in (2, 3):
            need(type(value) is int and (number == 3 or value >= 0), code)
        if number in (REPLY, EDIT, DELETION):
            need(isinstance(value, list) and len(value) == 2, code)
        if number == REACTION:
            need(isinstance(value, list) and len(value) == 4 and type(value[3]) is bool, code)
            need(isinstance(value[2], str) and 1 <= len(value[2].encode()) <= 64, code)
            need(not TEXT_BARS.search(value[2]), code)
        if number in (REPLY, EDIT, REACTION, DELETION):
            need(type(value[0]) is int and value[0] >= 0, code)
            need(isinstance(value[1], bytes) and len(value[1]) == 32, code)
        if number == MENTIONS:
            need(isinstance(value, list) and 1 <= len(value) <= 64, code)
            need(all(isinstance(name, str) and NAME.fullmatch(name) for name in value), code)
            need(all(len(name) <= 32 and name not in RESERVED.split() for name in value), code)
            need(value == sorted(set(value)), code)


ACTS = {REPLY: "reply_to", EDIT: "edits", REACTION: "reaction", DELETION: "deletes"}


def is_plain(fields, state):
    """EV-43: whether content is no edit, reaction or deletion; None if what is shown does not tell."""
    if {EDIT, REACTION, DELETION} & set(fields):
        return False
    if {REPLY, 7} & set(fields) or state == "disclosed":
        return True
    return None


def is_good(number, index, user, reference, passed, first):
    """EV-43; `passed` has (leaf hash, whether it is a statement, user, is_plain) by index, None for what is not shown."""
    to, leaf = reference
    if to >= index:
        return False
    if to not in passed:
        return None
    if to < first:
        return False
    found, statement, by, plain = passed[to]
    if leaf != found or statement is False:
        return False
    if number in (REPLY, REACTION):
        return statement
    if (by is not None and by != user) or plain is False:
        return False
    return None if by is None or plain is None else statement


def relations(fields, index, user, passed, first):
    """EV-40: what a message says of others."""
    told = dict.fromkeys(ACTS.values())
    for number in set(ACTS) & set(fields):
        value = fields[number]
        referred = {"index": value[0], "good": is_good(number, index, user, value[:2], passed, first)}
        if number == REACTION:
            referred |= {"text": value[2], "given": value[3]}
        told[ACTS[number]] = referred
    return {**told, "mentions": fields.get(MENTIONS, []), "edited": None, "deleted": None}


def mark_changed(said):
    """EV-44: what good edits and deletions make of other messages."""
    by_index = {message["index"]: message for message in said}

    def good(referred):
        return referred is not None and referred["good"] is True

    for message in said:
        if good(message["deletes"]):
            target = by_index[message["deletes"]["index"]]
            if target["deleted"] is None:
                target["deleted"] = message["index"]
        if good(message["edits"]):
            target = by_index[message["edits"]["index"]]
            if target["deleted"] is None:
                target["edited"] = {"index": message["index"], "text": message["text"]}
    for message in said:
        if good(message["edits"]):
            message["deleted"] = by_index[message["edits"]["index"]]["deleted"]


def commitment(user, certificate, room, seq, digests):
    """EV-7"""
    return H(dcbor(["countersign v1 commitment", user, certificate, room, seq, digests]))


# 6. Checkpoints


def key_id(name, kind, key):
    return H(name.encode(), b"\n", bytes([kind]), key)[:4]


def cosignature_time(blob, body, name, key, code):
    """EV-26, EV-27"""
    need(len(blob) == 76 and blob[:4] == key_id(name, 4, key), code)
    time = struct.unpack(">Q", blob[4:12])[0]
    ed25519(key, blob[12:], f"cosignature/v1\ntime {time}\n{body}".encode(), code)
    return time


def signed_checkpoint(note, origin, organisation, certificates, code="checkpoint"):
    """EV-26: by any log and cosigner whose certificates are valid at its time."""
    by_role = {role: [c for c in certificates.values() if c.issue["role"] == role] for role in (LOG, COSIGNER)}
    for log in by_role[LOG]:
        for cosigner in by_role[COSIGNER]:
            try:
                found = checkpoint(note, origin, organisation, log.key, cosigner.key, code)
            except Bad:
                continue
            if log.valid_at(found[2]) and cosigner.valid_at(found[2]):
                return found
    raise Bad(code)


def checkpoint(note, origin, organisation, log, cosigner, code="checkpoint"):
    """EV-24 to EV-26: size, root, time in milliseconds."""
    body, signatures = note.split("\n\n")
    body += "\n"
    name, size, root = body.splitlines()
    lines = signatures.splitlines()
    need(name == origin and str(int(size)) == size and len(lines) == 2, code)
    parsed = [line.split(" ") for line in lines]
    need([p[:2] for p in parsed] == [["—", origin], ["—", f"{organisation}/cosigner"]], code)
    blob = base64.b64decode(parsed[0][2], validate=True)
    need(len(blob) == 68 and blob[:4] == key_id(origin, 1, log), code)
    ed25519(log, blob[4:], body.encode(), code)
    blob = base64.b64decode(parsed[1][2], validate=True)
    time = cosignature_time(blob, body, f"{organisation}/cosigner", cosigner, code)
    return int(size), base64.b64decode(root, validate=True), time * 1000


# 9. Bundles


class Certificate:
    """EV-29: a chain, checked as of the time of its issue leaf."""

    def __init__(self, chain, root, issue, organisation):
        self.leaf, self.issue = chain[0], issue
        at = datetime.datetime.fromtimestamp(issue["time"] / 1000, datetime.timezone.utc)
        for child, parent in zip(chain, chain[1:] + [root]):
            child.verify_directly_issued_by(parent)
            need(child.not_valid_before_utc <= at <= child.not_valid_after_utc, "certificate")
        self.key = self.leaf.public_key().public_bytes_raw()
        names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (self.name,) = names.get_values_for_type(x509.DNSName)
        user, device, node = issue["user"], issue["device"], issue["node"]
        expected = {
            2: f"{device}.{user}.devices.{organisation}",
            3: f"{node}.logs.{organisation}",
            4: f"{node}.cosigners.{organisation}",
        }[issue["role"]]
        need(self.name == expected, "directory")

    def valid_at(self, ms):
        at = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
        return self.leaf.not_valid_before_utc <= at <= self.leaf.not_valid_after_utc


def read(path):
    """EV-33, EV-34: the parts in order, with the manifest checked."""
    raw = pathlib.Path(path).read_bytes()
    need(raw[-1024:] == bytes(1024), "cut")
    parts = {}
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            need(member.isreg() and member.name not in parts, "unknown-part")
            parts[member.name] = archive.extractfile(member).read()
    manifest = parts.pop("manifest.txt").decode()
    lines = [f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in parts.items()]
    need(manifest == "".join(lines), "manifest")
    return parts


def is_hash(value):
    return isinstance(value, bytes) and len(value) == 32


class Room:
    """EV-13 to EV-18, EV-45, EV-46, EV-48"""

    def __init__(self):
        self.members, self.revoked, self.last = {}, set(), {}
        self.suite, self.lingering = None, set()
        self.others, self.erased = set(), {}
        self.size = self.unseen = self.epoch = 0

    def skip(self, count):
        need(not (count and self.lingering), "membership")
        self.size += count
        self.unseen += count

    def accept(self, kind, header, payload, room, organisation, certificates, roots, passed):
        signer = header[34][1]
        need(header[ROOM] == room, "wrong-room")
        need(signer not in self.revoked, "revoked")
        change = None
        if kind == "membership-v1+cose":
            change = strict(payload)
            if self.size == 0:
                creation = change[1]
                need(change[0] == CREATE and creation[4] in (0, 1) and room_id(*creation) == room, "membership")
                need(creation[0] == organisation and creation[1] == signer, "membership")
                need(header[SEQ] == 1 and header[CHECKPOINT] == [0, EMPTY], "membership")
                need([certificates[signer].issue["user"], signer] in change[6], "membership")
                self.members[signer] = certificates[signer].issue["user"]
                self.suite = creation[4]
        need(self.size > 0 or change, "membership")
        if kind == "revocation-v1+cose":
            need(certificates[signer].issue["role"] == LOG, "membership")
        else:
            need(signer in self.members, "not-a-member")
        need(header[EPOCH] == self.epoch, "epoch")
        seq, unseen = self.last.get(signer, (0, 0))
        need(1 <= header[SEQ] - seq <= 1 + self.unseen - unseen, "sequence")
        size, root = header[CHECKPOINT]
        need(size <= self.size and roots.get(size, root) == root, "fork")
        self.last[signer] = header[SEQ], self.unseen
        if change:
            added, removed, old, new = change[6:]
            self.check_hashes(change, signer)
            need(old == self.epoch and new == old + (change[0] != 0), "membership")
            for user, certificate in removed:
                need(self.members.pop(certificate, None) == user, "membership")
            for user, certificate in added:
                known = certificates.get(certificate)
                need(known and known.issue["user"] == user, "membership")
                self.members[certificate] = user
            need(self.suite == 0 or len(self.members) <= MAX_DEVICES, "membership")
            if change[0] == LEAVE:
                self.lingering |= {certificate for _, certificate in removed} if self.suite else set()
            elif change[0] != RETURN:
                self.lingering.clear()
            self.epoch = new
        elif kind == "revocation-v1+cose":
            revoked, _, old, new = strict(payload)
            need(revoked in self.members and old == self.epoch and new == old + 1, "membership")
            del self.members[revoked]
            self.revoked.add(revoked)
            self.lingering |= {revoked} if self.suite else set()
            self.epoch = new
        elif kind == "erasure-v1+cose":
            self.erase(payload, self.members[signer], passed)
        else:
            need(not self.lingering, "membership")
        if kind != "statement-v1+cose":
            self.others.add(self.size)
        self.size += 1

    def erase(self, payload, user, passed):
        """EV-48"""
        named, reason = strict(payload)
        need(isinstance(named, list) and 1 <= len(named) <= MAX_ERASED, "statement")
        need(all(type(index) is int and index >= 0 and is_hash(leaf) for index, leaf in named), "statement")
        indices = [index for index, _ in named]
        need(indices == sorted(set(indices)), "statement")
        need(isinstance(reason, str) and 1 <= len(reason.encode()) <= MAX_ERASURE_REASON, "statement")
        need(reason.strip() == reason and not TEXT_BARS.search(reason), "statement")
        for index, leaf in named:
            need(index < self.size and index not in self.others and index not in self.erased, "erasure")
            found, statement, by, _ = passed.get(index, (leaf, None, None, None))
            need(found == leaf and statement is not False and by in (None, user), "erasure")
        for index in indices:
            self.erased[index] = {"index": self.size, "by": user, "reason": reason}

    def check_hashes(self, change, signer):
        """EV-15, EV-46"""
        kind, commit, welcome, group, added = change[0], *change[3:7]
        need((kind == CREATE) == (self.size == 0), "membership")
        need(kind == CREATE or change[1:3] == [None, None], "statement")
        need(all(h is None or is_hash(h) for h in (commit, welcome)), "statement")
        need(group is None or (isinstance(group, list) and len(group) == 2 and all(map(is_hash, group))), "statement")
        need(bool(added) == (kind in (CREATE, ADD)), "statement")
        need(bool(change[7]) == (kind in (REMOVE, LEAVE)) or kind == RENEW, "statement")
        need(self.suite == 0 or kind not in (REMOVE, RENEW) or all(c != signer for _, c in change[7]), "membership")
        need(kind <= RENEW and (self.suite == 1 or kind < UPDATE), "membership")
        names = self.suite == 1 and kind != LEAVE
        others = any(certificate != signer for _, certificate in added)
        if kind == RENEW:
            others = len(self.members) > len(change[7]) + 1
        expected = names and kind not in (CREATE, RENEW), names and others, names
        need((commit is not None, welcome is not None, group is not None) == expected, "membership")


def load_certificates(parts, organisation, root):
    issues, revoked = {}, {}
    proofs = [item for item, _ in sequence(parts["directory/proofs.cbor"])]
    for index, raw, _ in proofs:
        kind, leaf = strict(raw)
        if kind == 1:
            names = ["certificate", "vouched", "user", "device", "node", "role", "serial", "time"]
            issues[leaf[0]] = dict(zip(names, leaf), index=index)
        else:
            revoked[leaf[0]] = leaf[2]
    certificates = {}
    for name, body in parts.items():
        if name.startswith("certificates/"):
            chain = x509.load_pem_x509_certificates(body)
            fingerprint = H(chain[0].public_bytes(Encoding.DER))
            need(name == f"certificates/{fingerprint.hex()}.pem", "unknown-part")
            need(fingerprint in issues, "not-in-directory")
            certificates[fingerprint] = Certificate(chain, root, issues[fingerprint], organisation)
    return certificates, proofs, revoked


def check_vouching(parts, certificates):
    """EV-20"""
    statements = {H(raw): raw for _, raw in sequence(parts["directory/vouching.cbor"])}
    first = set()
    for certificate in sorted(certificates.values(), key=lambda c: c.issue["index"]):
        issue = certificate.issue
        if issue["vouched"] is None:
            need(issue["user"] is None or issue["user"] not in first, "unvouched")
            first.add(issue["user"])
            continue
        raw = statements.get(issue["vouched"])
        need(raw, "unvouched")
        voucher = certificates[strict(cbor2.loads(raw).value[0])[34][1]]
        _, payload = cose(raw, "device-v1+cose", voucher.key)
        need(strict(payload) == [issue["user"], issue["device"], certificate.key], "unvouched")
        need(voucher.issue["user"] == issue["user"], "unvouched")
        need(voucher.issue["index"] < issue["index"], "unvouched")


UNOPENED = {1: "withheld", 2: "mismatch", 3: "not-decryptable", 4: "erased"}


class Receipt:
    """EV-30: what a receipt says, and by whom."""

    def __init__(self, signer, certificate, size, root, payload):
        level, self.low, self.high, unopened = strict(payload)
        self.user, self.signer, self.size, self.root = signer.issue["user"], certificate, size, root
        self.device, self.reasons = signer.issue["device"], {index: UNOPENED.get(reason) for index, reason in unopened}
        self.unopened = [index for index, _ in unopened]
        need(level in (1, 2) and self.low <= self.high < size, "receipt")
        need(len(unopened) <= MAX_UNOPENED and all(reason in UNOPENED for _, reason in unopened), "receipt")
        need(self.unopened == sorted(set(self.unopened)), "receipt")
        need(all(self.low <= index <= self.high for index in self.unopened), "receipt")

    def covers(self, index):
        return self.low <= index <= self.high and index not in self.unopened


def receipt(raw, blob, origin, organisation, room, certificates):
    """EV-31"""
    need(len(raw) <= MAX_RECEIPT, "receipt")
    certificate = strict(cbor2.loads(raw).value[0])[34][1]
    signer = certificates.get(certificate)
    need(signer and signer.issue["role"] == DEVICE, "receipt")
    try:
        header, payload = cose(raw, "receipt-v1+cose", signer.key)
    except Bad:
        raise Bad("receipt") from None
    need(header[ROOM] == room and signer.valid_at(header[TIME]), "receipt")
    size, root = header[CHECKPOINT]
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    name = f"{organisation}/devices/{signer.issue['user']}/{signer.issue['device']}"
    time = cosignature_time(blob, body, name, signer.key, "receipt") * 1000
    need(abs(time - header[TIME]) <= TOLERANCE, "receipt")
    return Receipt(signer, certificate, size, root, payload)


def check(path, pinned):
    parts = read(path)
    context, organisation, room, first, to, size = strict(parts["bundle.cbor"])
    need(context == "countersign v1 bundle" and first <= to < size, "malformed")
    root = x509.load_pem_x509_certificate(parts["root.pem"])
    fingerprint = H(root.public_bytes(Encoding.DER))
    if pinned is not None:
        need(pinned == f"sha256:{fingerprint.hex()}", "root-mismatch")
    certificates, proofs, revoked = load_certificates(parts, organisation, root)
    note = parts["directory/checkpoint.txt"].decode()
    directory = signed_checkpoint(note, f"{organisation}/directory", organisation, certificates, "directory")
    for index, raw, path_ in proofs:
        need(inclusion_root(index, directory[0], leaf_hash(raw), path_) == directory[1], "directory")
    check_vouching(parts, certificates)
    origin = f"{organisation}/rooms/{room.hex()}"
    notes = [n for n in parts if n.startswith("checkpoints/")]
    checkpoints = []
    for name in notes:
        found = signed_checkpoint(parts[name].decode(), origin, organisation, certificates)
        need(name == f"checkpoints/{found[0]:020}.txt", "checkpoint")
        checkpoints.append(found)
    need(checkpoints == sorted(checkpoints) and checkpoints[-1][0] == size, "checkpoint")

    receipts = [
        receipt(raw, blob, origin, organisation, room, certificates)
        for (raw, blob), _ in sequence(parts["receipts.cbor"])
    ]
    for given in receipts:
        need(given.low <= to and given.high >= first and given.size <= size, "receipt")

    proof = parts["proof.bin"]
    proof = [proof[at : at + 32] for at in range(0, len(proof), 32)]
    tree, state, said = Compact(), Room(), []
    expected = first
    members, passed = {}, {}
    for item, raw in sequence(parts["entries.cbor"]):
        need(dcbor(item) == raw, "malformed")
        index, kind = item[0], item[1]
        need(index < first or index == expected, "missing")
        expected += index >= first
        state.skip(index - tree.size)
        tree.fill(index, proof)
        members[index] = frozenset(state.members)
        known = {s: r for s, r in tree.roots.items() if s >= first or s == tree.size or s == 0}
        anchor = next(t for s, _, t in checkpoints if s > index)
        if kind == 0:
            need(index >= first, "membership")
            state.skip(1)
            tree.push(item[2])
            told = {"text": None, "attachments": [], **relations({}, index, None, passed, first)}
            said.append({"index": index, "from": None, **told, "state": "hidden"})
            passed[index] = item[2], None, None, None
            continue
        entry = item[2]
        signer_hash = strict(cbor2.loads(entry).value[0])[34][1]
        need(signer_hash in certificates, "unknown-sender")
        signer = certificates[signer_hash]
        word = typ_of(entry)
        header, payload = cose(entry, word, signer.key, signer_hash)
        need(header[TIME] <= anchor + TOLERANCE and signer.valid_at(anchor), "time")
        floors = [t for s, _, t in checkpoints if s <= index]
        if floors:
            need(header[TIME] + TOLERANCE >= floors[-1], "time")
            need(revoked.get(signer_hash, floors[-1]) + 10_000 >= floors[-1], "revoked")
        need(index >= first or word != "statement-v1+cose", "membership")
        fields, files = {}, []
        state.accept(word, header, payload, room, organisation, certificates, known, passed)
        if word == "statement-v1+cose":
            if kind == 2:
                content = strict(item[3])
                shown = [(n, *content[n]) for n in sorted(content)]
                digests = [digest(*field) for field in shown]
            elif kind == 3:
                shown = [field for field in item[3] if isinstance(field, list)]
                digests = [digest(*f) if isinstance(f, list) else f for f in item[3]]
            if kind > 1:
                where = signer.issue["user"], signer_hash, room, header[SEQ], digests
                fields = {number: value for number, _, value in shown}
                code = "opening" if kind == 2 else "malformed"
                check_fields(fields, kind == 2, code)
                files = attachments(fields, code)
                need(commitment(*where) == payload, "opening")
            if kind == 2:
                need((H(item[3]) == header[CIPHERTEXT]) == (state.suite == 0), "ciphertext")
            states = {1: "withheld", 2: "disclosed", 3: "partly"}
            user = signer.issue["user"]
            told = {"text": fields.get(1), "attachments": files, **relations(fields, index, user, passed, first)}
            said.append({"index": index, "from": user, **told, "state": states[kind]})
            passed[index] = leaf_hash(entry), True, user, is_plain(fields, states[kind])
        else:
            need(kind == 1, "opening")
            passed[index] = leaf_hash(entry), False, None, None
        tree.push(leaf_hash(entry))
    need(expected == to + 1, "missing")
    mark_changed(said)
    roots = dict(tree.roots)
    for mark in sorted({given.size for given in receipts if to + 2 <= given.size < size}):
        tree.fill(mark, proof)
        roots[mark] = tree.root()
    tree.fill(size, proof)
    need(not proof and tree.root() == checkpoints[-1][1], "log")
    roots[size] = tree.root()
    for at, by_root, _ in checkpoints:
        need(roots.get(at) == by_root, "fork")
    for given in receipts:
        need(roots.get(given.size) == given.root, "receipt")
    for message in said:
        index = message["index"]
        message["erased"] = state.erased.get(index)
        if message["erased"] and message["state"] == "withheld":
            message["state"] = "erased"
        users = {given.user for given in receipts if given.covers(index) and given.signer in members[index]}
        message["received_by"] = sorted(users - {message["from"]})
        there = [given for given in receipts if given.signer in members[index]]
        opened = {given.signer for given in there if given.covers(index)}
        claims = {
            (given.user, given.device, given.reasons[index])
            for given in there
            if index in given.reasons and given.signer not in opened
        }
        message["unopened_by"] = [{"user": u, "device": d, "reason": r} for u, d, r in sorted(claims)]
    return said


def vectors(folder):
    folder = pathlib.Path(folder)
    unhex = bytes.fromhex
    hashes = json.loads((folder / "hashes.json").read_text())
    room, direct, said = hashes["room"], hashes["direct"], hashes["commitment"]
    creator, nonce = unhex(room["creator"]), unhex(room["nonce"])
    assert room_id(room["organisation"], creator, 0, None, 0, nonce).hex() == room["id"]
    assert room_id(room["organisation"], creator, 0, direct["parties"], 0, nonce).hex() == direct["id"]
    content = strict(unhex(said["content"]))
    digests = [digest(n, *content[n]) for n in sorted(content)]
    assert [d.hex() for d in digests] == said["digests"]
    where = said["user"], unhex(said["certificate"]), unhex(said["room"]), said["seq"]
    assert commitment(*where, digests).hex() == said["commitment"]

    for case in json.loads((folder / "contents.json").read_text()):
        try:
            content = strict(unhex(case["content"]))
            fields = {number: value for number, (_, value) in content.items()}
            check_fields(fields, True, "malformed")
            found, numbers = attachments(fields, "malformed"), list(fields)
        except Bad:
            found = numbers = None
        assert found == case["attachments"] and numbers == case["numbers"], case["says"]

    log = json.loads((folder / "log.json").read_text())
    tree, leaves = Compact(), [leaf_hash(unhex(e)) for e in log["entries"]]
    for leaf in leaves:
        tree.push(leaf)
    assert [tree.roots[n].hex() for n in range(len(leaves) + 1)] == log["roots"]
    stored = struct.pack(">Q", tree.size) + b"".join(peak for _, peak in tree.peaks)
    assert stored.hex() == log["compact"]
    proof = log["inclusion"]
    path = [unhex(p) for p in proof["path"]]
    assert inclusion_root(proof["index"], proof["size"], leaves[proof["index"]], path) == tree.root()
    cover, filled = [unhex(h) for h in log["cover"]["hashes"]], Compact()
    for index in log["cover"]["indices"]:
        filled.fill(index, cover)
        filled.push(leaves[index])
    for stop in [*log["cover"]["marks"], log["cover"]["size"]]:
        filled.fill(stop, cover)
        assert filled.root().hex() == log["roots"][stop]
    assert filled.root() == tree.root() and not cover

    objects = json.loads((folder / "objects.json").read_text())
    for item in objects["objects"]:
        certificate, key = unhex(item["certificate"]), unhex(item["key"])
        raw = unhex(item["object"])
        cose(raw, f"{item['kind']}-v1+cose", key, certificate)
        spoiled = raw[:-1] + bytes([raw[-1] ^ 1])
        try:
            cose(spoiled, f"{item['kind']}-v1+cose", key, certificate)
            raise AssertionError("a spoiled signature verifies")
        except Bad:
            pass
    note = objects["checkpoint"]
    origin = f"apollo.example/rooms/{objects['room']}"
    keys = unhex(note["log"]), unhex(note["cosigner"])
    assert checkpoint(note["note"], origin, "apollo.example", *keys)[0] == 4
    by = objects["cosignature"]
    cosignature_time(unhex(by["bytes"]), by["body"], by["by"], unhex(by["key"]), "receipt")
    print("vectors hold")


def main(arguments):
    if arguments[0] == "--vectors":
        return vectors(arguments[1])
    pinned = arguments[2] if arguments[1:2] == ["--root"] else None
    try:
        said = check(arguments[0], pinned)
    except Bad as bad:
        print(json.dumps({"verdict": "invalid", "problem": str(bad)}))
        return None
    verdict = "valid" if pinned else "consistent-unpinned"
    print(json.dumps({"verdict": verdict, "problem": None, "said": said}))
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
