//! Derived serde structs from nodes, with places in the errors.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::{Diagnostic, Node, Span, Yaml};

/// Deserialises a value.
///
/// # Errors
/// serde's message at the innermost node it is about.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, DeError> {
    T::deserialize(node)
}

/// What serde did not like, and where.
#[derive(Debug, Clone)]
pub struct DeError {
    pub message: String,
    /// [`Span::NONE`] until the error has passed a node that has a place.
    pub span: Span,
}

impl DeError {
    pub fn into_diagnostic(self) -> Diagnostic {
        Diagnostic::error(self.message).at(self.span, "")
    }

    fn placed(mut self, span: Span) -> DeError {
        if self.span.is_none() {
            self.span = span;
        }
        self
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> DeError {
        DeError { message: message.to_string(), span: Span::NONE }
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.value {
            Yaml::Null => visitor.visit_unit(),
            Yaml::Bool(b) => visitor.visit_bool(*b),
            Yaml::Int(i) => visitor.visit_i64(*i),
            Yaml::Float(f) => visitor.visit_f64(*f),
            Yaml::Str(s) => visitor.visit_borrowed_str(s),
            Yaml::Seq(items) => visitor.visit_seq(Items(items.iter())),
            Yaml::Map(map) => visitor.visit_map(Entries { rest: Box::new(map.iter()), value: None }),
        }
        .map_err(|e| e.placed(self.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
            .map_err(|e| e.placed(self.span))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self).map_err(|e| e.placed(self.span))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.value {
            Yaml::Str(s) => visitor.visit_enum((**s).into_deserializer()),
            Yaml::Map(map) if map.len() == 1 => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(Entries {
                    rest: Box::new(map.iter()),
                    value: None,
                }))
            }
            _ => Err(de::Error::custom(format!("expected a name, found a {}", self.kind_name()))),
        }
        .map_err(|e: DeError| e.placed(self.span))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DeError> {
        self.0.next().map(|node| seed.deserialize(node).map_err(|e| e.placed(node.span))).transpose()
    }
}

struct Entries<'de> {
    rest: Box<dyn Iterator<Item = (&'de Node, &'de Node)> + 'de>,
    value: Option<&'de Node>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key).map(Some).map_err(|e| e.placed(key.span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let value = self.value.take().ok_or_else(|| de::Error::custom("value before key"))?;
        seed.deserialize(value).map_err(|e| e.placed(value.span))
    }
}
