//! JSON in which nobody can read two things: duplicate keys are refused.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a text that is one JSON value, at most 128 levels deep.
pub(crate) fn read(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text).map(|Strict(value)| value)
}

/// Writes a value as the Canonical JSON of OLPC, which TUF and securesystemslib sign: keys sorted,
/// no white space, nothing escaped but `"` and `\`, control characters as they are. `None` if the
/// value contains a number that is not an integer.
pub(crate) fn canonical(value: &Value) -> Option<Vec<u8>> {
    let mut text = String::new();
    write(value, &mut text)?;
    Some(text.into_bytes())
}

/// The depth of the recursion is that of [`read`].
fn write(value: &Value, text: &mut String) -> Option<()> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) if number.is_f64() => return None,
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => write_string(string, text),
        Value::Array(values) => {
            text.push('[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write(value, text)?;
            }
            text.push(']');
        }
        Value::Object(fields) => {
            // In the order of their bytes, which is that of their code points.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_bytes());
            text.push('{');
            for (number, (name, value)) in sorted.into_iter().enumerate() {
                if number > 0 {
                    text.push(',');
                }
                write_string(name, text);
                text.push(':');
                write(value, text)?;
            }
            text.push('}');
        }
    }
    Some(())
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for char in string.chars() {
        if matches!(char, '"' | '\\') {
            text.push('\\');
        }
        text.push(char);
    }
    text.push('"');
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = from.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((key, Strict(value))) = from.next_entry::<String, Strict>()? {
            if values.insert(key, value).is_some() {
                return Err(de::Error::custom("a key stands there twice"));
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_that_stands_there_twice_is_refused_at_any_depth() {
        let text = br#"{"a":[{"b":1,"c":-2,"d":"x","e":null,"f":true,"g":0.5}]}"#;
        assert_eq!(read(text).unwrap(), serde_json::from_slice::<Value>(text).unwrap());
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#, "{} {}", ""] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert!(read(&deep).is_err());
    }

    #[test]
    fn canonical_json_is_that_of_securesystemslib() {
        for (text, written) in [
            (r#"{ "b": [1, -2, true, null], "a": {} }"#, r#"{"a":{},"b":[1,-2,true,null]}"#),
            (r#""\"\\\/\u00e9\ud83d\ude00""#, "\"\\\"\\\\/é😀\""),
            (r#"{"a\nb":"\u0001\t"}"#, "{\"a\nb\":\"\u{1}\t\"}"),
            (
                r#"{"\uffff":1,"\ud83d\ude00":2,"B":3,"a":4}"#,
                "{\"B\":3,\"a\":4,\"\u{ffff}\":1,\"😀\":2}",
            ),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            let value = read(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(canonical(&value).unwrap()).unwrap(), written);
        }
        for float in ["1.0", "[1e3]", "-0", "18446744073709551616"] {
            assert_eq!(canonical(&read(float.as_bytes()).unwrap()), None, "{float}");
        }
    }

    proptest! {
        /// Except for control characters, canonical JSON is JSON.
        #[test]
        fn canonical_json_reads_back(names in prop::collection::vec("[^\\p{Cc}]{0,6}", 0..8), number: i64) {
            let fields = names.iter().map(|name| (name.clone(), vec![name.clone(); 2].into()));
            let mut value: Map<String, Value> = fields.collect();
            value.insert("number".into(), number.into());
            let value = Value::Object(value);
            prop_assert_eq!(read(&canonical(&value).unwrap()).unwrap(), value);
        }
    }
}
