//! A page about one request that a person can print: static HTML without scripts or links to other
//! files. All text from the log is escaped.

use std::fmt::{self, Display, Write as _};

use super::decisions::{counts, decided, decisions_sentence, entries, rule, trust_sentence};
use super::{clean, list, size, utc};
use crate::log_audit::EvidenceReport;

/// Returns the page. `file` is the document's name for the reader, `evidence` that of the evidence
/// file.
pub(crate) fn evidence_page(file: &str, evidence: &str, report: &EvidenceReport) -> String {
    let found = &report.evidence;
    let (request, audit) = (&found.request, &report.audit);
    let mut html = Html::default();
    html.raw(HEAD);
    html.element("h1", format!("Decisions about {file}"));
    html.element("p class=\"verdict\"", decisions_sentence(file, found));

    html.element("h2", "Document");
    html.table(&[
        ("File", file.to_owned()),
        ("Submitted as", found.file_name.clone().unwrap_or_else(|| "not known".to_owned())),
        ("Size", format!("{} ({} bytes)", size(report.file_size as u64), report.file_size)),
        ("SHA-256", report.file_sha256.clone()),
    ]);

    html.element("h2", "Request and rule");
    let kind = request.asked.document_type.as_ref().map_or("none".to_owned(), ToString::to_string);
    html.table(&[
        ("Request", request.id.to_string()),
        ("Asked by", format!("{}, {}", request.requester, utc(request.at))),
        ("Group", request.group.to_string()),
        ("Type", kind),
        ("Format", request.asked.output.format().to_string()),
        ("Rule", rule(found)),
        ("Open until", utc(request.asked.expires_at)),
    ]);

    html.element("h2", "Decisions");
    html.raw("<table class=\"list\"><tr><th>Account</th><th>Decision</th><th>Time</th><th>Log entry</th></tr>\n");
    for decision in &request.decisions {
        let void = if counts(found, decision) { "" } else { " (no longer counts)" };
        html.row(&[
            decision.account.to_string(),
            format!("{}{void}", decided(decision)),
            utc(decision.at),
            decision.index.to_string(),
        ]);
    }
    html.raw("</table>\n");

    html.element("h2", "Signature");
    match &found.signature {
        Some(signature) => html.table(&[
            ("Made by", format!("the shares of {}", list(&signature.signers))),
            ("Logged", format!("{}, entry {}", utc(signature.at), signature.index)),
            ("Key (Ed25519)", found.verifying_key.clone().unwrap_or_default()),
            ("Signature", signature.signature.clone()),
        ]),
        None => html.element("p", "The log contains no signature for this request."),
    }

    html.element("h2", "Log");
    let entries: Vec<_> =
        entries(found).into_iter().map(|(index, what)| format!("{index} ({what})")).collect();
    let cosigned: Vec<_> = audit.checkpoint.cosigned_by.keys().collect();
    html.table(&[
        ("Network", audit.name.clone()),
        ("IVN id", audit.ivn.to_string()),
        ("Log", audit.origin.clone()),
        ("Log key", audit.log_key.clone()),
        ("Entries", audit.size.to_string()),
        ("Root", audit.root.to_string()),
        ("Cosigned by", list(&cosigned)),
        ("Relies on entries", entries.join(", ")),
    ]);
    html.element("p", trust_sentence(audit));

    html.element("h2", "How to check this page");
    html.element(
        "p",
        "This page alone proves nothing. The evidence file does: anyone can check it offline \
         with Quorate, trusting nobody. Compare the IVN id above with the one that the organisation \
         published, and run:",
    );
    html.element(
        "pre",
        format!(
            "quorate verify {} --evidence {} --ivn {}",
            quoted(file),
            quoted(evidence),
            audit.ivn
        ),
    );
    html.element(
        "p",
        "Accounts are names of this network. Which person holds an account is known to its \
         administrators, not to the log.",
    );
    html.raw("</body></html>\n");
    html.0
}

fn quoted(name: &str) -> String {
    crate::shell_quote::quoted(name)
}

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<title>Evidence of a decision</title>
<style>
body { font: 11pt/1.4 sans-serif; max-width: 48em; margin: 2em auto; padding: 0 1em; color: #111 }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin: 1.4em 0 .3em; border-bottom: 1px solid #999 }
.verdict { font-size: 1.15em; font-weight: bold }
table { border-collapse: collapse; width: 100% }
th { text-align: left; vertical-align: top; font-weight: normal; color: #555; width: 10em }
.list th { width: auto } td, th { padding: .15em .6em .15em 0; overflow-wrap: anywhere }
td { vertical-align: top } pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #eee; padding: .5em }
@media print { body { margin: 0; max-width: none } tr, pre { break-inside: avoid } }
</style></head><body>
";

/// A page in the making. Only constants go in unescaped.
#[derive(Default)]
struct Html(String);

impl Html {
    fn raw(&mut self, constant: &'static str) {
        self.0.push_str(constant);
    }

    /// Adds an element. `tag` may have attributes.
    fn element(&mut self, tag: &'static str, text: impl Display) {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.write(format_args!("<{tag}>{}</{name}>\n", escaped(&text)));
    }

    fn table(&mut self, rows: &[(&'static str, String)]) {
        self.raw("<table>\n");
        for (label, value) in rows {
            self.write(format_args!("<tr><th>{label}</th><td>{}</td></tr>\n", escaped(value)));
        }
        self.raw("</table>\n");
    }

    fn row(&mut self, cells: &[String]) {
        self.raw("<tr>");
        for cell in cells {
            self.write(format_args!("<td>{}</td>", escaped(cell)));
        }
        self.raw("</tr>\n");
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(text);
    }
}

/// Escapes text for HTML, and removes characters that would turn it around.
fn escaped(text: &impl Display) -> String {
    let mut escaped = String::new();
    for character in clean(&text.to_string()).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let text = "<img src=x onerror=\"alert('1')\">&amp;\u{202e}";
        let escaped = escaped(&text);
        assert_eq!(
            escaped,
            "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt;&amp;amp;\u{fffd}"
        );
    }
}
