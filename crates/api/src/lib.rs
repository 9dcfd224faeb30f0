#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod account;
mod analysis;
mod anonymous;
mod business_profiles;
mod cache_statistics;
mod credits;
mod document;
mod envelope;
mod error_code;
mod example;
mod export;
mod filter;
mod health;
mod leads;
mod page;
mod pricing;
mod quote;
mod refresh;
mod route;
mod runs;
mod schema;
mod sections;
mod team;
mod usage;

pub use account::{Account, AccountDocument, Identity, MemberRole, Membership};
pub use analysis::{
    AcceptedRun, AnalysisRequest, AnalysisResult, Cancelling, CancellingStatus, Findings, Progress,
    QueuedStatus, StartOptions, TimedStep, Timing,
};
pub use anonymous::{
    AcceptedAnonymousRun, AnonymousRequest, AnonymousResult, AnonymousRun, BusinessInBrief, RunTokenText,
};
pub use business_profiles::{DeletedBusinessProfile, SavedBusinessProfile};
pub use cache_statistics::{CacheFigures, CacheStatistics, HitsOfAge, TierCacheFigures};
pub use credits::{CreditBalance, CreditTransaction, CreditTransactionFilters, CreditTransactionKind};
pub use document::document;
pub use envelope::{Failure, Success};
pub use error_code::{ErrorCode, GATEWAY_ANSWERS, GatewayAnswer};
pub use example::example;
pub use export::{CsvEntry, MOST_CSV_BYTES, csv, export_too_large};
pub use health::{Dependencies, DependencyState, Health, HealthStatus};
pub use leads::{DeletedLead, Lead, LeadAnalysis, LeadDetails, LeadFilters, LeadSort};
pub use page::{MOST_ROWS, PAGE_SIZE, Page, Paged};
pub use pricing::{
    AnalysisPrice, CreditPackPrice, Currency, PlanPrice, Pricing, PricingQuestion, PurchasePrice,
};
pub use quote::{AnalysisQuote, CachedProfile, Refusal};
pub use refresh::{CheckingStatus, ForcedRefresh, RefreshCheck, RefreshCheckStatus, StartedRefreshCheck};
pub use route::{Route, Tag};
pub use runs::{Run, RunFilters, RunState};
pub use sections::{
    Alternative, BudgetBand, BudgetEstimate, BuyingSignal, Commercial, CommunicationStyle, DecisionTrigger,
    Hook, Interest, Level, Motivation, Objection, Outreach, Partnership, Personality, Psychographic, Room,
    SellingPoint, Strength, Trait, TraitName, Value,
};
pub use team::{
    DeletedInvitation, Invitation, InvitationRequest, InvitationToken, Member, MemberDocument, NewInvitation,
    RemovedMember,
};
pub use usage::{Usage, UsageDay, UsageFigures, UsageRange};
