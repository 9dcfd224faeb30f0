//! Reading a vendor's JSON part by part, so that no part spoils another.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// A part of an answer that is read when it is needed, whatever it is.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Part(Option<Box<RawValue>>);

impl Part {
    /// It is missing, or null.
    pub(crate) fn is_absent(&self) -> bool {
        self.0.is_none()
    }

    /// It, if it is of this type.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.0.as_ref()?.get()).ok()
    }

    /// Its elements that are of this type, if it is an array.
    pub(crate) fn items<T: DeserializeOwned>(&self) -> Option<Vec<T>> {
        let items: Vec<Self> = self.read()?;
        Some(items.iter().filter_map(Self::read).collect())
    }

    /// The text of a message: a text, or a list of parts of which those of the type `text` have some.
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
