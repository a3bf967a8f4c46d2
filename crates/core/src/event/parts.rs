//! An event's type and its data, taken apart and put together without one text for the two.

use serde::{
    Serialize,
    de::{DeserializeSeed, IntoDeserializer, MapAccess, value::StrDeserializer},
    ser::{Error as _, Impossible, SerializeStruct, Serializer},
};
use serde_json::{Error, value::RawValue};

use super::{EventData, EventType, NewEvent};

/// A map of two entries, `type` and `data`, to deserialize an adjacently tagged enum from.
pub(super) struct Parts<'a> {
    kind: Option<&'a str>,
    data: Option<&'a RawValue>,
    key: &'static str,
}

impl<'a> Parts<'a> {
    pub(super) fn new(kind: &'a str, data: &'a RawValue) -> Self {
        Self { kind: Some(kind), data: Some(data), key: "" }
    }
}

impl<'de> MapAccess<'de> for Parts<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.key = match (&self.kind, &self.data) {
            (Some(_), _) => "type",
            (None, Some(_)) => "data",
            (None, None) => return Ok(None),
        };
        let key: StrDeserializer<'_, Error> = self.key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        if let Some(kind) = self.kind.take() {
            let kind: StrDeserializer<'_, Error> = kind.into_deserializer();
            return seed.deserialize(kind);
        }
        match self.data.take() {
            Some(data) => seed.deserialize(data),
            None => Err(serde::de::Error::missing_field("data")),
        }
    }
}

/// Writes an adjacently tagged enum as a type and its data.
pub(super) fn write(event: &(impl Serialize + ?Sized)) -> Result<NewEvent, Error> {
    match event.serialize(Taking)? {
        Taken { kind: Some(kind), data: Some(data) } => Ok(NewEvent { kind, data }),
        _ => Err(other_shape()),
    }
}

fn other_shape() -> Error {
    Error::custom("an event has a `type` and `data`, and nothing else")
}

/// What has been seen of an event.
#[derive(Default)]
struct Taken {
    kind: Option<EventType>,
    data: Option<EventData>,
}

impl SerializeStruct for Taken {
    type Ok = Self;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        match key {
            "type" => self.kind = value.serialize(Taking)?.kind,
            "data" => self.data = Some(EventData::of(&value)?),
            _ => return Err(other_shape()),
        }
        Ok(())
    }

    fn end(self) -> Result<Self, Error> {
        Ok(self)
    }
}

/// Takes an event, or the type of one, as serde's derived code writes them: the event as a struct,
/// and the type as a variant without data.
struct Taking;

macro_rules! refused {
    ($($method:ident($($argument:ty),*) -> $answer:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$answer, Error> {
            Err(other_shape())
        })*
    };
}

impl Serializer for Taking {
    type Ok = Taken;
    type Error = Error;
    type SerializeSeq = Impossible<Taken, Error>;
    type SerializeTuple = Impossible<Taken, Error>;
    type SerializeTupleStruct = Impossible<Taken, Error>;
    type SerializeTupleVariant = Impossible<Taken, Error>;
    type SerializeMap = Impossible<Taken, Error>;
    type SerializeStruct = Taken;
    type SerializeStructVariant = Impossible<Taken, Error>;

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Taken, Error> {
        Ok(Taken::default())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Taken, Error> {
        Ok(Taken { kind: Some(EventType::from_static(variant)), data: None })
    }

    fn serialize_str(self, kind: &str) -> Result<Taken, Error> {
        Ok(Taken { kind: Some(EventType::new(kind.to_owned())), data: None })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Taken, Error> {
        Err(other_shape())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Taken, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Taken, Error> {
        Err(other_shape())
    }

    refused! {
        serialize_bool(bool) -> Taken;
        serialize_i8(i8) -> Taken;
        serialize_i16(i16) -> Taken;
        serialize_i32(i32) -> Taken;
        serialize_i64(i64) -> Taken;
        serialize_u8(u8) -> Taken;
        serialize_u16(u16) -> Taken;
        serialize_u32(u32) -> Taken;
        serialize_u64(u64) -> Taken;
        serialize_f32(f32) -> Taken;
        serialize_f64(f64) -> Taken;
        serialize_char(char) -> Taken;
        serialize_bytes(&[u8]) -> Taken;
        serialize_none() -> Taken;
        serialize_unit() -> Taken;
        serialize_unit_struct(&'static str) -> Taken;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeStructVariant;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::TypedEvent as _;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(tag = "type", content = "data")]
    enum Shapes {
        #[serde(rename = "acme.struct")]
        Struct { n: u32 },
        #[serde(rename = "acme.newtype")]
        Newtype(Vec<u32>),
        #[serde(rename = "acme.tuple")]
        Tuple(u32, String),
        #[serde(rename = "acme.unit")]
        Unit,
    }

    #[test]
    fn an_event_of_each_shape_is_the_one_text_taken_apart() {
        for event in [
            Shapes::Struct { n: 1 },
            Shapes::Newtype(vec![1, 2]),
            Shapes::Tuple(7, "\"quoted\"".to_owned()),
        ] {
            let NewEvent { kind, data } = event.to_new_event().unwrap();
            let whole = format!(r#"{{"type":"{kind}","data":{}}}"#, data.as_str());
            assert_eq!(whole, serde_json::to_string(&event).unwrap());
            assert_eq!(Shapes::from_parts(&kind, &data).unwrap(), event);
        }
        assert!(Shapes::Unit.to_new_event().is_err(), "an event has data");
    }

    #[test]
    fn what_is_no_event_is_not_taken_for_one() {
        #[derive(Serialize)]
        struct More {
            r#type: &'static str,
            data: u32,
            more: u32,
        }
        assert!(write(&More { r#type: "acme.more", data: 1, more: 2 }).is_err());
        assert!(write("acme.text").is_err());
        assert!(write(&serde_json::json!({ "type": "acme.map", "data": 1 })).is_err());
        assert!(write(&7).is_err());
    }
}
