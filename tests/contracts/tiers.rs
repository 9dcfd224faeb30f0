//! The price list in SQL and the one in Rust.

use crate::files;
use oslira_domain::Tier;

/// A line of the price list.
#[derive(Debug, PartialEq)]
struct Price {
    tier: String,
    name: String,
    credits: u32,
    cents: u32,
}

#[test]
fn sql_and_rust_agree_on_what_a_tier_costs() {
    let migrations = files::stems("migrations", ".sql").into_iter();
    let sql: String = migrations.map(|name| files::text(format!("migrations/{name}.sql"))).collect();
    assert!(
        !sql.contains("update public.analysis_tiers"),
        "a migration changes the price list: teach this test to read it"
    );
    let start = "insert into public.analysis_tiers (tier, name, credits, list_price_cents) values";
    let rows = sql.split(start).skip(1).map(|rest| rest.split(';').next().unwrap_or_default());
    let listed: Vec<Price> = rows
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix('(')?.split_once(')'))
        .map(|(row, _)| {
            let cells: Vec<&str> = row.split(',').map(|cell| cell.trim().trim_matches('\'')).collect();
            let [tier, name, credits, cents] = cells.as_slice() else { panic!("not a row of four: {row}") };
            Price {
                tier: (*tier).to_owned(),
                name: (*name).to_owned(),
                credits: credits.parse().unwrap(),
                cents: cents.parse().unwrap(),
            }
        })
        .collect();
    let expected = Tier::ALL.map(|tier| Price {
        tier: tier.to_string(),
        name: tier.label().to_owned(),
        credits: tier.credits(),
        cents: tier.list_price_cents(),
    });
    assert_eq!(
        listed, expected,
        "analysis_tiers in migrations/ and oslira_domain::Tier must list the same prices"
    );
}
