//! The command line: one file a command. Exit codes: 0 done, 1 failed, 2 wrong usage.
//!
//! Called as `argocd-notifications` it is `serve`, with the flags and environment variables of the Argo CD controller; called as
//! `kubectl-gatepost` it is the plugin `kubectl gatepost`.

mod approvals;
mod catalog;
mod check;
mod client;
mod config;
mod deliveries;
mod demo;
mod destinations;
#[cfg(test)]
mod documented;
mod explain;
mod forward;
mod gate;
mod go_text;
mod go_yaml;
mod log_levels;
mod login;
mod logins;
mod manifests;
mod migrate;
mod notify;
mod output;
mod pipe;
mod reach;
mod ready;
#[cfg(test)]
mod reference;
mod repo_server;
mod serve;
mod template;
mod token;
mod trigger;

use crate::notify::LoadOptions;
use crate::service;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

/// Name of the file that kubectl looks for.
const PLUGIN: &str = "kubectl-gatepost";

/// Relays Argo CD's outcomes to where people look.
#[derive(Debug, Parser)]
#[command(
    name = "gatepost",
    version,
    propagate_version = true,
    after_help = "Examples:\n  gatepost demo\n  gatepost serve --namespace argocd\n  gatepost check argocd-notifications-cm.yaml argocd-notifications-secret.yaml\n  gatepost explain argocd/order-service\n  gatepost deliveries list --state dead"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay: on a Kubernetes API server, or with --files on a folder of manifests.
    Serve(Box<serve::Arguments>),
    /// Play a short story on this machine: Applications from a folder, a Backstage-shaped inbox, the dashboard.
    Demo(demo::Arguments),
    /// Check a configuration, of manifests or of a cluster; every broken key with line and column.
    Check(Box<check::Arguments>),
    /// Explain why a notification of an Application was or was not sent.
    Explain(explain::Arguments),
    /// Look at templates and render them.
    #[command(subcommand)]
    Template(template::Command),
    /// Look at triggers and run them.
    #[command(subcommand)]
    Trigger(trigger::Command),
    /// Look at what changes when Gatepost takes the Argo CD controller's place.
    #[command(subcommand)]
    Migrate(migrate::Command),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  source <(gatepost completion bash)")]
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Ready-made triggers and templates, those of Argo CD's own catalogue and ones for Backstage.
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Try gates by request on this machine; look at those of a running Gatepost: what they say, why, when they ask next.
    #[command(subcommand)]
    Gate(gate::Command),
    /// Look at the settings.
    #[command(subcommand)]
    Config(config::Command),
    /// Ask a running Gatepost whether it is ready.
    Ready(ready::Arguments),
    /// Log in at the issuer that a running Gatepost names, for the other commands.
    Login(login::Arguments),
    /// Forget a login.
    Logout(login::Place),
    /// Print the token of the Gatepost that runs on this machine as this user, to log in with elsewhere.
    Token(token::Arguments),
    /// Look at deliveries and dead letters of a running Gatepost; replay or discard them.
    #[command(subcommand)]
    Deliveries(deliveries::Command),
    /// Look at runs of approvals by callback, decide them, or wait for one.
    #[command(subcommand)]
    Approvals(approvals::Command),
    /// Look at destinations of a running Gatepost: what waits there, whether they answer; switch them off and on.
    #[command(subcommand)]
    Destinations(destinations::Command),
    /// Look at what a running Gatepost logs; change it for a while.
    #[command(subcommand)]
    Log(log_levels::Command),
}

/// Runs a command line; the answer is the process' exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    pipe::end_without_a_reader();
    let parsed = match parse(arguments.collect()) {
        Ok(parsed) => parsed,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::anyhow!("failed to start the runtime: {error}")),
    };
    let result = runtime.block_on(dispatch(parsed.command));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match result {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn parse(arguments: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let mut command = Arguments::command();
    if arguments.first().is_some_and(|name| file_name(name) == PLUGIN) {
        command = command.bin_name("kubectl gatepost");
    }
    Arguments::from_arg_matches(&command.try_get_matches_from(as_serve(arguments))?)
}

/// Whether kubectl called this process as its plugin.
fn is_plugin() -> bool {
    std::env::args_os().next().is_some_and(|name| file_name(&name) == PLUGIN)
}

fn file_name(program: &OsStr) -> String {
    Path::new(program).file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A relay waits far more than it works, and each thread has a heap of its own: on a large node a few threads do.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).min(4)
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(arguments) => serve::run(*arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Check(arguments) => check::run(&arguments).await,
        Command::Explain(arguments) => explain::run(arguments).await,
        Command::Template(command) => template::run(&command).await,
        Command::Trigger(command) => trigger::run(&command).await,
        Command::Catalog(command) => catalog::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Ready(arguments) => ready::run(arguments).await,
        Command::Login(arguments) => login::run(arguments).await,
        Command::Logout(place) => login::forget(&place),
        Command::Token(arguments) => token::run(&arguments),
        Command::Deliveries(command) => deliveries::run(command).await,
        Command::Destinations(command) => destinations::run(command).await,
        Command::Log(command) => log_levels::run(command).await,
        Command::Gate(command) => gate::run(command).await,
        Command::Approvals(command) => approvals::run(command).await,
        Command::Migrate(command) => migrate::run(command).await,
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "gatepost", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("gatepost: {error:#}");
    ExitCode::FAILURE
}

/// The name that the stock Deployment calls becomes `serve`: as the program, or as the first argument, which an image with an
/// entry point of its own gets from that Deployment.
fn as_serve(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let called = arguments.first().is_some_and(is_controller);
    let named = arguments.get(1).is_some_and(is_controller);
    if named {
        arguments.remove(1);
    }
    if called || named {
        arguments.insert(1, "serve".into());
    }
    arguments
}

/// Whether a path ends in the Argo CD notifications controller's name.
fn is_controller(path: &OsString) -> bool {
    let name = std::path::Path::new(path).file_name();
    name.is_some_and(|name| name == "argocd-notifications" || name == "argocd-notifications-controller")
}

/// How configurations are loaded: with every kind of service that can be sent to.
fn load_options() -> LoadOptions {
    LoadOptions { kinds: service::kinds(), ..LoadOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
    #[test]
    fn every_shell_gets_a_completion() {
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "gatepost", &mut script);
            assert!(String::from_utf8_lossy(&script).contains("deliveries"), "{shell}");
        }
    }
    #[test]
    fn called_as_the_argo_controller_it_serves() {
        let line = [
            "/usr/local/bin/argocd-notifications",
            "--loglevel",
            "debug",
            "--logformat",
            "json",
            "--argocd-repo-server",
            "x:1",
        ];
        let parsed = Arguments::try_parse_from(as_serve(line.iter().map(OsString::from).collect())).unwrap();
        assert!(matches!(parsed.command, Command::Serve(_)));
    }
    #[test]
    fn the_stock_deployments_argument_after_an_entry_point_serves_too() {
        let serve = |line: &[&str]| as_serve(line.iter().map(OsString::from).collect());
        assert_eq!(
            serve(&["/gatepost", "/usr/local/bin/argocd-notifications", "--loglevel", "debug"]),
            ["/gatepost", "serve", "--loglevel", "debug"]
        );
        assert_eq!(serve(&["/usr/local/bin/argocd-notifications"]), ["/usr/local/bin/argocd-notifications", "serve"]);
        assert_eq!(
            serve(&["gatepost", "check", "argocd-notifications"]),
            ["gatepost", "check", "argocd-notifications"]
        );
    }
}
