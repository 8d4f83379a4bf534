//! Generated structs inside log records: as RFC 7951 JSON, so that YANG's own rules for new
//! revisions (RFC 7950 section 11) keep old records readable.
//!
//! Used as `#[serde(with = "crate::yang::stored")]` on a field of an event.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::encode::EncodeOptions;
use super::generated::SCHEMA;
use super::json;
use super::model::Modelled;
use super::tree::Container;

/// Writes a struct as the JSON object of its children.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T: Modelled, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = Vec::with_capacity(1024);
    write::<T>(&value.to_data(), &mut text);
    let text = String::from_utf8(text).map_err(S::Error::custom)?;
    RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
}

/// Writes the instance data of a struct as [`serialize`] does, into JSON that the caller writes.
pub fn write<T: Modelled>(data: &Container, out: &mut Vec<u8>) {
    json::encode_children(data, Some(T::node()), out, &EncodeOptions::default());
}

/// Reads a struct from the JSON object of its children.
///
/// # Errors
/// The object does not fit the schema.
pub fn deserialize<'de, T: Modelled, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let data = json::decode_children(raw.get().as_bytes(), Some(T::node()), &SCHEMA, &json::STORED);
    T::from_data(&data.map_err(D::Error::custom)?).map_err(D::Error::custom)
}

/// The same for a struct that can be absent.
pub mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Modelled;

    #[derive(Serialize, Deserialize)]
    #[serde(transparent, bound = "")]
    struct Stored<T: Modelled + Clone>(#[serde(with = "super")] T);

    /// Writes a struct that is there as the JSON object of its children.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Modelled + Clone, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.clone().map(Stored).serialize(serializer)
    }

    /// Reads a struct from the JSON object of its children.
    ///
    /// # Errors
    /// The object does not fit the schema.
    pub fn deserialize<'de, T: Modelled + Clone, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(Option::<Stored<T>>::deserialize(deserializer)?.map(|Stored(value)| value))
    }
}
