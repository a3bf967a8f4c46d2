//! JSON as people hand it in, read more strictly than programs need it.
//!
//! Of a key that is given twice most readers drop one value silently, and of a number that is too large
//! they keep another; what is dropped or changed would be approved unseen.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads `text`, which must be one JSON document in which no object has a key twice.
pub(crate) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// From here on not every whole number is one of 64 bits with a fraction (IEEE 754): 2 to the 53rd.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        // A whole number beyond 64 bits comes as the nearest that can be kept, which nobody wrote.
        if value.abs() >= EXACT_MAX {
            return Err(E::custom(
                "a number is larger than can be kept exactly: write it as a text, in quotes",
            ));
        }
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is given twice")));
            }
            object.insert(key, members.next_value_seed(Self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_is_read_as_they_mean_it() {
        for text in [
            "null",
            " true ",
            "-3",
            "18446744073709551615",
            "0.1",
            r#""a\u0000b""#,
            "[]",
            r#"[1, [2, {"a": {}}], null]"#,
            r#"{"a": {"a": 1}, "b": {"a": 2}}"#,
        ] {
            assert_eq!(parse(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn a_key_given_twice_is_refused_with_its_place() {
        for (text, place) in [
            (r#"{"a": 1, "a": 1}"#, "the key `a` is given twice at line 1 column 12"),
            ("[{\"b\": {\"c\": 1,\n\"c\": 2}}]", "the key `c` is given twice at line 2 column 3"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), place, "{text}");
        }
    }

    #[test]
    fn a_number_that_would_be_another_is_refused() {
        for text in
            ["18446744073709551616", "-9223372036854775809", "[12345678901234567890123]", "1e16"]
        {
            let found = parse(text).unwrap_err().to_string();
            assert!(found.contains("larger than can be kept exactly"), "{text}: {found}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "{} {}", "'a'", "[1,]", "NaN", "1e999", "\u{feff}{}", &deep] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
