//! Reads a vendor's JSON part by part, so that one bad part does not spoil the others.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// A part of an answer, of any type, which is read only when it is needed.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Part(Option<Box<RawValue>>);

impl Part {
    /// Whether the part is missing or null.
    pub(crate) fn is_absent(&self) -> bool {
        self.0.is_none()
    }

    /// The part, if it has this type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.0.as_ref()?.get()).ok()
    }

    /// The elements that have this type, if the part is an array.
    pub(crate) fn items<T: DeserializeOwned>(&self) -> Option<Vec<T>> {
        let items: Vec<Self> = self.read()?;
        Some(items.iter().filter_map(Self::read).collect())
    }

    /// The text of a message. The part is a text, or a list whose elements of type `text` have texts.
    pub(crate) fn text(&self) -> String {
        #[derive(Deserialize)]
        struct Block {
            #[serde(default)]
            r#type: Part,
            #[serde(default)]
            text: Part,
        }
        let is_text = |block: &Block| block.r#type.read::<String>().is_some_and(|it| it == "text");
        match self.items::<Block>() {
            Some(blocks) => blocks
                .iter()
                .filter(|block| is_text(block))
                .filter_map(|block| block.text.read::<String>())
                .collect(),
            None => self.read().unwrap_or_default(),
        }
    }
}
