//! Rules about the English in comments, messages and Markdown. CONTRIBUTING.md has the style sheet.

use std::collections::BTreeSet;

use crate::tidy::problem::Problem;
use crate::tidy::source::tokens;
use crate::tidy::tree::{File, Tree};

/// Phrases that read like a translation, and what to write instead. All lower case; they count
/// in any case, as whole words, and also across a line break.
const PHRASES: &[(&str, &str)] = &[
    ("can not", "cannot"),
    ("anew", "again"),
    ("for ever", "permanently, forever"),
    ("of no use", "say what fails"),
    ("of use", "useful"),
    ("is none", "say what it is not"),
    ("are none", "say what they are not"),
    ("came to nothing", "failed"),
    ("comes to nothing", "fails"),
    ("come to nothing", "fail"),
    ("came to something", "succeeded"),
    ("comes to something", "succeeds"),
    ("becomes of", "what happens to it, its outcome"),
    ("became of", "what happened to it, its outcome"),
    ("comes of it", "the result"),
    ("whoever", "a noun: the member that, anyone who"),
    ("is told", "receives, is shown"),
    ("are told", "receive, are shown"),
    ("said so", "say what it stated"),
    ("is known of", "say who knows what"),
    ("shall", "must, or the present tense"),
    ("at once", "immediately, at the same time"),
    ("by itself", "automatically, alone"),
    ("by themselves", "automatically, alone"),
    ("take back", "withdraw"),
    ("takes back", "withdraws"),
    ("taken back", "withdrawn"),
    ("took back", "withdrew"),
    ("done without", "left out"),
    ("other keys", "new keys, different keys"),
    ("other shares", "new shares, the other members' shares"),
];

const LIST: &str = "xtask/src/tidy/prose.rs";

/// Verbs that show, after `Who` at the beginning of a sentence, that a clause without a noun is
/// its subject: "Who has refused takes no part". A question is none.
const HEADLESS: &[&str] = &[
    "has", "had", "have", "is", "was", "are", "gets", "got", "can", "cannot", "does", "did",
    "wants", "may", "will", "takes", "leaves", "left", "joins", "only", "rejects", "approves",
    "votes", "asks", "cheats", "holds", "knows", "already", "could", "never",
];

/// Columns that a comment may take.
const WIDTH: usize = 100;

const TEST_NAME: usize = 60;

/// Finds phrases of the list, and sentences that begin with a headless "Who".
pub(super) fn phrases(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let files = tree.files.iter().filter(|(path, _)| is_rust(path) || is_markdown(path));
    for (path, file) in files.filter(|(path, _)| *path != LIST) {
        let mut fenced = false;
        let lines: Vec<String> = file.text.lines().map(|line| prose(line, &mut fenced)).collect();
        for (index, line) in lines.iter().enumerate() {
            // A phrase may go on in the next line; what begins there is found there.
            let next = lines.get(index + 1).map_or("", String::as_str);
            let text = format!("{line} {next}");
            let lower = text.to_lowercase();
            let mut complain = |found: &str, instead: &str| {
                let message = format!("\"{found}\": {instead}");
                problems.push(Problem::at(path, index + 1, message));
            };
            for (phrase, instead) in PHRASES {
                // "Where there is none" is plain English.
                let is_plain = |at: usize| lower.get(..at).is_some_and(|t| t.ends_with("there "));
                if words(&lower, phrase).any(|at| at < line.len() && !is_plain(at)) {
                    complain(phrase, instead);
                }
            }
            for at in words(&text, "Who").filter(|at| *at < line.len()) {
                if is_headless(&text, at) {
                    complain("Who …", "begin the sentence with a noun");
                }
            }
        }
    }
    problems
}

/// The prose of a line: without the mark of a comment and without `code`. A line of a fenced
/// block of code is empty.
fn prose(line: &str, fenced: &mut bool) -> String {
    let mut text = line.trim();
    for mark in ["///", "//!", "//", ">"] {
        text = text.strip_prefix(mark).unwrap_or(text);
    }
    if text.trim_start().starts_with("```") {
        *fenced = !*fenced;
        return String::new();
    }
    if *fenced { String::new() } else { without_code(text.trim()) }
}

/// `text` with each span between backquotes replaced by a single `Q`.
fn without_code(text: &str) -> String {
    let spans = text.split('`').enumerate();
    spans.map(|(index, part)| if index % 2 == 0 { part } else { "Q" }).collect()
}

/// Where `phrase` stands in `text` as whole words.
fn words<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let found = text.match_indices(phrase).map(|(at, _)| at);
    found.filter(move |at| {
        let before = text.get(..*at).and_then(|text| text.chars().next_back());
        let after = text.get(at + phrase.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_headless(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default().trim_end();
    let after = text.get(at + "Who".len()..).unwrap_or_default();
    let begins = before.is_empty() || before.ends_with(['.', ':', ';', '!', '?', '|', '*', '"']);
    let verb = after.split_whitespace().next().unwrap_or_default();
    let end = after.find(['.', '?', '!']).and_then(|end| after.get(end..));
    let is_question = end.is_some_and(|end| end.starts_with('?'));
    begins && HEADLESS.contains(&verb) && !is_question
}

/// Finds comments that are too wide. Tables and long links cannot be wrapped.
pub(super) fn comment_width(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        for (index, line) in file.text.lines().enumerate() {
            let text = line.trim_start();
            let Some(text) = text.strip_prefix("//") else { continue };
            let text = text.trim_start_matches(['/', '!']).trim();
            let can_wrap = text.contains(' ') && !text.starts_with('|');
            let width = line.chars().count();
            if width > WIDTH && can_wrap {
                problems.push(Problem::at(path, index + 1, format!("{width} columns")));
            }
        }
    }
    problems
}

/// Finds documentation that is one word: `/// Who.`
pub(super) fn one_word_docs(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
        let is_doc = |at: usize| lines.get(at).is_some_and(|line| line.starts_with("///"));
        for (index, line) in lines.iter().enumerate() {
            let Some(text) = line.strip_prefix("///").map(str::trim) else { continue };
            let is_alone = !is_doc(index + 1) && !index.checked_sub(1).is_some_and(is_doc);
            let is_word =
                text.ends_with('.') && text.chars().all(|c| c.is_alphabetic() || c == '.');
            if is_alone && is_word {
                problems.push(Problem::at(path, index + 1, format!("\"{text}\"")));
            }
        }
    }
    problems
}

/// Finds names of tests that are too long.
pub(super) fn test_names(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.sources() {
        for (line, name) in tests(file) {
            let length = name.len();
            if length > TEST_NAME {
                problems.push(Problem::at(path, line, format!("`{name}` has {length} characters")));
            }
        }
    }
    problems
}

/// The functions of `file` with an attribute that makes them a test.
fn tests(file: &File) -> Vec<(usize, &str)> {
    let tokens = tokens(&file.code);
    let mut tests = Vec::new();
    let mut depth = 0_usize;
    let mut is_test = false;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "[" if depth > 0 || at > 0 && tokens.get(at - 1).is_some_and(|t| t.text == "#") => {
                depth += 1;
            }
            "]" => depth = depth.saturating_sub(1),
            "test" | "rstest" if depth == 1 => is_test = true,
            "cfg" if depth == 1 => depth += 1,
            "fn" if depth == 0 => {
                if let (true, Some(name)) = (is_test, tokens.get(at + 1)) {
                    tests.push((name.line, name.text));
                }
                is_test = false;
            }
            "mod" | "use" | "struct" | "const" if depth == 0 => is_test = false,
            _ => {}
        }
        // `cfg(test)` is no attribute of a test.
        if token.text == ")" && depth == 2 {
            depth = 1;
        }
    }
    tests
}

/// Finds lines of Markdown with more than one sentence, and sentences on more than one line.
pub(super) fn sentences(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, file) in tree.files.iter().filter(|(path, _)| is_markdown(path)) {
        let mut fenced = false;
        let lines: Vec<String> = file.text.lines().map(|line| prose(line, &mut fenced)).collect();
        for (index, line) in lines.iter().enumerate() {
            let is_link = line.starts_with('[') && line.contains("]: ");
            let is_text = !line.is_empty() && !is_link && !line.starts_with(['|', '#', '<']);
            if !is_text {
                continue;
            }
            let next = lines.get(index + 1).map_or("", String::as_str);
            if has_second_sentence(line) {
                problems.push(Problem::at(path, index + 1, "two sentences"));
            } else if !ends_sentence(line) && goes_on(next) {
                problems.push(Problem::at(path, index + 1, "breaks inside of a sentence"));
            }
        }
    }
    problems
}

fn ends_sentence(line: &str) -> bool {
    line.trim_end_matches(['*', '_', ')', '"', '”', 'Q']).ends_with(['.', '!', '?', ':', ';', '…'])
}

/// Whether a line continues the paragraph above it.
fn goes_on(line: &str) -> bool {
    let is_item = line.starts_with("- ")
        || line.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(". ");
    !line.is_empty() && !is_item && !line.starts_with(['|', '#', '<'])
}

fn has_second_sentence(line: &str) -> bool {
    const ABBREVIATIONS: &[&str] = &["e.g.", "i.e.", "cf.", "vs.", "etc.", "no."];
    let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || "-. ".contains(c));
    line.match_indices(['.', '!', '?']).any(|(at, mark)| {
        let before = line.get(..at + mark.len()).unwrap_or_default();
        let after = line.get(at + mark.len()..).unwrap_or_default();
        let rest = after.trim_start_matches(['*', '_', ')', '"', '”']);
        let is_lead_in =
            line.starts_with("**") && after.starts_with("**") && before.matches("**").count() == 1;
        let begins = rest.strip_prefix(' ').and_then(|rest| {
            rest.trim_start_matches(['*', '_', '(', '"', '“', '[']).chars().next()
        });
        begins.is_some_and(char::is_uppercase)
            && !is_lead_in
            && !ABBREVIATIONS.iter().any(|short| before.to_lowercase().ends_with(short))
    })
}

/// Finds names of tests in Markdown, such as *a_test_like_this*, without a function of that name.
/// A name may be the beginning of a function's, and `…` stands for any text.
pub(super) fn named_tests(tree: &Tree) -> Vec<Problem> {
    let mut functions = BTreeSet::new();
    for (_, file) in tree.sources() {
        let tokens = tokens(&file.code);
        let pairs = tokens.iter().zip(tokens.iter().skip(1));
        functions.extend(pairs.filter(|(word, _)| word.text == "fn").map(|(_, name)| name.text));
    }
    let mut problems = Vec::new();
    for (path, file) in tree.files.iter().filter(|(path, _)| is_markdown(path)) {
        for (index, line) in file.text.lines().enumerate() {
            for name in line.split('*').filter(|name| is_test_name(name)) {
                let (start, end) = name.split_once('…').unwrap_or((name, ""));
                let is_there = |name: &&str| name.starts_with(start) && name.ends_with(end);
                if !functions.iter().any(is_there) {
                    problems.push(Problem::at(path, index + 1, format!("there is no test {name}")));
                }
            }
        }
    }
    problems
}

fn is_test_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_…".contains(c);
    text.matches('_').count() >= 2 && text.chars().all(is_part)
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

fn is_markdown(path: &str) -> bool {
    path.ends_with(".md")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(check: fn(&Tree) -> Vec<Problem>, path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn phrases_are_found_in_comments_strings_and_across_lines() {
        let text = "//! It can\n//! not be.\nconst A: &str = \"it is made Anew\";\n\
                    fn renew_anew() {} // `can not` is code\n";

        assert_eq!(lines(phrases, "a.rs", text), [1, 3]);
        assert_eq!(lines(phrases, "a.md", "```\ncan not\n```\nShall it?\n"), [4]);
    }

    #[test]
    fn a_sentence_without_a_noun_is_found_and_a_question_is_not() {
        let found = |text: &str| lines(phrases, "a.md", text).len();

        assert_eq!(found("Who has refused takes no part."), 1);
        assert_eq!(found("A member left. Who is\nremoved stays so."), 1);
        assert_eq!(found("Who is missing?\nSomebody who has refused.\nWho, and what."), 0);
    }

    #[test]
    fn wide_comments_are_found_and_tables_and_code_are_not() {
        let wide = "x ".repeat(50);
        let text =
            format!("/// {wide}x\n//! | {wide} |\nconst A: &str = \"{wide}\";\n    // {wide}x\n");

        assert_eq!(lines(comment_width, "a.rs", &text), [1, 4]);
    }

    #[test]
    fn documentation_of_one_word_is_found() {
        let text = "/// Who.\na: u8,\n/// Sum.\n/// More.\nb: u8,\n/// `who`.\nc: u8,\n/// A b.\n";

        assert_eq!(lines(one_word_docs, "a.rs", text), [1]);
    }

    #[test]
    fn only_names_of_tests_are_measured() {
        let long = "a".repeat(61);
        let text = format!(
            "fn {long}() {{}}\n#[cfg(test)]\nfn {long}() {{}}\n#[test]\nfn {long}() {{}}\n\
             #[tokio::test(start_paused = true)]\nasync fn {long}() {{}}\n#[test]\nfn b() {{}}\n"
        );

        assert_eq!(lines(test_names, "a.rs", &text), [5, 7]);
    }

    #[test]
    fn a_test_that_a_page_names_exists() {
        let page =
            "See *one_of_two_tests* and *one_of_…*.\n*one_of_no_tests* *a_b* *two words_a_b*\n";
        let files = [("a.rs", "fn one_of_two_tests_part_1() {}"), ("a.md", page)];
        let found = named_tests(&Tree::of(&files));

        assert_eq!(found.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn markdown_has_one_sentence_on_each_line() {
        let text = "One. Two.\n\nOne that is\nbroken.\n\n- An item (e.g. This).\n- **Lead.** Text.\n\
                    | a. B | c |\n\nEnds.\nIs followed.\n\n1. First. `Second`.\n";

        assert_eq!(lines(sentences, "a.md", text), [1, 3, 13]);
    }
}
