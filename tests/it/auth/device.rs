//! `gatepost login`: the device flow, and the login that the other commands use.

use super::CHANGE;
use crate::env::{Issuer, PATIENCE, wait_until};
use crate::running::Gatepost;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tokio::io::AsyncReadExt as _;

/// A person with a home, at a terminal.
pub(super) struct Person(tempfile::TempDir);

impl Person {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatepost"));
        command.env("XDG_CONFIG_HOME", self.0.path()).env_remove("GATEPOST_TOKEN").stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().await.unwrap()
    }

    /// Runs `gatepost login`; once the code is shown somebody with these claims enters it.
    pub(super) async fn log_in(&self, server: &str, issuer: &Issuer, claims: Value) -> String {
        let mut login = self.command();
        let mut running = login.args(["login", "--server", server]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = running.stdout.take().unwrap();
        let mut said = String::new();
        while !said.contains("ABCD-EFGH") {
            let mut buffer = [0; 256];
            let count = out.read(&mut buffer).await.unwrap();
            assert!(count > 0, "it ended with {said}");
            said.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        issuer.enter_code(claims);
        out.read_to_string(&mut said).await.unwrap();
        assert!(running.wait().await.unwrap().success(), "{said}");
        said
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.0.path().join("gatepost/logins");
        std::fs::read_dir(folder).map_or(Vec::new(), |all| all.map(|entry| entry.unwrap().path()).collect())
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_in_once_and_the_commands_are_that_person() {
    let (folder, issuer, person) = (tempfile::tempdir().unwrap(), Issuer::start().await, Person::new());
    let settings = format!("[auth]\nissuer = \"{}\"\ndeviceClientId = \"cli\"\nreaders = [\"developers\"]", issuer.url());
    let gatepost = Gatepost::start_on_files_set(folder.path(), &settings).await;
    let server = gatepost.api.as_str();
    let now = gatepost::clock::now().secs;
    // It ends so soon that it counts as ended: the next command asks for another by the refresh token.
    let claims = json!({"aud": "cli", "email": "ann@x.example", "groups": ["developers"], "exp": now + 20});
    let said = person.log_in(server, &issuer, claims).await;
    assert!(said.contains(&format!("Open {}/enter and enter the code ABCD-EFGH.", issuer.url())), "{said}");
    let files = person.files();
    assert_eq!((files.len(), mode(&files[0]), mode(files[0].parent().unwrap())), (1, 0o600, 0o700));
    let list = person.run(&["deliveries", "list", "--server", server]).await;
    assert!(list.status.success(), "{}", told(&list));
    assert_eq!(issuer.refreshes(), 1);
    let discard = person.run(&["deliveries", "discard", "--state", "dead", "--dry-run", "--server", server]).await;
    assert!(!discard.status.success() && told(&discard).contains("ann@x.example"), "a reader may not: {}", told(&discard));
    assert_eq!(issuer.refreshes(), 1, "what was renewed is kept");
    assert!(person.run(&["logout", "--server", server]).await.status.success() && person.files().is_empty());
    let discard = person.run(&["deliveries", "discard", "--state", "dead", "--dry-run", "--server", server]).await;
    assert!(discard.status.success(), "without a login it is the token of this machine: {}", told(&discard));
    let login = person.run(&["login", "--server", "http://127.0.0.1:9"]).await;
    assert!(told(&login).contains("no running Gatepost at http://127.0.0.1:9"), "{}", told(&login));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_this_machine_is_its_users_alone_and_goes_with_the_process() {
    let (folder, runtime, person) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Person::new());
    let environment = [
        ("XDG_RUNTIME_DIR", runtime.path().as_os_str().to_owned()),
        ("GATEPOST_AUTH__MODE", "required".into()),
    ];
    let gatepost = Gatepost::start_on_files_in(folder.path(), &environment).await;
    let (server, port) = (gatepost.api.clone(), gatepost.port().to_string());
    let file = runtime.path().join("gatepost").join(format!("{port}.token"));
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let run = async |arguments: &[&str], runtime: &Path| {
        let mut command = person.command();
        command.args(arguments).env("XDG_RUNTIME_DIR", runtime).output().await.unwrap()
    };
    let list = ["deliveries", "list", "--server", &server];
    assert!(run(&list, runtime.path()).await.status.success());
    let printed = run(&["token", "--port", &port], runtime.path()).await;
    assert_eq!(told(&printed).trim(), std::fs::read_to_string(&file).unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let refused = run(&list, elsewhere.path()).await;
    assert!(!refused.status.success() && told(&refused).contains("gatepost login"), "{}", told(&refused));
    let given = [&list[..], &["--token", CHANGE]].concat();
    assert!(told(&run(&given, runtime.path()).await).contains("not one that is known here"), "what is given counts");
    let by_file = [&list[..], &["--token-file", file.to_str().unwrap()]].concat();
    assert!(run(&by_file, elsewhere.path()).await.status.success());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!run(&list, runtime.path()).await.status.success(), "one that others could read is not shown");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(gatepost.terminate().await, Some(0));
    wait_until("the file is gone", PATIENCE, || async { !file.exists() }).await;
}
