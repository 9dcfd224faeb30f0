//! Oslira's words and rules as plain types: no I/O, no AWS, no SQL.
//!
//! Everything here is pure. So it is tested without a stack, and every other crate may use it.

mod business_profile;
mod cache_policy;
mod email;
mod error;
mod field;
mod ids;
mod pipeline;
mod price_list;
mod profile;
mod refresh;
mod run;
pub mod scoring;
mod share;
mod text;
mod tier;
mod username;

pub use business_profile::{Business, BusinessProfile, FollowerRange, Icp};
pub use cache_policy::is_fresh;
pub use email::{EmailAddress, NoEmailAddress};
pub use error::{Class, Code, Error, Result};
pub use field::{FieldProblem, line, trimmed};
pub use ids::{AccountId, BusinessProfileId, CreditTransactionId, InvitationId, LeadId, NoId, RunId, UserId};
pub use pipeline::{
    AnalysisInput, AnonymousInput, CacheAnswer, Cached, ProfileSource, RefreshCheckInput, execution_name,
    execution_of,
};
pub use price_list::{CreditPack, PURCHASABLE_CREDITS, Plan, purchase_cents};
pub use profile::{Post, PostKind, Posts, Profile, Snapshot};
pub use refresh::{CurrentProfile, RefreshAnswer, RefreshReason, SeenProfile, Visibility};
pub use run::{RunStatus, Step};
pub use share::{share, share_taken};
pub use text::{clean_line, clean_lines};
pub use tier::{Effort, Role, Task, TaskSettings, Tier};
pub use username::{InvalidUsername, Username};
