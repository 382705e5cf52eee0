//! Rust source as words and paths, without comments and literals.

use std::ops::Range;

/// A word or a single punctuation character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Token<'a> {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) text: &'a str,
}

/// A path such as `std::fs::read`, also out of `use std::{fs::read, …}`.
#[derive(Debug)]
pub(crate) struct Path<'a> {
    /// The line of its last segment, from 1.
    pub(crate) line: usize,
    pub(crate) segments: Vec<&'a str>,
}

impl Path<'_> {
    /// Whether the path begins with the segments of `prefix`, `std::fs`.
    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        let mut segments = self.segments.iter();
        prefix.split("::").all(|wanted| segments.next().is_some_and(|found| *found == wanted))
    }

    /// Whether the segments of `part`, `Instant::now`, are in the path, together.
    pub(crate) fn contains(&self, part: &str) -> bool {
        let part: Vec<&str> = part.split("::").collect();
        self.segments.windows(part.len()).any(|window| window == part)
    }
}

/// Returns `text` with comments and literals replaced by spaces. Lines keep their numbers.
pub(crate) fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_word = false;
    while let Some(first) = rest.chars().next() {
        let skipped = blank_len(rest, in_word);
        let (head, tail) = rest.split_at(skipped.unwrap_or(first.len_utf8()));
        if skipped.is_some() {
            code.extend(head.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            code.push(first);
        }
        in_word = skipped.is_none() && is_word(first);
        rest = tail;
    }
    code
}

/// Returns the length in bytes of the comment or literal at the beginning of `text`, if any.
fn blank_len(text: &str, in_word: bool) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment_len(text));
    }
    if !in_word && let Some(length) = raw_string_len(text) {
        return Some(length);
    }
    if text.starts_with('"') {
        return Some(quoted_len(text, '"'));
    }
    // `'a'` and `'\n'` are characters, `'a` is a lifetime.
    let rest = text.strip_prefix('\'')?;
    let is_char = rest.starts_with('\\') || rest.chars().nth(1) == Some('\'');
    is_char.then(|| quoted_len(text, '\''))
}

fn block_comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn raw_string_len(text: &str) -> Option<usize> {
    let rest = text.strip_prefix(['b', 'c']).unwrap_or(text).strip_prefix('r')?;
    let body = rest.trim_start_matches('#');
    let end = format!("\"{}", "#".repeat(rest.len() - body.len()));
    let body = body.strip_prefix('"')?;
    let start = text.len() - body.len();
    Some(body.find(&end).map_or(text.len(), |at| start + at + end.len()))
}

fn quoted_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Returns the words and punctuation of `code`, which has no comments and literals.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (text, tail) = rest.split_at(length);
            tokens.push(Token { line: index + 1, text });
            rest = tail.trim_start();
        }
    }
    tokens
}

/// Returns the paths in `tokens`. A single word is a path of one segment.
pub(crate) fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Path<'a>> {
    let mut paths = Vec::new();
    // The prefix of the paths inside each open brace; it is empty except in `use a::{…}`.
    let mut prefixes: Vec<Vec<&str>> = Vec::new();
    let mut current: Vec<&str> = Vec::new();
    let mut colons = 0;
    let mut after_word = false;
    for token in tokens {
        let joined = colons == 2;
        let is_alias = std::mem::take(&mut after_word) && !joined;
        match token.text {
            ":" => {
                colons += 1;
                continue;
            }
            "{" if joined => prefixes.push(std::mem::take(&mut current)),
            "{" => prefixes.push(Vec::new()),
            "}" => {
                prefixes.pop();
                current.clear();
            }
            word if word.starts_with(is_word) => {
                // In `{fs as b}` only `fs` is below the prefix.
                if is_alias {
                    current.clear();
                } else if !joined {
                    current = prefixes.last().cloned().unwrap_or_default();
                }
                after_word = true;
                current.push(word);
                paths.push(Path { line: token.line, segments: current.clone() });
            }
            _ => current.clear(),
        }
        colons = 0;
    }
    paths
}

/// Returns the lines of items under `#[cfg(test)]`, and the names of test modules in other files.
pub(crate) fn test_items(tokens: &[Token<'_>]) -> (Vec<Range<usize>>, Vec<String>) {
    let mut lines = Vec::new();
    let mut modules = Vec::new();
    let texts: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    for (start, token) in tokens.iter().enumerate() {
        let rest = texts.get(start..).unwrap_or_default();
        let is_test = rest.starts_with(&["#", "[", "cfg", "(", "test", ")", "]"])
            || rest.starts_with(&["#", "[", "cfg", "(", "all", "(", "test"]);
        if !is_test {
            continue;
        }
        let end = start + item_len(rest);
        let last = tokens.get(end.saturating_sub(1)).unwrap_or(token);
        lines.push(token.line..last.line + 1);
        if let Some([.., "mod", name, ";"]) = texts.get(start..end) {
            modules.push((*name).into());
        }
    }
    (lines, modules)
}

/// Returns the number of tokens of the first item, including its attributes.
fn item_len(texts: &[&str]) -> usize {
    let mut depth = 0_usize;
    for (at, text) in texts.iter().enumerate() {
        match *text {
            "{" | "(" | "[" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    texts.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_become_spaces_and_lines_stay() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"a "b \" c" d"#, "a          d"),
            (r##"a r#"b " c"# d"##, "a            d"),
            (r#"a br"b" d"#, "a       d"),
            (r"a '\'' b 'c' d", "a      b     d"),
            ("fn a<'b>(c: &'b str)", "fn a<'b>(c: &'b str)"),
            ("var\"x\"", "var   "),
            ("a \"b\nc\" d", "a   \n   d"),
            ("\"open", "     "),
        ];
        for (text, expected) in cases {
            assert_eq!(code(text), expected);
        }
    }

    #[test]
    fn a_group_of_imports_yields_whole_paths() {
        let code = "use std::{fs::{self, File}, net as wire}; fn a() { b::c(d) }";
        let tokens = tokens(code);
        let found: Vec<String> =
            paths(&tokens).iter().map(|path| path.segments.join("::")).collect();

        for wanted in ["std::fs::File", "std::fs::self", "std::net", "b::c", "d"] {
            assert!(found.iter().any(|path| path == wanted), "{wanted} not in {found:?}");
        }
        assert!(!found.iter().any(|path| path.ends_with("wire") && path.starts_with("std")));
        assert!(!found.iter().any(|path| path == "std::d" || path == "b::d"));
    }

    #[test]
    fn a_test_item_ends_with_its_brace_or_semicolon() {
        let text = "#[cfg(test)]\n#[rstest]\nfn a(b: [u8; 2]) {\n{ }\n}\nfn c() {}\n\
                    #[cfg(test)] mod d;\nfn e() {}\n#[cfg(all(test, unix))]\nuse f;\nfn g() {}\n";
        let (lines, modules) = test_items(&tokens(text));

        assert_eq!(lines, [1..6, 7..8, 9..11]);
        assert_eq!(modules, ["d"]);
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        let tokens = tokens("std::fs_extra::read");
        let found = paths(&tokens);
        let path = found.last().unwrap();

        assert!(path.starts_with("std") && !path.starts_with("std::fs"));
        assert!(path.contains("fs_extra::read") && !path.contains("extra::read"));
    }
}
