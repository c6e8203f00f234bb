//! What conditions and templates ask about an Application's repository: `repo.GetCommitMetadata`, `repo.GetAppDetails`
//! (`spec/notifications.md` 4.1).
//!
//! The engines never wait. A question without a known answer is noted and fails the run; whoever looks then takes the
//! questions, finds the answers out, teaches them and looks again. Never here: the network, the clock, waiting.

use gatepost_value::namespace::{Record, typed};
use gatepost_value::{CallContext, CallError, GoType, Str, Time, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One thing that only the repository knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// Who made a commit, when, with what message.
    Commit {
        /// `spec.source.repoURL`.
        url: String,
        /// `spec.project`.
        project: String,
        /// As the condition or template names it.
        revision: String,
    },
    /// What kind of source it is, and its parameters.
    Details {
        /// Name of the Application.
        application: String,
        /// `spec.project`.
        project: String,
        /// The source as JSON.
        source: String,
        /// Revision that Argo CD last compared with: a branch that moves makes another question.
        resolved: String,
    },
}

/// A commit as `shared.CommitMetadata` shows it.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Commit {
    pub message: String,
    pub author: String,
    pub date: Time,
    pub tags: Vec<String>,
}

/// What the repository says.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Question::Commit`].
    Commit(Commit),
    /// To [`Question::Details`].
    Details {
        /// Made once: it may be large, and is shared.
        value: Value,
        /// Bytes of its texts, about.
        size: usize,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was tried, why it failed, what to do.
    pub text: String,
    /// Whether asking again later may help: nothing is decided on it then.
    pub passing: bool,
}

/// What one look knows of repositories, and what it had to ask.
#[derive(Default)]
pub struct Repository {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<Question, Result<Answer, Failure>>,
    open: Vec<Question>,
    closed: Option<String>,
    stumbles: u64,
}

impl Repository {
    /// One that answers nothing, for the reason given.
    #[must_use]
    pub fn absent(reason: &str) -> Arc<Self> {
        let out = Self::default();
        out.close(reason);
        Arc::new(out)
    }
    /// The questions that came up since the last call; a look during which one did is not finished.
    #[must_use]
    pub fn take_open(&self) -> Vec<Question> {
        std::mem::take(&mut self.lock().open)
    }
    /// Keeps an answer for the next look.
    pub fn learn(&self, question: Question, answer: Result<Answer, Failure>) {
        self.lock().known.insert(question, answer);
    }
    /// From now on what is not known fails for this reason.
    pub fn close(&self, reason: &str) {
        self.lock().closed = Some(reason.to_owned());
    }
    /// How many times an answer was wanted that may come later. A run during which it grew says nothing.
    pub(super) fn stumbles(&self) -> u64 {
        self.lock().stumbles
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn ask(&self, question: Question) -> Result<Answer, CallError> {
        let mut state = self.lock();
        match state.known.get(&question) {
            Some(Ok(answer)) => return Ok(answer.clone()),
            Some(Err(failure)) => {
                let (text, passing) = (failure.text.clone(), failure.passing);
                state.stumbles += u64::from(passing);
                return Err(CallError::new(text));
            }
            None => {}
        }
        if let Some(reason) = &state.closed {
            return Err(CallError::new(reason.as_str()));
        }
        if !state.open.contains(&question) {
            state.open.push(question);
        }
        Err(CallError::new("the repo-server is being asked"))
    }
}

/// The two members of `repo` that ask about an Application's repository.
pub(super) fn members(object: &Value, repository: &Arc<Repository>) -> [(Str, Value); 2] {
    let (app, asked) = (object.clone(), Arc::clone(repository));
    let commit = typed("GetCommitMetadata", vec![GoType::String], GoType::Any, move |context, args| {
        let revision = args.first().and_then(Value::as_str).unwrap_or_default();
        commit(&app, revision, &asked, context)
    });
    let (app, asked) = (object.clone(), Arc::clone(repository));
    let details = typed("GetAppDetails", Vec::new(), GoType::Any, move |_, _| details(&app, &asked));
    [(Str::from_static("GetCommitMetadata"), commit), (Str::from_static("GetAppDetails"), details)]
}

fn commit(app: &Value, revision: &str, asked: &Repository, context: &CallContext<'_>) -> Result<Value, CallError> {
    let url = required(app, &["spec", "source", "repoURL"], "failed to get application source repo URL")?;
    let project = required(app, &["spec", "project"], "failed to get application project")?;
    let question = Question::Commit { url, project, revision: revision.to_owned() };
    match asked.ask(question)? {
        Answer::Commit(Commit { message, author, date, tags }) => {
            let tags = tags.iter().map(|tag| Value::str(tag.as_str())).collect();
            Ok(Record::commit(&message, &author, date.within(&context.local), tags))
        }
        Answer::Details { .. } => Err(CallError::new("the repo-server answered another question")),
    }
}

fn details(app: &Value, asked: &Repository) -> Result<Value, CallError> {
    let source = source(app).ok_or_else(|| {
        CallError::new(
            "failed to get application source: the Application has no spec.source, spec.sources or spec.sourceHydrator",
        )
    })?;
    let text = |path: &[&str]| app.at(path).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
    let question = Question::Details {
        application: text(&["metadata", "name"]),
        project: text(&["spec", "project"]),
        source: json::to_serde(&source).to_string(),
        resolved: resolved(app),
    };
    match asked.ask(question)? {
        Answer::Details { value, .. } => Ok(value),
        Answer::Commit(_) => Err(CallError::new("the repo-server answered another question")),
    }
}

/// A text that has to be there; `complaint` is what the Go controller says where it is not.
fn required(app: &Value, path: &[&str], complaint: &str) -> Result<String, CallError> {
    let found = app.at(path).and_then(|value| value.as_str().map(str::to_owned));
    found.ok_or_else(|| CallError::new(format!("{complaint}: the Application has no {}", path.join("."))))
}

/// The first source, as Argo CD counts them.
fn source(app: &Value) -> Option<Value> {
    if let Some(hydrator) = app.at(&["spec", "sourceHydrator"]).filter(|found| !found.is_nil()) {
        return Some(synced_source(&hydrator));
    }
    if let Some(Value::List(sources)) = app.at(&["spec", "sources"])
        && let Some(first) = sources.items.first()
    {
        return Some(first.clone());
    }
    app.at(&["spec", "source"]).filter(|found| !found.is_nil())
}

/// Where a hydrator writes to is what is synced.
fn synced_source(hydrator: &Value) -> Value {
    let text = |path: &[&str]| hydrator.at(path).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()));
    let url = text(&["syncSource", "repoURL"]).or_else(|| text(&["drySource", "repoURL"]));
    let parts = [
        ("repoURL", url),
        ("path", text(&["syncSource", "path"])),
        ("targetRevision", text(&["syncSource", "targetBranch"])),
    ];
    Value::map(parts.into_iter().filter_map(|(name, value)| Some((Str::from_static(name), value?))).collect())
}

fn resolved(app: &Value) -> String {
    let one = app.at(&["status", "sync", "revision"]).filter(|v| v.as_str().is_some_and(|text| !text.is_empty()));
    let first = || match app.at(&["status", "sync", "revisions"]) {
        Some(Value::List(list)) => list.items.first().cloned(),
        _ => None,
    };
    one.or_else(first).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gatepost_value::json::{Numbers, from_serde};
    use gatepost_value::{Budget, Limits, Location};
    use serde_json::json;

    fn call(
        app: serde_json::Value,
        name: &str,
        args: &[Value],
        repository: &Arc<Repository>,
    ) -> Result<Value, CallError> {
        let app = from_serde(&app, Numbers::Kubernetes);
        let found = members(&app, repository).into_iter().find(|(member, _)| *member == name);
        let Some((_, Value::Func(function))) = found else { panic!("no {name}") };
        let budget = Budget::new(Limits::default());
        let local = Location::Utc;
        let context = CallContext { budget: &budget, now: Time::unix(0, 0), local, random: &|_| {}, costly: false };
        (function.call)(&context, args)
    }

    fn app() -> serde_json::Value {
        json!({"metadata": {"name": "a"}, "spec": {"project": "p", "source": {"repoURL": "https://h/r.git", "path": "x"}}})
    }

    #[test]
    fn a_question_is_noted_once_and_answered_at_the_next_look() {
        let repository = Arc::new(Repository::default());
        let revision = [Value::str("abc")];
        for _ in 0..2 {
            assert!(call(app(), "GetCommitMetadata", &revision, &repository).is_err());
        }
        let open = repository.take_open();
        let question = Question::Commit { url: "https://h/r.git".into(), project: "p".into(), revision: "abc".into() };
        assert_eq!(open, std::slice::from_ref(&question));
        let commit =
            Commit { message: "m".into(), author: "a".into(), date: Time::unix(0, 0), tags: vec!["v1".into()] };
        repository.learn(question, Ok(Answer::Commit(commit)));
        let value = call(app(), "GetCommitMetadata", &revision, &repository).unwrap();
        assert_eq!(value.get("Message").unwrap().as_str(), Some("m"));
        assert!(repository.take_open().is_empty());
        assert_eq!(repository.stumbles(), 0);
    }

    #[test]
    fn what_may_come_later_is_a_stumble_and_what_never_comes_is_not() {
        for (passing, stumbles) in [(true, 1), (false, 0)] {
            let repository = Arc::new(Repository::default());
            drop(call(app(), "GetCommitMetadata", &[Value::str("x")], &repository));
            let failure = Failure { text: "no".into(), passing };
            repository.take_open().into_iter().for_each(|question| repository.learn(question, Err(failure.clone())));
            let error = call(app(), "GetCommitMetadata", &[Value::str("x")], &repository).err().unwrap();
            assert_eq!((error.to_string().as_str(), repository.stumbles()), ("no", stumbles));
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let repository = Repository::absent("not configured");
        let sha = [Value::str("x")];
        let cases = [
            (
                json!({"spec": {"project": "p"}}),
                "GetCommitMetadata",
                &sha[..],
                "the Application has no spec.source.repoURL",
            ),
            (
                json!({"spec": {"source": {"repoURL": "u"}}}),
                "GetCommitMetadata",
                &sha[..],
                "the Application has no spec.project",
            ),
            (json!({"spec": {}}), "GetAppDetails", &[][..], "the Application has no spec.source"),
            (app(), "GetAppDetails", &[][..], "not configured"),
        ];
        for (app, name, args, complaint) in cases {
            let error = call(app, name, args, &repository).err().unwrap().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn the_first_source_is_asked_about() {
        let cases = [
            (json!({"source": {"repoURL": "one"}}), "one"),
            (json!({"source": {"repoURL": "one"}, "sources": [{"repoURL": "two"}, {"repoURL": "three"}]}), "two"),
            (json!({"sourceHydrator": {"drySource": {"repoURL": "dry"}, "syncSource": {"path": "p"}}}), "dry"),
        ];
        for (spec, url) in cases {
            let repository = Arc::new(Repository::default());
            drop(call(json!({"spec": spec}), "GetAppDetails", &[], &repository));
            let [Question::Details { source, .. }] = &repository.take_open()[..] else { panic!("no question") };
            assert!(source.contains(&format!("\"repoURL\":\"{url}\"")), "{source}");
        }
    }
}
