"""The verifier of receipts."""

import hashlib
import json
import pathlib

from cryptography import x509

from wire import b64, LINE, sha256
from chat import der_fingerprint, Identity, signed_by, signed_bytes, verifies


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
