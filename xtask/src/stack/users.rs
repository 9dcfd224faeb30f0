//! The demo users: they are in the database, known to the sign-in stand-in, and signed in.

use crate::stack::{description::User, postgres::Postgres, secrets::Secrets, stand_ins::StandIns};
use anyhow::Result;
use serde_json::json;

/// A user that should exist.
pub(super) struct Wanted {
    pub(super) name: &'static str,
    user_id: &'static str,
    account_id: &'static str,
    business_profile_id: &'static str,
    credits: u32,
    plan: &'static str,
    /// The columns of `business_profiles` after the account, as SQL literals.
    business_profile: &'static str,
}

const COACH: &str = "'Northlight Coaching',
    'One-to-one coaching for independent fitness trainers who want a full client list without paid ads.',
    'https://northlight.example', 'Warm, direct, no jargon', 'A twelve-week programme with weekly calls',
    2000, 250000, 1.5, array['fitness', 'training', 'health', 'wellness'], array['United States', 'Canada']";
const ROASTER: &str = "'Kestrel Coffee Roasters',
    'Small-batch coffee for cafés and for people who post about food and travel.',
    'https://kestrel.example', 'Playful and precise', 'Wholesale beans and a creator programme',
    5000, 500000, 1.0, array['coffee', 'food', 'travel', 'cafe'], array['United Kingdom', 'Germany']";

const DEMO: [Wanted; 2] = [
    Wanted {
        name: "demo-1",
        user_id: "00000000-0000-4000-8000-000000000001",
        account_id: "00000000-0000-4000-8000-0000000000a1",
        business_profile_id: "00000000-0000-4000-8000-0000000000b1",
        credits: 100,
        plan: "free",
        business_profile: COACH,
    },
    Wanted {
        name: "demo-2",
        user_id: "00000000-0000-4000-8000-000000000002",
        account_id: "00000000-0000-4000-8000-0000000000a2",
        business_profile_id: "00000000-0000-4000-8000-0000000000b2",
        credits: 100,
        plan: "free",
        business_profile: ROASTER,
    },
];
/// The user for load tests.
pub(super) const LOAD: Wanted = Wanted {
    name: "load",
    user_id: "00000000-0000-4000-8000-000000000003",
    account_id: "00000000-0000-4000-8000-0000000000a3",
    business_profile_id: "00000000-0000-4000-8000-0000000000b3",
    credits: 10_000,
    plan: "growth",
    business_profile: COACH,
};

/// The e-mail address that a user of this name signs in with.
fn email(name: &str) -> String {
    format!("{name}@oslira.example")
}

impl Wanted {
    /// SQL that makes the user with an account and a business profile, and fills the balance up. Whatever
    /// exists already stays. The ids are the same in every stack, so that the samples in `events/` fit. The
    /// sign-up trigger would choose other ids, so it does not fire for these users.
    fn sql(&self) -> String {
        let Self { user_id, account_id, business_profile_id, credits, plan, business_profile, .. } = self;
        let email = email(self.name);
        format!(
            "set session_replication_role = replica;
            insert into auth.users (instance_id, id, aud, role, email, email_confirmed_at, raw_app_meta_data,
                raw_user_meta_data, created_at, updated_at)
              values ('00000000-0000-0000-0000-000000000000', '{user_id}', 'authenticated', 'authenticated', '{email}',
                now(), '{{\"provider\": \"email\", \"providers\": [\"email\"]}}', '{{}}', now(), now())
              on conflict (id) do nothing;
            reset session_replication_role;
            insert into public.accounts (account_id, name, plan_id) values ('{account_id}', 'My account', '{plan}')
              on conflict do nothing;
            insert into public.members (account_id, user_id, role) values ('{account_id}', '{user_id}', 'owner')
              on conflict do nothing;
            insert into public.credit_balances (account_id) values ('{account_id}') on conflict do nothing;
            insert into public.business_profiles (business_profile_id, account_id, name, description, website, voice,
                offer, follower_min, follower_max, engagement_min, content_themes, geo_focus)
              values ('{business_profile_id}', '{account_id}', {business_profile}) on conflict do nothing;
            do $$ begin
              perform oslira.grant_credits(account_id, {credits} - balance, 'demo')
                from public.credit_balances where account_id = '{account_id}' and balance < {credits};
            end $$;\n"
        )
    }
}

/// Makes the users exist and signs them in. A second call fills their balances up again.
pub(crate) fn ensure(
    postgres: &Postgres,
    stand_ins: &StandIns,
    secrets: &Secrets,
    load: bool,
) -> Result<Vec<User>> {
    let wanted: Vec<&Wanted> = DEMO.iter().chain(load.then_some(&LOAD)).collect();
    let sql: String = wanted.iter().map(|user| user.sql()).collect();
    postgres.sql("making the demo users", &sql)?;

    let password = &secrets.demo_user_password;
    let accounts: Vec<_> = wanted
        .iter()
        .map(|user| json!({ "id": user.user_id, "email": email(user.name), "password": password }))
        .collect();
    stand_ins.put_users(&accounts)?;

    let signed_in = |user: &&Wanted| {
        Ok(User {
            name: user.name.to_owned(),
            user_id: user.user_id.to_owned(),
            account_id: user.account_id.to_owned(),
            business_profile_id: user.business_profile_id.to_owned(),
            token: stand_ins.sign_in(&email(user.name), password)?,
        })
    };
    wanted.iter().map(signed_in).collect()
}

/// The e-mail address of the first demo user, who signs in with the demo users' password.
pub(super) fn first_email() -> String {
    email(DEMO[0].name)
}

/// Signs users in again.
pub(crate) fn sign_in_again(users: &mut [User], stand_ins: &StandIns, secrets: &Secrets) -> Result<()> {
    for user in users {
        user.token = stand_ins.sign_in(&email(&user.name), &secrets.demo_user_password)?;
    }
    Ok(())
}
