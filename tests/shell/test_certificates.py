"""The certificate of a laboratory, and the reading of whatever certificate is given."""

from __future__ import annotations

import ipaddress
import shutil
import ssl
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from labsfu.config import Config, load_config
from labsfu.errors import ConfigError
from labsfu.shell.addresses import own_addresses
from labsfu.shell.lab_certificate import make_cert, make_lab_certificate
from labsfu.shell.tls import server_context
from tests.support.certificates import Files, make_files
from tests.support.tools import need

NOW = datetime.now(UTC)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """Let OpenSSL's two ends meet in memory; the version that they agree on."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = server.wrap_bio(to_server, to_client, server_side=True)
    there = client.wrap_bio(to_client, to_server, server_hostname=name)
    pending = [there, here]
    for _ in range(10):
        for end in tuple(pending):
            try:
                end.do_handshake()
                pending.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not pending
    return there.version()


def server_of(files: Files) -> ssl.SSLContext:
    context = server_context(Config(cert=files.cert, key=files.key))
    assert context is not None
    return context


@pytest.mark.rfc("RFC 5280 4.2.1.6", "RFC 5280 4.2.1.9")
def test_a_strict_client_that_trusts_the_authority_takes_it_for_each_name_and_no_other(tmp_path: Path) -> None:
    files = make_files(tmp_path / "lab", "192.0.2.1", "fd00::1", "lab.example")
    for name in ("192.0.2.1", "fd00::1", "lab.example"):
        assert handshake(server_of(files), files.trusting(), name) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_of(files), files.trusting(), "192.0.2.2")


def test_whoever_trusts_another_authority_refuses_it(tmp_path: Path) -> None:
    files, others = make_files(tmp_path / "lab"), make_files(tmp_path / "others")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_of(files), others.trusting(), "127.0.0.1")


def test_openssl_itself_finds_nothing_wrong(tmp_path: Path) -> None:
    openssl, files = need("openssl"), make_files(tmp_path / "lab", "192.0.2.1")
    command = [openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", "192.0.2.1"]
    done = subprocess.run([*command, "-CAfile", files.ca, files.cert], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{files.cert}: OK\n")


def test_the_authority_s_key_is_nowhere_and_the_server_s_is_for_its_owner(tmp_path: Path) -> None:
    files = make_files(tmp_path / "lab")
    assert sorted(path.name for path in files.directory.iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    ca, cert = (x509.load_pem_x509_certificate(file.read_bytes()) for file in (files.ca, files.cert))
    assert ca.public_key() != cert.public_key()
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_it_is_valid_for_no_longer_than_phones_accept() -> None:
    cert = x509.load_pem_x509_certificate(make_lab_certificate(["192.0.2.1"], NOW).cert)
    assert (cert.not_valid_after_utc - cert.not_valid_before_utc).days == 825
    assert cert.not_valid_before_utc < NOW


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    files = make_files(tmp_path / "lab")
    before = files.key.read_bytes()
    with pytest.raises(ConfigError, match=r"ca\.pem' is there already"):
        make_cert(files.directory, "192.0.2.1", 30)
    assert files.key.read_bytes() == before


def test_without_names_it_is_for_all_addresses_of_this_machine(tmp_path: Path) -> None:
    said = make_cert(tmp_path / "lab", None, 30)
    cert = x509.load_pem_x509_certificate((tmp_path / "lab" / "cert.pem").read_bytes())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {*own_addresses(), "127.0.0.1", "::1"}
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert f"--cert {tmp_path / 'lab' / 'cert.pem'}" in said
    assert all(ipaddress.ip_address(address) for address in own_addresses())


@pytest.mark.parametrize("name", ["", "a b", "lab..example", "-?", ".", "192.0.2.1:80", "x" * 300])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="neither an IP address nor a DNS name"):
        make_cert(tmp_path / "lab", name, 30)
    assert not (tmp_path / "lab").exists()


# ------------------------------------------------------------------ what is given


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_context(Config()) is None


@pytest.mark.parametrize(("given", "missing"), [("cert", "key"), ("key", "cert")])
def test_one_without_the_other_is_refused(given: str, missing: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{given} 'x\.pem' needs its {missing}: set --{missing} too$"):
        load_config({given: "x.pem"}, {})
    assert load_config({given: "x.pem", missing: "y.pem"}, {}).cert is not None


def _refusal(cert: Path, key: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        server_context(Config(cert=cert, key=key))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def _write(path: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> Path:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return path


def test_what_is_wrong_with_the_files_is_told_in_one_line(tmp_path: Path) -> None:
    files, others = make_files(tmp_path / "lab"), make_files(tmp_path / "others")
    junk, none = tmp_path / "junk.pem", tmp_path / "none.pem"
    junk.write_text("junk")
    locked = _write(tmp_path / "locked.pem", ec.generate_private_key(ec.SECP256R1()), b"secret")
    of_rsa = _write(tmp_path / "rsa.pem", rsa.generate_private_key(65537, 2048))
    assert _refusal(none, files.key) == f"cert: cannot read '{none}': No such file or directory"
    assert _refusal(files.cert, none) == f"key: cannot read '{none}': No such file or directory"
    assert _refusal(tmp_path, files.key) == f"cert: cannot read '{tmp_path}': Is a directory"
    assert _refusal(junk, files.key).startswith(f"cert '{junk}' has no certificate")
    assert _refusal(files.key, files.key).startswith(f"cert '{files.key}' has no certificate")
    assert _refusal(files.cert, junk).startswith(f"key '{junk}' has no private key")
    assert _refusal(files.cert, files.cert).startswith(f"key '{files.cert}' has no private key")
    for key in (others.key, of_rsa):
        assert _refusal(files.cert, key) == f"key '{key}' is not that of cert '{files.cert}'"
    assert _refusal(files.cert, locked) == f"key '{locked}' is encrypted: give one without a password"


def test_what_openssl_finds_too_weak_is_told(tmp_path: Path) -> None:
    openssl = shutil.which("openssl") or need("openssl")
    cert, key = tmp_path / "weak.pem", tmp_path / "weak-key.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=weak", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", cert], capture_output=True, check=True)
    assert _refusal(cert, key) == f"cert '{cert}' with key '{key}' cannot be used: ee key too small"
