"""sslyze and ssh-audit look at the listeners as an attacker would, and what they find is compared with what they may find.

Arguments: the addresses of HTTPS, of NETCONF over TLS and of SSH, and the data directory.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

https, tls, ssh, data = sys.argv[1:]
CURVES = {"X25519", "secp256r1", "secp384r1"}
# One reviewer's distrust of the curves of NIST, which those who follow FIPS 140 have no others than.
DISTRUSTED = {"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"}


def scanned(address):
    """What sslyze finds, and what it has against it under the "intermediate" configuration of Mozilla."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        command = [sys.executable, "-m", "sslyze", "--certinfo_ca_file", f"{data}/pki/ca.pem", "--mozilla_config",
                   "intermediate", "--early_data", "--json_out", str(found), address]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert found.exists(), ended.stdout + ended.stderr
        (server,) = json.loads(found.read_text())["server_scan_results"]
    objections = [line.strip() for line in ended.stdout.splitlines() if line.strip().startswith("* ") and "_" in line]
    return server["scan_result"], [line for line in objections if not line.startswith("* Client certificate")]


def accepted(found, version):
    result = found[f"{version}_cipher_suites"]["result"]
    return {suite["cipher_suite"]["name"] for suite in result["accepted_cipher_suites"]}


def judge(address, has_to_show):
    found, objections = scanned(address)
    for version in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert accepted(found, version) == set(), version
    suites = accepted(found, "tls_1_2")
    assert suites and all(name.startswith("TLS_ECDHE_") for name in suites), suites
    assert all("_GCM_" in name or "_CHACHA20_POLY1305_" in name for name in suites), suites
    assert accepted(found, "tls_1_3") == {
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
    result = lambda name: found[name]["result"]
    for name, checks in {
        "tls_compression": lambda it: not it["supports_compression"],
        "heartbleed": lambda it: not it["is_vulnerable_to_heartbleed"],
        "openssl_ccs_injection": lambda it: not it["is_vulnerable_to_ccs_injection"],
        "robot": lambda it: it["robot_result"].startswith("NOT_VULNERABLE"),
        "session_renegotiation": lambda it: it["supports_secure_renegotiation"]
        and not it["is_vulnerable_to_client_renegotiation_dos"],
        "tls_fallback_scsv": lambda it: it["supports_fallback_scsv"],
        "tls_1_3_early_data": lambda it: not it["supports_early_data"],
        "tls_extended_master_secret": lambda it: it["supports_ems_extension"],
    }.items():
        # Some need a handshake that is complete, which there is not without a certificate.
        assert checks(result(name)) if result(name) else has_to_show, name
    curves = {curve["name"] for curve in result("elliptic_curves")["supported_curves"]}
    assert curves == CURVES, curves
    (deployed,) = result("certificate_info")["certificate_deployments"]
    own = [trusted for trusted in deployed["path_validation_results"] if trusted["was_validation_successful"]]
    assert own, "the authority of the server validates its certificate"
    # Nobody but its own clients knows the authority that a server makes.
    assert all("certificate_path_validation" in line for line in objections), objections
    print(address, "as Mozilla wants it")


judge(https, False)
judge(tls, True)

report = subprocess.run([sys.executable, "-m", "ssh_audit.ssh_audit", "--json", "-p", ssh.rsplit(":", 1)[1],
                         ssh.rsplit(":", 1)[0]], capture_output=True, text=True, timeout=120)
found = json.loads(report.stdout)
for kind in ("kex", "key", "enc", "mac"):
    assert found[kind], kind
    for algorithm in found[kind]:
        wrong = algorithm.get("notes", {}).get("fail", [])
        assert not wrong or algorithm["algorithm"] in DISTRUSTED, (algorithm, wrong)
        warned = [note for note in algorithm.get("notes", {}).get("warn", []) if "post-quantum" not in note]
        assert not warned, (algorithm, warned)
assert found["cves"] == [], found["cves"]
# It has tried how many connections the server takes in a second before anybody has logged in.
assert not any("DHEat" in note for note in found.get("additional_notes", [])), found["additional_notes"]
print("SSH has no weak algorithm")
