//! `docs/reference/commands.md`, of what the command line takes.

use super::{code, head, plain, row, same_as_written};
use crate::cli::Arguments;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use std::fmt::Write as _;

const HEAD: &str = "<!-- Made of the command line's definitions by `make reference`. -->
# Commands

`gatepost <command> --help` prints the same. Exit codes: 0 done, 1 failed, 2 wrong usage. Where there is `--output`, `json` and `yaml` are for machines.
A variable of the environment stands in for its flag; the flag is stronger.

Called as `argocd-notifications` the binary is `gatepost serve`; called as `kubectl-gatepost` it is the plugin `kubectl gatepost`.
";

/// How an argument is written.
fn written(arg: &Arg) -> String {
    let takes = arg.get_action().takes_values();
    let values: Vec<_> = arg.get_value_names().into_iter().flatten().map(|name| format!("<{name}>")).collect();
    let values = if takes { values.join(" ") } else { String::new() };
    if arg.is_positional() {
        return code(&format!("{values}{}", if matches!(arg.get_action(), ArgAction::Append) { "…" } else { "" }));
    }
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    let names: Vec<_> = [short, long].into_iter().flatten().collect();
    code(format!("{} {values}", names.join(", ")).trim_end())
}

fn default(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return String::new();
    }
    if arg.is_required_set() {
        return "required".to_owned();
    }
    let all: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    code(&all.join(","))
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let is_choice = arg.get_action().takes_values();
    let possible = arg.get_possible_values();
    let choices: Vec<_> =
        possible.iter().filter(|one| is_choice && !one.is_hide_set()).map(|one| code(one.get_name())).collect();
    match choices.is_empty() {
        true => plain(&help),
        false => format!("{}. One of {}.", plain(help.trim_end_matches('.')), choices.join(", ")),
    }
}

fn arguments(out: &mut String, command: &Command) {
    let shown = |arg: &&Arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str());
    let all: Vec<_> = command.get_arguments().filter(shown).collect();
    if all.is_empty() {
        return;
    }
    out.push('\n');
    head(out, &["argument", "default", "environment", "what"]);
    for arg in all {
        let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        row(out, &[&written(arg), &default(arg), &code(&variable), &meaning(arg)]);
    }
}

/// Sentences and examples that the help ends with.
fn ending(out: &mut String, command: &Command) {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (sentences, examples) = text.split_once("Example").unwrap_or((&text, ""));
    for sentence in sentences.lines().filter(|line| !line.is_empty()) {
        writeln!(out, "\n{}", plain(sentence)).unwrap();
    }
    let lines: Vec<_> = examples.lines().skip(1).map(str::trim).collect();
    if !lines.is_empty() {
        writeln!(out, "\n```\n{}\n```", lines.join("\n")).unwrap();
    }
}

/// A command, then those below it.
fn section(out: &mut String, command: &Command, level: &str) {
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    writeln!(out, "\n{level} {name}\n{}", plain(&about)).unwrap();
    let below: Vec<_> =
        command.get_subcommands().filter(|one| one.get_name() != "help" && !one.is_hide_set()).collect();
    if below.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(out, "\n{}", code(&usage)).unwrap();
        arguments(out, command);
    }
    ending(out, command);
    below.into_iter().for_each(|one| section(out, one, &format!("{level}#")));
}

#[test]
fn the_page_of_the_commands_says_what_the_command_line_takes() {
    let mut root = Arguments::command();
    root.build();
    let mut page = HEAD.to_owned();
    let all: Vec<_> = root.get_subcommands().filter(|one| one.get_name() != "help").collect();
    assert!(all.len() > 10, "the commands were found");
    all.into_iter().for_each(|one| section(&mut page, one, "##"));
    same_as_written("commands.md", &page);
}
