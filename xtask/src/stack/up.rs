//! `cargo xtask up`: brings the stack up, in the order in which the parts need each other.

use crate::{
    process,
    stack::{
        Description, Latency, Need, Stack, Upstreams,
        aws::Aws,
        build,
        certificates::Certificates,
        deploy::{self, STACK_NAME},
        description::Deployed,
        join, ministack, pgbouncer,
        postgres::Postgres,
        prerequisites,
        secrets::Secrets,
        stand_ins::{Keys, StandIns},
        tools, users, viewer, write_private,
    },
    ui::Ui,
    workspace::host_triple,
};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::{net::TcpListener, thread};

/// What to bring up.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) load: bool,
    pub(crate) upstreams: Upstreams,
    pub(crate) latency: Latency,
    pub(crate) need: Need,
    /// PostgreSQL 17 instead of the machine's own PostgreSQL. A server that runs stays as it is.
    pub(crate) postgres_17: bool,
}

impl Options {
    /// The options with which the running stack was brought up.
    pub(super) fn of(stack: &Stack) -> Result<Self> {
        let description = stack.description()?;
        Ok(Self {
            load: description.user(users::LOAD.name).is_ok(),
            upstreams: Upstreams::of(&description.upstreams, &stack.aws()?)?,
            latency: description.latency,
            need: if description.viewer_url.is_some() { Need::Viewer } else { Need::Stack },
            postgres_17: false,
        })
    }
}

/// Brings a stack up, or brings a running one up to date. When this fails, a stack that did not run before is
/// stopped again, and a stack that ran is left as it is.
pub(crate) fn up(stack: &Stack, options: &Options, ui: &Ui) -> Result<Description> {
    let _lock = stack.lock()?;
    let was_up = stack.is_up();
    stack.stop_when_interrupted(true);
    if !was_up {
        // A stack that died, or that a reboot ended, may have left something behind.
        stack.stop()?;
    }
    let result = bring_up(stack, options, ui, was_up);
    if result.is_err() {
        process::wait_if_interrupted();
        if !was_up {
            stack.stop()?;
        }
    }
    stack.stop_when_interrupted(false);
    result
}

fn bring_up(stack: &Stack, options: &Options, ui: &Ui, was_up: bool) -> Result<Description> {
    let programs =
        &ui.phase("check the machine", |phase| prerequisites::ensure(stack, options.need, phase))?;
    let secrets = &Secrets::ensure(stack)?;
    let ports = &Ports::of(stack, was_up)?;
    let host = &host_triple()?;
    let postgres = &Postgres::at(ports.postgres, programs, secrets);
    let aws = &Aws::at(ports.ministack);

    // Things that do not need each other.
    let (authority, stand_ins, node_modules) = thread::scope(|scope| -> Result<_> {
        let database = scope.spawn(|| {
            ui.phase("PostgreSQL and pgbouncer", |phase| {
                let certificates = Certificates::ensure(stack, phase)?;
                if !was_up {
                    let server = match options.postgres_17 {
                        true => &tools::ensure_postgres_17(stack, programs, phase)?,
                        false => &programs.postgres_bin,
                    };
                    postgres.start(stack, server, &certificates, phase)?;
                    pgbouncer::start(stack, ports.pgbouncer, ports.postgres, &certificates, secrets)?;
                }
                certificates.authority()
            })
        });
        let emulator = scope.spawn(|| {
            ui.phase("Python tools", |phase| tools::ensure_venv(stack, phase))?;
            if was_up {
                Ok(())
            } else {
                ui.phase("AWS emulator", |_| ministack::start(stack, ports.ministack))
            }
        });
        let node_modules = scope.spawn(|| match options.need {
            Need::Viewer => {
                ui.phase("Node tools", |phase| tools::ensure_node_modules(stack, phase)).map(Some)
            }
            Need::Stack | Need::Tests => Ok(None),
        });
        let compiled = scope.spawn(|| {
            ui.phase("compile", |phase| build::compile(stack, host, phase))?;
            ui.phase("zip the Lambdas", |phase| build::package(stack, host, phase))?;
            StandIns::ensure(stack, host, ports.stand_ins, options.latency)
        });
        let compiled = join(compiled);
        let node_modules = join(node_modules);
        let emulator = join(emulator);
        let database = join(database);
        let stand_ins = compiled?;
        emulator?;
        Ok((database?, stand_ins, node_modules?))
    })?;

    let keys = stand_ins.keys()?;
    let parameters = deploy::parameters(options, &stand_ins, &keys, &authority);
    let vendor_keys = options.upstreams.keys();
    let stamp = ui.phase("sam deploy", |phase| {
        deploy::deploy(stack, ports.ministack, &parameters, &vendor_keys, phase)
    })?;
    let found = Deployed::read(aws, &ministack::endpoint(ports.ministack), STACK_NAME)?;
    if stamp.is_some() {
        ui.phase("secrets and migrations", |phase| {
            put_secrets(aws, options, ports, secrets, postgres, &keys)?;
            phase.detail("migrate-database");
            migrate(aws, &found)
        })?;
    }
    let users = ui.phase("demo users", |_| users::ensure(postgres, &stand_ins, secrets, options.load))?;

    let viewer_url = node_modules.map(|folder| viewer::ensure(stack, host, &folder)).transpose()?;

    write_private(&stack.path("functions.env"), &functions_env(&found, ports))?;
    let description = Description {
        api_url: found.api_url,
        aws_endpoint: ministack::endpoint(ports.ministack),
        region: ministack::REGION.to_owned(),
        postgres_url: postgres.superuser_url(),
        pooler_url: pooler_url("oslira_user", &secrets.user_password, ports),
        stand_ins_url: stand_ins.url,
        viewer_url,
        upstreams: options.upstreams.to_string(),
        latency: options.latency,
        state_machines: found.state_machines,
        functions: found.functions,
        queues: found.queues,
        tables: found.tables,
        buckets: found.buckets,
        webhook_secret: secrets.webhook_secret.clone(),
        jwks_url: keys.jwks_url,
        users,
    };
    write_private(&stack.description_file(), &serde_json::to_string_pretty(&description)?)?;
    if let Some(stamp) = stamp {
        deploy::finish(stack, &stamp)?;
    }
    Ok(description)
}

/// The ports of the servers.
struct Ports {
    postgres: u16,
    pgbouncer: u16,
    ministack: u16,
    stand_ins: u16,
}

impl Ports {
    /// The ports of the running stack, or free ones.
    fn of(stack: &Stack, was_up: bool) -> Result<Self> {
        if !was_up {
            let [postgres, pgbouncer, ministack, stand_ins] = free_ports()?;
            return Ok(Self { postgres, pgbouncer, ministack, stand_ins });
        }
        let port = |name: &str| {
            Ok::<_, anyhow::Error>(
                stack.daemons().alive(name).with_context(|| format!("{name} has ended"))?.port,
            )
        };
        Ok(Self {
            postgres: port("postgres")?,
            pgbouncer: port("pgbouncer")?,
            ministack: port("ministack")?,
            stand_ins: port("stand-ins")?,
        })
    }
}

/// Ports that nobody listens on, below the range from which the system takes ports for outgoing connections.
/// Where the search begins depends on the process, so that two stacks that start together do not meet.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    const RANGE: std::ops::Range<u32> = 20_000..32_000;
    let first = std::process::id().wrapping_mul(97);
    let candidates = (0..RANGE.len()).filter_map(|step| {
        let offset = (first as usize).wrapping_add(step) % RANGE.len();
        u16::try_from(RANGE.start as usize + offset).ok()
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports: Vec<u16> = candidates.filter(is_free).take(N).collect();
    ports.try_into().map_err(|_| anyhow::anyhow!("no free port between {} and {}", RANGE.start, RANGE.end))
}

fn pooler_url(user: &str, password: &str, ports: &Ports) -> String {
    format!("postgresql://{user}:{password}@127.0.0.1:{}/postgres?sslmode=require", ports.pgbouncer)
}

/// Gives the template's secrets their values.
fn put_secrets(
    aws: &Aws,
    options: &Options,
    ports: &Ports,
    secrets: &Secrets,
    postgres: &Postgres,
    keys: &Keys,
) -> Result<()> {
    let values = [
        ("user-database", pooler_url("oslira_user", &secrets.user_password, ports)),
        ("system-database", pooler_url("oslira_system", &secrets.system_password, ports)),
        ("migrations-database", postgres.migrations_url()),
        ("jwt-secret", keys.hs256_secret.clone()),
        ("ai-gateway-token", "none".to_owned()),
    ];
    for (name, value) in values.into_iter().chain(options.upstreams.keys().secrets()) {
        aws.put_secret(&format!("oslira/local/{name}"), &value)?;
    }
    Ok(())
}

fn migrate(aws: &Aws, deployed: &Deployed) -> Result<()> {
    let function =
        deployed.functions.get("migrate-database").context("the template has no function MigrateDatabase")?;
    let answer = aws.invoke(function, &json!({}))?;
    if answer.is_error {
        bail!(
            "migrate-database failed: {}\n{}\nWhat to do: mend the migration. One that has been applied is never edited; \
             while you are still writing it, `cargo xtask down` and `up` begin with an empty database. So they do after a migration \
             came with a lower number than one that this stack has.",
            answer.payload,
            process::indent(&answer.log)
        );
    }
    Ok(())
}

/// The file that `cargo lambda watch --env-file` needs: the environment variables of all functions together,
/// and how to reach the emulator. Values are quoted, because cargo-lambda refuses an `=` in a bare value, and
/// base64 may end with one.
fn functions_env(deployed: &Deployed, ports: &Ports) -> String {
    let emulator = ministack::aws_environment(ports.ministack);
    let emulator = emulator.iter().map(|(name, value)| format!("{name}='{value}'\n"));
    let functions = deployed.environment.iter().map(|(name, value)| format!("{name}='{value}'\n"));
    emulator.chain(functions).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let ports: [u16; 4] = free_ports().unwrap();
        let mut distinct = ports.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 4);
        let taken = TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
        assert!(!free_ports::<4>().unwrap().contains(&ports[0]));
        drop(taken);
    }
}
