//! The rules of `spec/delivery.md` ("Order of durable steps"), one test each.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::notify::repository::{Answer, Commit, Failure, Question};
use crate::notify::{ConfigInput, LoadOptions};
use gatepost_value::json::{Numbers, from_serde};
use gatepost_value::namespace::{AppDetails, FileParameter, HelmDetails, Parameter};
use serde_json::json;

struct Scene {
    repository: Arc<Repository>,
    config: Configuration,
    phase: &'static str,
    annotation: String,
    entity: Option<&'static str>,
    states: BTreeMap<String, KeyState>,
    version: &'static str,
    first_list: bool,
}

impl Scene {
    fn new() -> Self {
        Self::with("- when: app.phase == 'on'\n  send: [m]\n")
    }
    fn with(trigger: &str) -> Self {
        Self::with_all(trigger, &[])
    }
    fn with_all(trigger: &str, more: &[(&str, &str)]) -> Self {
        let pairs =
            [("trigger.t", trigger), ("template.m", "message: hello"), ("service.webhook.hook", "url: http://h/")];
        let configmap = pairs.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let input = ConfigInput { configmap, ..ConfigInput::default() };
        Self {
            repository: Repository::absent("none"),
            config: Configuration::load(&input, None, &LoadOptions::sample()),
            phase: "on",
            annotation: String::new(),
            entity: None,
            states: BTreeMap::new(),
            version: "10",
            first_list: false,
        }
    }
    /// All that is asked of the repository has no answer yet.
    fn unanswered(mut self) -> Self {
        self.repository = Arc::default();
        drop(self.look());
        let failure = Failure { text: "the server is down".into(), passing: true };
        self.repository.take_open().into_iter().for_each(|asked| self.repository.learn(asked, Err(failure.clone())));
        self
    }
    /// The repository answers: one commit, and these details.
    fn answered(mut self, details: &AppDetails) -> Self {
        self.repository = Arc::default();
        for _ in 0..3 {
            drop(self.look());
            for asked in self.repository.take_open() {
                let answer = match &asked {
                    Question::Details { .. } => Answer::Details { value: details.value(), size: 0 },
                    Question::Commit { .. } => Answer::Commit(Commit {
                        message: "m".into(),
                        author: "a".into(),
                        date: Time::unix(1_580_000_000, 0),
                        tags: vec!["v1".into()],
                    }),
                };
                self.repository.learn(asked, Ok(answer));
            }
        }
        self
    }
    fn key(&self) -> String {
        self.look().triggers[0].conditions[0].destinations[0].state_key.clone()
    }
    fn knows(mut self, armed: bool, phase: Phase) -> Self {
        let key = self.key();
        self.states.insert(key, KeyState { armed, arming: 7, phase });
        self
    }
    fn annotated(mut self) -> Self {
        self.annotation = json!({self.key(): 99}).to_string();
        self
    }
    fn look(&self) -> Evaluation {
        let object = json!({"phase": self.phase, "spec": {"project": "p", "source": {"repoURL": "https://h/r"}}, "metadata": {"annotations": {
            "notifications.argoproj.io/subscribe.t.hook": "",
            "notified.notifications.argoproj.io": self.annotation, "backstage.io/entity-ref": self.entity,
        }}});
        let id = ObjectId { namespace: "argocd".into(), name: "a".into(), uid: "u".into() };
        evaluate(&World {
            config: &self.config,
            object: &from_serde(&object, Numbers::Kubernetes),
            id: &id,
            project: None,
            repository: &self.repository,
            states: &self.states,
            event_resource_version: self.version,
            first_list: self.first_list,
            now: Time::unix(0, 0),
            local: Location::Utc,
            random: &|buffer| buffer.fill(0),
            trace: false,
        })
    }
    fn reason(&self) -> Reason {
        self.look().triggers[0].conditions[0].destinations[0].reason
    }
    /// Arming and reason of the one delivery; `None` where nothing changes.
    fn delivered(&self) -> Option<(u64, Reason)> {
        match self.look().changes.as_slice() {
            [Change::Deliver { occurrence, reason, .. }] => Some((occurrence.arming, *reason)),
            [] => None,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_rise_is_delivered_once() {
    assert_eq!(Scene::new().delivered(), Some((1, Reason::Triggered)));
    assert_eq!(Scene::new().knows(true, Phase::Pending).delivered(), None);
    assert_eq!(Scene::new().knows(true, Phase::Pending).reason(), Reason::AlreadyPending);
    assert_eq!(Scene::new().knows(true, Phase::Delivered { at: 1 }).reason(), Reason::AlreadySent);
    assert_eq!(Scene::new().knows(true, Phase::Truncated).reason(), Reason::AlreadySent);
    assert!(Scene::new().key().starts_with("t:[0].") && Scene::new().key().ends_with(":hook:"));
}

#[test]
fn late_delivery_after_disarm_and_re_arm_is_a_new_arming() {
    let fallen = Scene { phase: "off", ..Scene::new().knows(true, Phase::Pending) };
    assert!(matches!(fallen.look().changes.as_slice(), [Change::Disarm { annotation_present: false, .. }]));
    let risen = Scene::new().knows(false, Phase::Pending);
    assert_eq!(risen.delivered(), Some((8, Reason::Triggered)));
}

#[test]
fn the_go_controllers_time_is_respected() {
    let adopted = Scene::new().annotated();
    assert!(matches!(adopted.look().changes.as_slice(), [Change::Adopt { at: 99, .. }]));
    assert_eq!(adopted.reason(), Reason::AlreadySent);
    let fallen = Scene { phase: "off", ..Scene::new().annotated() };
    assert!(matches!(fallen.look().changes.as_slice(), [Change::Disarm { annotation_present: true, .. }]));
}

#[test]
fn a_key_removed_by_hand_asks_for_a_resend() {
    let removed = |version, first_list| {
        let phase = Phase::Annotated { at: 1, resource_version: "9".into() };
        Scene { version, first_list, ..Scene::new().knows(true, phase) }
    };
    assert_eq!(removed("10", false).delivered(), Some((8, Reason::ResendRequested)));
    assert_eq!(removed("9", false).delivered(), Some((8, Reason::ResendRequested)));
    assert_eq!(removed("8", false).delivered(), None);
    assert_eq!(removed("8", true).delivered(), Some((8, Reason::ResendRequested)));
    assert_eq!(removed("10", false).annotated().delivered(), None);
}

#[test]
fn a_dead_letter_is_released_by_a_change_only() {
    let dead = |digest: &str| Scene::new().knows(true, Phase::Dead { digest: digest.to_owned() });
    assert_eq!(dead("other").delivered(), Some((7, Reason::Released)));
    let of = |entity: &str| digest(&Scene::new().config, "hook", &["m".to_owned()], entity);
    assert_eq!(dead(&of("")).delivered(), None);
    assert_eq!(dead(&of("")).reason(), Reason::DeadLetter);
    let named = |digest: &str| Scene { entity: Some("component:default/a"), ..dead(digest) };
    assert_eq!(named(&of("")).delivered(), Some((7, Reason::Released)), "its entity is known now");
    assert_eq!(named(&of("component:default/a")).delivered(), None);
}

#[test]
fn once_per_keys_are_never_disarmed() {
    let scene = Scene::with("- when: app.phase == 'on'\n  oncePer: \"'r1'\"\n  send: [m]\n");
    assert!(scene.key().starts_with("r1:t:"));
    assert_eq!(scene.delivered(), Some((0, Reason::Triggered)));
    let scene = scene.knows(true, Phase::Delivered { at: 1 });
    assert_eq!(scene.reason(), Reason::AlreadySent);
    assert!(Scene { phase: "off", ..scene }.look().changes.is_empty());
}

#[test]
fn what_is_missing_becomes_a_dead_letter_that_says_so() {
    let scene = Scene::with("- when: 'true'\n  send: [nosuch]\n");
    let look = scene.look();
    let [Change::Deliver { rendered: Err(failure), .. }] = look.changes.as_slice() else { panic!() };
    assert_eq!(failure.message, "template 'nosuch' is not supported");
    assert_eq!(scene.reason(), Reason::TemplateNotConfigured);
}

/// What the repo-server failed to say, in a condition, in oncePer and in a template.
#[test]
fn nothing_is_decided_on_an_answer_that_may_still_come() {
    let asks = "repo.GetAppDetails().Type == 'Helm'";
    let template = [("template.m", "message: '{{ (call .repo.GetAppDetails).Type }}'")];
    let held = Phase::Delivered { at: 1 };
    let scenes = [
        Scene::with(&format!("- when: {asks}\n  send: [m]\n")).knows(true, held.clone()),
        Scene::with(&format!("- when: 'true'\n  oncePer: {asks}\n  send: [m]\n")).knows(true, held),
        Scene::with_all("- when: 'true'\n  send: [m]\n", &template),
    ];
    for scene in scenes.map(Scene::unanswered) {
        let look = scene.look();
        assert!(look.changes.is_empty() && look.undecided, "{look:?}");
        let outcome = &look.triggers[0].conditions[0].destinations[0];
        assert_eq!(outcome.reason, Reason::RepositoryUnavailable);
        assert!(outcome.message.contains("the server is down"), "{outcome:?}");
    }
}

#[test]
fn what_the_repository_says_is_seen_under_gos_names() {
    let helm = HelmDetails {
        parameters: vec![Parameter { name: "tag".into(), value: "1".into(), force_string: true }],
        file_parameters: vec![FileParameter { name: "cfg".into(), path: "a.json".into() }],
        overrides: vec![Parameter { name: "tag".into(), value: "2".into(), ..Parameter::default() }],
        ..HelmDetails::default()
    };
    let details = AppDetails { kind: "Helm".into(), helm: Some(helm), ..AppDetails::default() };
    let conditions = [
        "repo.GetCommitMetadata('c').Message == 'm' and repo.GetCommitMetadata('c').Author == 'a'",
        "repo.GetCommitMetadata('c').Date.Year() == 2020 and repo.GetCommitMetadata('c').Tags[0] == 'v1'",
        "repo.GetAppDetails().Type == 'Helm' and repo.GetAppDetails().Kustomize == nil",
        "repo.GetAppDetails().Helm.GetParameterValueByName('tag') == '2'",
        "repo.GetAppDetails().Helm.HelmAppSpec.Parameters[0].ForceString",
        "repo.GetAppDetails().Helm.HelmParameterOverrides[0].Value == '2'",
        "repo.GetAppDetails().Helm.GetFileParameterPathByName('cfg') == 'a.json'",
        "repo.GetAppDetails().Kustomize?.Images == nil and repo.GetAppDetails().Directory == nil",
    ];
    for when in conditions {
        let scene = Scene::with(&format!("- when: {}\n  send: [m]\n", json!(when))).answered(&details);
        let outcome = &scene.look().triggers[0].conditions[0];
        assert!(outcome.triggered, "{when}: {:?}", outcome.error);
    }
    let text = "{{ $c := call .repo.GetCommitMetadata \"c\" }}{{ $c.Message }} {{ $c.Date.Year }} {{ index $c.Tags 0 }} \
                {{ with (call .repo.GetAppDetails).Helm }}{{ .GetParameterValueByName \"tag\" }} \
                {{ (index .HelmAppSpec.FileParameters 0).Path }}{{ end }}{{ (call .repo.GetAppDetails).Directory }}";
    let template = json!({"message": text}).to_string();
    let scene = Scene::with_all("- when: 'true'\n  send: [m]\n", &[("template.m", &template)]).answered(&details);
    let look = scene.look();
    let [Change::Deliver { rendered: Ok(out), .. }] = look.changes.as_slice() else { panic!("{look:?}") };
    assert_eq!(out.message.lossy(), "m 2020 v1 2 a.json<nil>");
}

#[test]
fn only_true_counts() {
    for when in ["1", "'true'", "nil", "app.nosuch.deeper", "fromJSON('{')"] {
        let scene = Scene::with(&format!("- when: {}\n  send: [m]\n", json!(when)));
        assert_eq!(scene.delivered(), None, "{when}");
    }
}
