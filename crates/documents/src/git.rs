//! Git objects: the bytes of commits and tags that git gives its signers.
//!
//! An object is lines of `name value`, where a line that begins with a space continues the one
//! before, an empty line, and the message (git's `Documentation/gitformat-signature`).

use crate::date::to_the_minute;
use crate::preview::Preview;

/// Shows a commit or a tag as such. Other documents get a warning.
pub(crate) fn preview(document: &[u8]) -> Preview {
    object(document).unwrap_or_else(|| {
        Preview::of("not a git object")
            .warn("this claims to be a git commit or tag and is neither; look at the file itself")
    })
}

/// Shows a commit or a tag, if the document is one.
pub(crate) fn object(document: &[u8]) -> Option<Preview> {
    let text = str::from_utf8(document).ok()?;
    let (headers, message) =
        text.split_once("\n\n").or_else(|| Some((text.strip_suffix('\n')?, "")))?;
    let headers = read_headers(headers)?;
    let value = |name: &str| {
        let mut of_name = headers.iter().filter(|(it, _)| it == name);
        let (_, value) = of_name.next()?;
        of_name.next().is_none().then_some(value.as_str())
    };
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        ["tree", rest @ ..] => {
            let parents = rest.iter().take_while(|name| **name == "parent").count();
            if !matches!(rest.get(parents..), Some(["author", "committer", ..])) {
                return None;
            }
            let mut preview = Preview::of("git commit").field("tree", hash(value("tree")?)?);
            for (_, parent) in headers.iter().filter(|(name, _)| name == "parent") {
                preview = preview.field("parent", hash(parent)?);
            }
            preview = preview.field("author", person(value("author")?)?);
            if identity(value("author")?) != identity(value("committer")?) {
                preview = preview.field("committer", person(value("committer")?)?);
            }
            Some(preview.field("commit message", message.trim_end()))
        }
        ["object", "type", "tag", "tagger"] => Some(
            Preview::of("git tag")
                .field("tag", value("tag")?)
                .field(value("type")?, hash(value("object")?)?)
                .field("tagger", person(value("tagger")?)?)
                .field("tag message", message.trim_end()),
        ),
        _ => None,
    }
}

fn read_headers(text: &str) -> Option<Vec<(String, String)>> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in text.split('\n') {
        match line.strip_prefix(' ') {
            Some(more) => {
                let (_, value) = headers.last_mut()?;
                value.push('\n');
                value.push_str(more);
            }
            None => {
                let (name, value) = line.split_once(' ')?;
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    Some(headers)
}

/// SHA-1 or SHA-256, in lower-case hex.
fn hash(text: &str) -> Option<&str> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_hex && matches!(text.len(), 40 | 64)).then_some(text)
}

/// The name and address in front of a time.
fn identity(text: &str) -> Option<&str> {
    let end = text.rfind('>')?;
    text.get(..=end)
}

/// `NAME <ADDRESS> SECONDS ZONE`, with the time of the author's clock as people read it.
fn person(text: &str) -> Option<String> {
    let who = identity(text)?;
    let (seconds, zone) = text.get(who.len()..)?.trim_start().split_once(' ')?;
    let seconds: i64 = seconds.parse().ok()?;
    let (sign, digits) = zone.split_at_checked(1)?;
    if !matches!(sign, "+" | "-")
        || digits.len() != 4
        || !digits.bytes().all(|it| it.is_ascii_digit())
    {
        return None;
    }
    Some(format!("{who}, {} UTC", to_the_minute(seconds)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMIT: &str = "tree 2f1fa2a1d2d5f0d4a9de5b5b8e4a5ed0e8e2b6b1\n\
        parent 0c9d1a9a5c2f4c2b1f0ad9c31d7f7d8f7d4f3a11\n\
        author Ada <ada@example.com> 1767225600 +0100\n\
        committer Ben <ben@example.com> 1767225660 +0000\n\nRelease 1.2\n\nWith notes.\n";

    fn shown(preview: &Preview) -> Vec<(&str, &str)> {
        let fields = preview.fields.iter();
        fields.map(|field| (field.name.as_str(), field.value.as_str())).collect()
    }

    #[test]
    fn a_commit_is_shown_as_git_shows_it() {
        let preview = preview(COMMIT.as_bytes());
        assert_eq!((preview.kind.as_str(), preview.warning.is_none()), ("git commit", true));
        assert_eq!(
            shown(&preview),
            [
                ("tree", "2f1fa2a1d2d5f0d4a9de5b5b8e4a5ed0e8e2b6b1"),
                ("parent", "0c9d1a9a5c2f4c2b1f0ad9c31d7f7d8f7d4f3a11"),
                ("author", "Ada <ada@example.com>, 2026-01-01 00:00 UTC"),
                ("committer", "Ben <ben@example.com>, 2026-01-01 00:01 UTC"),
                ("commit message", "Release 1.2\n\nWith notes."),
            ]
        );
    }

    #[test]
    fn a_tag_is_shown_with_what_it_points_at() {
        let tag = "object 0c9d1a9a5c2f4c2b1f0ad9c31d7f7d8f7d4f3a11\ntype commit\ntag v1.2\n\
            tagger Ada <ada@example.com> 1767225600 +0100\n\nRelease 1.2\n";
        let preview = preview(tag.as_bytes());
        assert_eq!(preview.kind, "git tag");
        assert_eq!(shown(&preview)[0], ("tag", "v1.2"));
        assert_eq!(shown(&preview)[1].0, "commit");
    }

    #[test]
    fn what_is_no_git_object_is_called_that() {
        for document in [
            "a contract",
            "",
            "tree x\nauthor Ada <a@b> 1 +0000\ncommitter Ada <a@b> 1 +0000\n\nm\n",
            "tree 2f1fa2a1d2d5f0d4a9de5b5b8e4a5ed0e8e2b6b1\n\nno author\n",
            &COMMIT.replacen("tree", "tree 2f1fa2a1d2d5f0d4a9de5b5b8e4a5ed0e8e2b6b1\ntree", 1),
            &COMMIT.replacen("1767225600 +0100", "soon", 1),
        ] {
            assert!(preview(document.as_bytes()).warning.is_some(), "{document}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, text in "(tree|object|author|[a-f0-9]{40}|<>|[0-9 \n+-]){0,40}") {
            let _ = preview(&bytes);
            let _ = preview(text.as_bytes());
        }
    }
}
