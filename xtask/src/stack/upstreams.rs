//! Who answers in place of Apify, OpenAI and Anthropic, and the keys for asking them.

use crate::stack::aws::Aws;
use anyhow::{Result, bail};
use std::fmt;

/// Who answers in place of Apify, OpenAI and Anthropic.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Upstreams {
    /// Our stand-ins.
    StandIns,
    /// Someone else's stand-ins, below this URL.
    At(String),
    /// The real services, with these keys.
    Live(VendorKeys),
}

/// The form that `stack.json` and `cargo xtask status` show, without the keys.
impl fmt::Display for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StandIns => "stand-ins",
            Self::At(url) => url,
            Self::Live(_) => "live",
        })
    }
}

impl Upstreams {
    /// The upstreams that the command line's flags ask for.
    pub(crate) fn new(url: Option<String>, live: bool) -> Result<Self> {
        match url {
            _ if live => Ok(Self::Live(VendorKeys::from_environment()?)),
            Some(url) => Ok(Self::At(url.trim_end_matches('/').to_owned())),
            None => Ok(Self::StandIns),
        }
    }

    /// The upstreams of a running stack, from their name. The real services' keys are stored in the emulator
    /// only.
    pub(super) fn of(name: &str, aws: &Aws) -> Result<Self> {
        Ok(match name {
            "stand-ins" => Self::StandIns,
            "live" => Self::Live(VendorKeys::deployed(aws)?),
            url => Self::At(url.to_owned()),
        })
    }

    /// The base URLs of Apify, OpenAI and Anthropic.
    pub(super) fn base_urls(&self, stand_ins: &str) -> [String; 3] {
        let below = |url: &str| ["apify", "openai", "anthropic"].map(|vendor| format!("{url}/{vendor}"));
        match self {
            Self::StandIns => below(stand_ins),
            Self::At(url) => below(url),
            Self::Live(_) => {
                ["https://api.apify.com", "https://api.openai.com/v1", "https://api.anthropic.com"]
                    .map(str::to_owned)
            }
        }
    }

    /// The keys for asking them.
    pub(super) fn keys(&self) -> VendorKeys {
        match self {
            Self::Live(keys) => keys.clone(),
            Self::StandIns | Self::At(_) => VendorKeys::fake(),
        }
    }
}

/// The vendors' keys.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct VendorKeys {
    apify: String,
    open_ai: String,
    anthropic: String,
}

impl VendorKeys {
    /// Keys in the vendors' form that only stand-ins accept.
    fn fake() -> Self {
        Self { apify: "apify_api_local".into(), open_ai: "sk-local".into(), anthropic: "sk-ant-local".into() }
    }

    /// The keys of the environment.
    fn from_environment() -> Result<Self> {
        let key = |name: &str| match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(value),
            _ => bail!(
                "--live needs APIFY_TOKEN, OPENAI_API_KEY and ANTHROPIC_API_KEY in the environment; {name} is missing"
            ),
        };
        Ok(Self {
            apify: key("APIFY_TOKEN")?,
            open_ai: key("OPENAI_API_KEY")?,
            anthropic: key("ANTHROPIC_API_KEY")?,
        })
    }

    /// The keys that the running stack has.
    fn deployed(aws: &Aws) -> Result<Self> {
        let key = |name: &str| aws.secret(&format!("oslira/local/{name}"));
        Ok(Self { apify: key("apify-token")?, open_ai: key("openai-key")?, anthropic: key("anthropic-key")? })
    }

    /// The names of the secrets that hold the keys, with the keys.
    pub(super) fn secrets(self) -> [(&'static str, String); 3] {
        [("apify-token", self.apify), ("openai-key", self.open_ai), ("anthropic-key", self.anthropic)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_stacks_upstreams_are_known_by_name() {
        let nobody = Aws::at(1);
        for upstreams in [Upstreams::StandIns, Upstreams::new(Some("http://one:1/".into()), false).unwrap()] {
            assert!(Upstreams::of(&upstreams.to_string(), &nobody).unwrap() == upstreams);
        }
        let keys =
            VendorKeys { apify: "secret".into(), open_ai: "secret".into(), anthropic: "secret".into() };
        assert_eq!(Upstreams::Live(keys).to_string(), "live", "and no key");
    }
}
