//! A group with a P-256 key, made of one local key, and the tools of others.

use std::path::Path;
use std::process::{Command, Output as Done, Stdio};

use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{EncodePrivateKey as _, LineEnding};
use quorate_documents::{
    CertificateChain, FinishError, Output, Signature, Unsignable, VerifyingKey, prepare,
};

/// 2026-01-01 00:00:00 UTC.
pub(crate) const NOW: u32 = 1_767_225_600;
pub(crate) const DAY: u32 = 24 * 60 * 60;

pub(crate) fn signer(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

pub(crate) fn public(seed: u8) -> VerifyingKey {
    let point = signer(seed).verifying_key().to_encoded_point(true);
    VerifyingKey::from_bytes(point.as_bytes()).unwrap()
}

pub(crate) fn output(text: &str) -> Output {
    text.parse().unwrap()
}

pub(crate) fn try_sign(document: &[u8], output: &Output, seed: u8) -> Result<Vec<u8>, Unsignable> {
    let key = public(seed);
    let prepared = prepare(document, output, &key)?;
    let message = prepared.to_be_signed(&[]).unwrap();
    let signature: p256::ecdsa::Signature = signer(seed).sign(&message);
    let finished: Result<_, FinishError> =
        prepared.finish(&[Signature::EcdsaP256(signature.to_bytes().into())]);
    Ok(finished.unwrap())
}

pub(crate) fn sign(document: &[u8], output: &Output, seed: u8) -> Vec<u8> {
    try_sign(document, output, seed).unwrap()
}

/// Why a document cannot be signed.
pub(crate) fn refusal(document: &[u8], output: &Output, seed: u8) -> String {
    match prepare(document, output, &public(seed)) {
        Ok(_) => panic!("it was prepared"),
        Err(error) => error.to_string(),
    }
}

pub(crate) const SUBJECT: &[u8] =
    br#"{"common_name":"Board of Example","organization":"Example Ltd","country":"DE"}"#;

/// A certificate in PEM that the group issues to itself, valid for a year from [`NOW`].
pub(crate) fn self_signed(seed: u8) -> String {
    let asked = output(&format!("x509-self?from={NOW}&until={}", NOW + 365 * DAY));
    String::from_utf8(sign(SUBJECT, &asked, seed)).unwrap()
}

/// An authority's certificate, and one that it issues to the group, in PEM.
pub(crate) fn issued(authority: u8, group: u8) -> (String, String) {
    let subject = br#"{"common_name":"Authority of Example"}"#;
    let asked = output(&format!("x509-ca?from={NOW}&until={}", NOW + 3650 * DAY));
    let root = String::from_utf8(sign(subject, &asked, authority)).unwrap();
    let request = sign(SUBJECT, &output("csr"), group);
    let chain = CertificateChain::from_pem(&root).unwrap();
    let asked = format!("x509?from={NOW}&until={}", NOW + 365 * DAY);
    let asked = output(&asked).with_certificates(&chain);
    (root, String::from_utf8(sign(&request, &asked, authority)).unwrap())
}

/// The output with a certificate in PEM, a day after [`NOW`].
pub(crate) fn certified(text: &str, pem: &str) -> Output {
    let chain = CertificateChain::from_pem(pem).unwrap();
    output(text).with_certificates(&chain).dated(u64::from(NOW + DAY))
}

pub(crate) fn secret_pem(seed: u8) -> String {
    signer(seed).to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
}

/// Whether `tool` can be started; prints to stderr if not.
pub(crate) fn installed(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command.arg("-?").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let found = command.status().is_ok();
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// Runs a tool whose arguments have no spaces.
pub(crate) fn run(directory: &Path, command: &str) -> Done {
    let mut words = command.split(' ');
    let mut tool = Command::new(words.next().unwrap());
    tool.current_dir(directory).args(words);
    tool.output().unwrap()
}

/// Everything that a tool prints.
pub(crate) fn printed(done: &Done) -> String {
    let all = [done.stdout.as_slice(), &done.stderr].concat();
    String::from_utf8_lossy(&all).into_owned()
}
