//! What a Rust file imports, uses and defines, as far as names tell.

use std::collections::BTreeSet;

use crate::tidy::source::{Token, tokens};

/// A name that `use` brings into scope.
#[derive(Debug, PartialEq)]
pub(super) struct Import<'a> {
    /// The name in this file; `*` for everything, `_` for none.
    pub(super) name: &'a str,
    /// What it stands for, from the first segment on.
    pub(super) path: Vec<&'a str>,
    /// Whether other files see it, too.
    pub(super) is_public: bool,
    pub(super) line: usize,
}

impl Import<'_> {
    pub(super) fn is_glob(&self) -> bool {
        self.name == "*"
    }
}

/// The names of a file.
#[derive(Debug, Default)]
pub(super) struct Parsed<'a> {
    pub(super) imports: Vec<Import<'a>>,
    /// Paths outside of `use`, with their lines; a word alone is one.
    pub(super) paths: Vec<(usize, Vec<&'a str>)>,
    /// Items that the file defines outside of any braces.
    pub(super) defined: BTreeSet<&'a str>,
}

const DEFINES: &[&str] =
    &["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"];

/// Reads `code`, which has no comments and literals, except lines that are only for tests.
pub(super) fn parse(code: &str, is_test: impl Fn(usize) -> bool) -> Parsed<'_> {
    let tokens: Vec<Token<'_>> =
        tokens(code).into_iter().filter(|token| !is_test(token.line)).collect();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut parsed = Parsed::default();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = at.checked_sub(1).map_or("", text);
        match token.text {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            // Not the `use<'a>` of a return type.
            "use" if text(at + 1) != "<" => {
                let end = (at..tokens.len()).find(|end| text(*end) == ";").unwrap_or(tokens.len());
                let tree = tokens.get(at + 1..end).unwrap_or_default();
                let is_public = matches!(before, "pub" | ")");
                imports(tree, &mut Vec::new(), is_public, &mut parsed.imports);
                at = end + 1;
                continue;
            }
            word if DEFINES.contains(&word) && depth == 0 => {
                let name = if text(at + 1) == "!" { text(at + 2) } else { text(at + 1) };
                parsed.defined.insert(name);
            }
            word if is_name(word) && !matches!(before, "." | "'") => {
                let mut path = vec![word];
                let line = token.line;
                while text(at + 1) == ":" && text(at + 2) == ":" && is_name(text(at + 3)) {
                    path.push(text(at + 3));
                    at += 3;
                }
                parsed.paths.push((line, path));
            }
            _ => {}
        }
        at += 1;
    }
    parsed
}

/// Adds what the tree of a `use`, below `prefix`, brings into scope.
fn imports<'a>(
    tree: &[Token<'a>],
    prefix: &mut Vec<&'a str>,
    is_public: bool,
    found: &mut Vec<Import<'a>>,
) {
    for branch in branches(tree) {
        let length = prefix.len();
        let mut alias = None;
        let mut is_group = false;
        let mut at = 0;
        while let Some(token) = branch.get(at) {
            match token.text {
                "as" => {
                    alias = branch.get(at + 1).map(|token| token.text);
                    break;
                }
                "{" => {
                    is_group = true;
                    let inner = branch.get(at + 1..branch.len().saturating_sub(1));
                    imports(inner.unwrap_or_default(), prefix, is_public, found);
                    break;
                }
                ":" => {}
                "self" if !prefix.is_empty() => {}
                word => prefix.push(word),
            }
            at += 1;
        }
        if let (false, Some(first), Some(last)) = (is_group, branch.first(), prefix.last()) {
            let name = alias.unwrap_or(last);
            let mut path = prefix.clone();
            if name == "*" {
                path.pop();
            }
            found.push(Import { name, path, is_public, line: first.line });
        }
        prefix.truncate(length);
    }
}

/// `tokens` divided at the commas that are in no braces.
fn branches<'s, 'a>(tokens: &'s [Token<'a>]) -> impl Iterator<Item = &'s [Token<'a>]> {
    let mut depth = 0_usize;
    let parts = tokens.split(move |token| {
        match token.text {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        token.text == "," && depth == 0
    });
    parts.filter(|part| !part.is_empty())
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_imports_is_read_with_names_and_visibility() {
        let code = "use a::{self, b::{C as D, *}, e};\npub(crate) use super::f as _;\nuse g;\n";
        let parsed = parse(code, |_| false);
        let found: Vec<String> = parsed
            .imports
            .iter()
            .map(|found| format!("{}={} {}", found.name, found.path.join("::"), found.is_public))
            .collect();

        assert_eq!(
            found,
            [
                "a=a false",
                "D=a::b::C false",
                "*=a::b false",
                "e=a::e false",
                "_=super::f true",
                "g=g false"
            ]
        );
    }

    #[test]
    fn paths_and_definitions_are_found_and_methods_are_not() {
        let code = "macro_rules! m { () => {} }\nfn f() { let x = y.z; a::b::<C>() }\nstruct S;\n";
        let parsed = parse(code, |_| false);

        assert_eq!(parsed.defined, BTreeSet::from(["m", "f", "S"]));
        let has = |wanted: &[&str]| parsed.paths.iter().any(|(_, path)| path == wanted);
        assert!(has(&["a", "b"]) && has(&["C"]) && has(&["y"]) && !has(&["z"]));
    }
}
