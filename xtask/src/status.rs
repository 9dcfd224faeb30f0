//! What is running and where: the end of `up`, and the commands `status` and `down`.

use crate::{
    intake,
    stack::Stack,
    ui::{self, Ui, table},
    workspace::{host_triple, shown},
};
use anyhow::Result;

/// The table of URLs and the next commands, after `up`.
pub(crate) fn print_started(stack: &Stack) -> Result<()> {
    print_urls(stack)?;
    Ok(ui::print(format!(
        "\nNext:
  curl -H \"Authorization: Bearer $(jq -r '.users[0].token' {file})\" $(jq -r .apiUrl {file})/api/auth/verify
  cargo xtask demo                           run an analysis and watch it
  cargo xtask invoke check-health            call one Lambda
  cargo xtask logs FUNCTION                  read its log
  target/local/venv/bin/cargo-lambda lambda watch --target {host} --env-file {env}
                                             run Lambdas from source against this stack
  cargo xtask down                           stop everything",
        file = shown(&stack.description_file()),
        env = shown(&stack.path("functions.env")),
        host = host_triple()?,
    ))?)
}

fn print_urls(stack: &Stack) -> Result<()> {
    let description = stack.description()?;
    let mut urls = table(["what", "where"]);
    let viewer = description.viewer_url.map(|url| ("the API, to read and to try", url));
    let rows = [
        ("public API", description.api_url),
        ("AWS (emulated)", description.aws_endpoint),
        ("PostgreSQL, superuser", without_password(&description.postgres_url)),
        ("pooler", without_password(&description.pooler_url)),
        ("stand-ins", description.stand_ins_url),
        ("Apify, OpenAI and Anthropic", description.upstreams),
        ("all of it, with passwords and tokens", shown(&stack.description_file())),
    ];
    let [api, rest @ ..] = rows;
    let rows = [api].into_iter().chain(viewer).chain(rest);
    urls.add_rows(rows.map(|(what, place)| [what.to_owned(), place]));
    Ok(ui::print(urls)?)
}

/// `status`.
pub(crate) fn print(stack: &Stack) -> Result<()> {
    let servers = stack.servers();
    if servers.is_empty() {
        return Ok(ui::print("The local stack is not running. Start it with `cargo xtask up`.")?);
    }
    let mut list = table(["server", "port", "process", "state"]);
    for server in servers {
        let state = if server.is_alive() { "running" } else { "ended" };
        list.add_row([server.name, server.port.to_string(), server.pid.to_string(), state.to_owned()]);
    }
    ui::print(list)?;
    if stack.is_up() {
        print_urls(stack)?;
        if let Some(sentence) = intake::shown(stack)? {
            ui::print(sentence)?;
        }
        return Ok(());
    }
    Ok(ui::print("It is incomplete: `cargo xtask up` starts it anew, `cargo xtask down` stops the rest.")?)
}

/// `down`.
pub(crate) fn down(stack: &Stack, ui: &Ui) -> Result<()> {
    let _lock = stack.lock()?;
    ui.phase("stop", |_| stack.stop())
}

/// A connection string without its password, which may be shown.
fn without_password(url: &str) -> String {
    let Some((before, after)) = url.split_once('@') else { return url.to_owned() };
    let user = before.rsplit_once(':').map_or(before, |(user, _)| user);
    format!("{user}@{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let shown = without_password("postgresql://me:secret@127.0.0.1:1/postgres?sslmode=require");
        assert_eq!(shown, "postgresql://me@127.0.0.1:1/postgres?sslmode=require");
    }
}
