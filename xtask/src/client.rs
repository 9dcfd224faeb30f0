//! The TypeScript client in `clients/typescript`: made from `docs/openapi.yaml`, type-checked, and used on a stack.
//!
//! Its packages are installed below `target`, Node among them. So its sources are copied there to be compiled.

use crate::{
    process::Cmd,
    stack::{self, Description, Stack},
    ui::Phase,
    workspace::{self, ROOT},
};
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The part of the client that is made, below its folder.
const GENERATED: &str = "src/generated";

/// The files of a folder with their contents.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The client's folder in the checkout.
pub(crate) fn folder() -> PathBuf {
    ROOT.join("clients/typescript")
}

/// Makes what is made from the description anew. Returns whether it differed.
pub(crate) fn write(stack: &Stack, phase: &Phase) -> Result<bool> {
    let made = Workshop::open(stack, phase)?.make(phase)?;
    let generated = folder().join(GENERATED);
    let differs = made != files(&generated)?;
    if differs {
        if generated.exists() {
            fs::remove_dir_all(&generated)?;
        }
        write_files(&generated, &made)?;
    }
    Ok(differs)
}

/// Fails unless the client is made from the description as it is, has no error of types, and passes its test on the stack. Returns
/// the number of tests.
pub(crate) fn check(stack: &Stack, phase: &Phase) -> Result<u64> {
    let workshop = Workshop::open(stack, phase)?;
    if workshop.make(phase)? != files(&folder().join(GENERATED))? {
        bail!(
            "clients/typescript/{GENERATED} is not made from docs/openapi.yaml as it is: run `cargo xtask openapi`"
        );
    }
    workshop.compile(phase)?;
    workshop.test(phase)
}

/// A copy of the client with its packages.
struct Workshop<'a> {
    stack: &'a Stack,
    folder: PathBuf,
    node: PathBuf,
}

impl<'a> Workshop<'a> {
    fn open(stack: &'a Stack, phase: &Phase) -> Result<Self> {
        let folder = workspace::tools().join("client");
        stack::npm_packages(stack, &self::folder(), &folder, phase)?;
        for part in ["src", "test", "dist", "generated"] {
            let part = folder.join(part);
            if part.exists() {
                fs::remove_dir_all(part)?;
            }
        }
        for part in ["src", "test"] {
            write_files(&folder.join(part), &files(&self::folder().join(part))?)?;
        }
        for file in ["tsconfig.json", "openapi-ts.config.ts"] {
            fs::copy(self::folder().join(file), folder.join(file))?;
        }
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let node = folder.join(format!("node_modules/node-linux-{architecture}/bin/node"));
        Ok(Self { stack, folder, node })
    }

    /// Node with a script of a package.
    fn script(&self, script: &str) -> Cmd {
        Cmd::new(&self.node).args([self.folder.join("node_modules").join(script)]).directory(&self.folder)
    }

    /// Makes the client from the description.
    fn make(&self, phase: &Phase) -> Result<Files> {
        let output = self.folder.join("generated");
        self.script("@hey-api/openapi-ts/bin/run.js")
            .arg("--input", ROOT.join("docs/openapi.yaml"))
            .arg("--output", &output)
            .log(self.stack.log("client-make"))
            .run("making the TypeScript client", phase)?;
        files(&output)
    }

    fn compile(&self, phase: &Phase) -> Result<()> {
        self.script("typescript/bin/tsc")
            .log(self.stack.log("client-compile"))
            .run("tsc of clients/typescript", phase)
    }

    /// Runs the client's tests as the first demo user.
    fn test(&self, phase: &Phase) -> Result<u64> {
        let Description { api_url, stand_ins_url, .. } = self.stack.description()?;
        let (email, password) = self.stack.first_demo_user()?;
        let log = self.stack.log("client-test");
        Cmd::new(&self.node)
            .args(["--test", "--test-reporter=tap", "dist/test/journey.test.js"])
            .directory(&self.folder)
            .env("OSLIRA_API_URL", api_url)
            .env("OSLIRA_AUTH_URL", format!("{stand_ins_url}/supabase/auth/v1"))
            .env("OSLIRA_EMAIL", email)
            .env("OSLIRA_PASSWORD", password)
            .log(&log)
            .run("the test of clients/typescript", phase)?;
        let passed =
            fs::read_to_string(&log)?.lines().find_map(|line| line.strip_prefix("# pass ")?.parse().ok());
        passed.context("the test of clients/typescript does not say how many passed")
    }
}

/// All files below a folder; none when there is no such folder.
fn files(folder: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder)?.to_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(files)
}

fn write_files(folder: &Path, files: &Files) -> Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().context("a file without a folder")?)?;
        fs::write(path, content)?;
    }
    Ok(())
}
