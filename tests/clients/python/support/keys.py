"""Keys, certificates and tokens made by hand."""

import base64
import datetime
import hashlib
import ipaddress
import json
import time
import uuid
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# The resource that a proof of possession is addressed to (Azure AD Graph).
PROOF_AUDIENCE = "00000002-0000-0000-c000-000000000000"


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _build(subject: str, issuer: str, key, *, days: float = 365) -> x509.CertificateBuilder:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(days=1))
        .not_valid_after(_now() + datetime.timedelta(days=days))
    )


class Key:
    """An RSA key with a self-signed certificate, as a workload has it."""

    def __init__(self, name: str = "workload") -> None:
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = _build(name, name, self.private).sign(self.private, hashes.SHA256())

    @cached_property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def thumbprint(self) -> str:
        """SHA-1, in hexadecimal: what the portal shows, and what msal asks for."""
        return hashlib.sha1(self.der).hexdigest().upper()

    @property
    def pem_certificate(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def pem_key(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def pem(self) -> bytes:
        """Key and certificate in one, as azure-identity takes them."""
        return self.pem_key + self.pem_certificate

    def write_pfx(self, path: Path) -> Path:
        """A PFX without password."""
        path.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"workload", self.private, self.certificate, None, serialization.NoEncryption()
            )
        )
        return path

    def sign(self, claims: dict, *, alg: str = "PS256", header: dict | None = None) -> str:
        """A JWT, with the header that Microsoft's clients give an assertion unless told otherwise."""
        if header is None:
            header = {"x5t#S256": b64url(hashlib.sha256(self.der).digest())}
            if alg == "RS256":
                header = {"x5t": b64url(hashlib.sha1(self.der).digest())}
        parts = [{"alg": alg, "typ": "JWT"} | header, claims]
        signed = ".".join(b64url(json.dumps(part).encode()) for part in parts)
        scheme = (
            padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32) if alg == "PS256" else padding.PKCS1v15()
        )
        return f"{signed}.{b64url(self.private.sign(signed.encode(), scheme, hashes.SHA256()))}"

    def assertion(self, client_id: str, audience: str, **more) -> str:
        """A client assertion; `more` overrides its claims."""
        now = int(time.time())
        claims = {
            "aud": audience, "iss": client_id, "sub": client_id, "jti": str(uuid.uuid4()),
            "nbf": now, "iat": now, "exp": now + 600,
        }
        return self.sign(claims | more)

    def proof(self, object_id: str, **more) -> str:
        """A proof of possession for addKey and removeKey of the application `object_id`."""
        now = int(time.time())
        return self.sign({"aud": PROOF_AUDIENCE, "iss": object_id, "nbf": now, "exp": now + 600} | more, alg="RS256")

    def jwk(self, kid: str) -> dict:
        numbers = self.private.public_key().public_numbers()

        def integer(value: int) -> str:
            return b64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))

        return {
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": integer(numbers.n), "e": integer(numbers.e),
        }


class Authority:
    """A certificate authority for the servers that the tests run themselves."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = (
            _build(name, name, self.private)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=False, content_commitment=False, key_encipherment=False,
                    data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
                    encipher_only=False, decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.private.public_key()), critical=False)
            .sign(self.private, hashes.SHA256())
        )

    @property
    def pem_certificate(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def server_pem(self) -> bytes:
        """Key and certificate for a server on this machine."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            _build("localhost", self.name, key, days=30)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private.public_key()), critical=False
            )
            .sign(self.private, hashes.SHA256())
        )
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ) + certificate.public_bytes(serialization.Encoding.PEM)
