//! A group for documents: its key is a P-256 key that nobody holds, and what it signs is verified
//! by openssl and ssh-keygen, also after its members have new shares.

use std::fs;

use quorate_testkit::cluster::Cluster;

use super::foreign::foreign;
use super::start;

/// Lets ada ask and ben approve. The file appears in the directory.
fn sign_as(system: &Cluster, what: &str, file: &str) {
    let (signing, id) = system.sign("ada", &format!("sign {what} --wait"), "ben");
    system.run("ben", &format!("approve {id} --yes")).succeeds();
    let signed = signing.end().succeeds();
    assert!(signed.stdout.contains(file), "{}", signed.stdout);
}

fn sign(system: &Cluster, format: &str, ending: &str) {
    sign_as(
        system,
        &format!("contract --group board --as {format}"),
        &format!("contract.{ending}"),
    );
    let verify = format!("verify contract -s contract.{ending}");
    let valid = system.run("carol", &verify).succeeds().stdout;
    assert!(valid.contains("signed by group board"), "{valid}");
}

#[test]
fn a_group_for_documents_signs_with_a_p_256_key() {
    let system = start(&["ada", "ben", "carol"]);
    let create = "group create board --members ada,ben,carol --min-signers 2 --for documents";
    system
        .run("ada", &format!("{create} --format minisign"))
        .fails(2, &["minisign", "ECDSA P-256", "ssh"]);
    system.run("ada", &format!("{create} --format raw,ssh,x509-self,cms")).succeeds();
    system.write("contract", b"a contract");
    system.write("changed", b"a contracT");
    let directory = system.path("");
    let export = |format: &str, file: &str| {
        let line = format!("key export --group board --format {format} --out {file}");
        system.run("carol", &line).succeeds();
    };
    export("pem", "board.pem");
    export("allowed-signers", "board.signers");

    sign(&system, "ssh", "sig");
    system.run("ben", "group refresh board").succeeds();
    sign(&system, "raw", "ecdsa");

    let openssl = "openssl dgst -sha256 -verify board.pem -signature contract.ecdsa";
    assert_ne!(foreign(&directory, &format!("{openssl} contract"), b""), Some(false));
    assert_ne!(foreign(&directory, &format!("{openssl} changed"), b""), Some(true));
    let ssh = "ssh-keygen -Y verify -f board.signers -I board -n file -s contract.sig";
    assert_ne!(foreign(&directory, ssh, b"a contract"), Some(false));
    assert_ne!(foreign(&directory, ssh, b"a contracT"), Some(true));

    // A certificate with the group's own key, and a signature that names it.
    system.write("board.json", br#"{"common_name":"Board of Example","country":"DE"}"#);
    sign_as(&system, "board.json --group board --as x509-self", "board.json.crt");
    sign_as(
        &system,
        "contract --group board --as cms --certificate board.json.crt",
        "contract.p7s",
    );
    let cms = "openssl cms -verify -binary -cades -inform DER -in contract.p7s -out /dev/null \
               -CAfile board.json.crt -purpose any -content";
    assert_ne!(foreign(&directory, &format!("{cms} contract"), b""), Some(false));
    assert_ne!(foreign(&directory, &format!("{cms} changed"), b""), Some(true));

    export("pem", "after.pem");
    let [before, after] = ["board.pem", "after.pem"].map(|it| fs::read(system.path(it)).unwrap());
    assert_eq!(before, after, "new shares are of the same key");
}
