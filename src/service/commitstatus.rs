//! `gatepost.service.commitstatus.<name>`: a CommitStatus of the GitOps Promoter, so that any trigger can feed a gate.
//!
//! The recipient is the PromotionStrategy, `<namespace>/<name>`. Pure as all kinds: what is written, and whether the strategy
//! shows the commit at all, is the controller's to find out (`crate::controller`), which answers with a status.

use super::conversation::CommitReport;
use super::stored::{self, refuse};
use super::{Answer, Call, Draft, Kind, Outgoing, PrepareError, Prepared, RequestError, Step, Verdict, post, text};
use crate::egress::Response;
use crate::notify::ServiceConfig;
use crate::notify::kind::{Field, KindSpec, Merge, Record, SectionSpec, Shape, unchecked};

/// Characters of a description that are kept.
const DESCRIPTION_MAX: usize = 1024;
/// Characters of the cluster's words that are repeated.
const WORDS_MAX: usize = 300;
/// What a commit's phase may be.
const PHASES: [&str; 3] = ["pending", "success", "failure"];

static SPEC: KindSpec = KindSpec {
    name: "commitstatus",
    own: true,
    options: Record { go: "CommitStatusOptions", fields: &[] },
    transport: false,
    section: Some(SectionSpec {
        record: Record {
            go: "CommitStatusNotification",
            fields: &[
                Field::new("key", Shape::Template).always(),
                Field::new("phase", Shape::Template).always(),
                Field::new("description", Shape::Template),
                Field::new("url", Shape::Template),
                Field::new("sha", Shape::Template).or("{{.app.status.sync.revision}}"),
            ],
        },
        merge: Merge::Fieldwise,
    }),
    check: unchecked,
};

/// The kind.
pub struct CommitStatus;

impl Kind for CommitStatus {
    fn spec(&self) -> &'static KindSpec {
        &SPEC
    }
    fn prepare(&self, draft: &Draft<'_>) -> Result<Prepared, PrepareError> {
        let Some(section) = draft.notification.sections.get(SPEC.name) else {
            return Err(post::no_section("commitStatus", "add one with `key` and `phase`"));
        };
        let recipient = &draft.occurrence.destination.recipient;
        let (namespace, strategy) =
            recipient.split_once('/').filter(|(a, b)| is_name(a) && is_name(b)).ok_or_else(|| {
                let message = format!("'{}' is no PromotionStrategy", recipient.escape_debug());
                refuse(message, "write `<namespace>/<name>` of one as the subscription's recipient")
            })?;
        let report = CommitReport {
            namespace: namespace.to_owned(),
            strategy: strategy.to_owned(),
            key: section.string("key").trim().to_owned(),
            phase: section.string("phase").trim().to_owned(),
            description: text::clip_chars(section.string("description").trim(), DESCRIPTION_MAX),
            url: section.string("url").trim().to_owned(),
            sha: section.string("sha").trim().to_owned(),
        };
        check(&report)?;
        // The latest word on a commit is the one that counts.
        let ordering = Some(format!("{recipient}/{}/{}", report.key, report.sha));
        Ok(Prepared { ordering, supersedes: true, idempotent: true, ..Prepared::of(stored::write(&report)?) })
    }
    fn step(&self, call: &Call<'_>, rounds: &[Vec<Answer>]) -> Result<Step, RequestError> {
        match rounds.first().and_then(|answers| answers.first()) {
            None => {
                let report: CommitReport = stored::read(&call.config.name, call.payload)?;
                Ok(Step::Send(vec![Outgoing::CommitStatus(report)]))
            }
            Some(Ok(answer)) => Ok(Step::done(judge(answer))),
            Some(Err(error)) => Ok(Step::done(super::unanswered(error))),
        }
    }
    fn host(&self, _: &ServiceConfig, _: &str) -> String {
        String::new()
    }
}

fn check(report: &CommitReport) -> Result<(), PrepareError> {
    let CommitReport { key, phase, sha, url, .. } = report;
    let legal_key = key.len() <= 63 && is_name(key) && !key.contains('.');
    let legal_sha =
        matches!(sha.len(), 40 | 64) && sha.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let legal_url = url.is_empty() || url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let wrong = |field: &str, value: &str, wanted: &str| {
        let shown = text::clip_chars(value, 80);
        Err(refuse(
            format!("'{}' is no {field} of a commit status", shown.escape_debug()),
            format!("commitStatus.{field} has to be {wanted}"),
        ))
    };
    match () {
        () if !legal_key => wrong("key", key, "a key of the strategy: lower case, digits and `-`, at most 63"),
        () if !PHASES.contains(&phase.as_str()) => wrong("phase", phase, "pending, success or failure"),
        () if !legal_sha => wrong("sha", sha, "a whole commit: 40 or 64 hexadecimal digits"),
        () if !legal_url => wrong("url", url, "an http or https URL, or nothing"),
        () => Ok(()),
    }
}

/// A name as Kubernetes takes it.
fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = |b: Option<u8>| b.is_some_and(inner);
    name.len() <= 253
        && ends(name.bytes().next())
        && ends(name.bytes().last())
        && name.bytes().all(|b| inner(b) || matches!(b, b'-' | b'.'))
}

fn judge(answer: &Response) -> Verdict {
    let cause = text::clip_chars(&String::from_utf8_lossy(&answer.body), WORDS_MAX);
    match answer.status {
        200 => Verdict::Delivered { reached: None, note: None },
        // A right that is lacking.
        401 | 403 => Verdict::Credentials { cause },
        // No strategy, a commit that it does not show (yet), a commit that somebody else reports on.
        404 | 409 | 412 => Verdict::SlowRetry { cause },
        400 | 422 => Verdict::Permanent { cause },
        _ => Verdict::Retry { after: None, cause },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::{Played, answer, play};

    const KEY: &str = "gatepost.service.commitstatus.gate";
    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn template(more: &str) -> String {
        format!(
            "commitStatus: {{key: sync, phase: failure, sha: {SHA}, description: 'says {{{{.app.metadata.name}}}}', url: 'https://argocd.example/x'{more}}}"
        )
    }

    fn sent(template: &str, to: &str, status: u16) -> Result<Played, String> {
        play(KEY, "{}", template, to, &[answer(status, "words")])
    }

    #[test]
    fn a_report_is_made_and_the_latest_one_counts() {
        let played = sent(&template(""), "team/app", 200).unwrap();
        let [report] = &played.reports[..] else { panic!("{:?}", played.reports) };
        assert_eq!((report.namespace.as_str(), report.strategy.as_str()), ("team", "app"));
        assert_eq!((report.key.as_str(), report.phase.as_str(), report.sha.as_str()), ("sync", "failure", SHA));
        assert_eq!((report.description.as_str(), report.url.as_str()), ("says orders", "https://argocd.example/x"));
        assert_eq!(played.prepared.ordering.as_deref(), Some(format!("team/app/sync/{SHA}").as_str()));
        assert!(played.prepared.supersedes && played.prepared.idempotent);
        assert_eq!(played.outcome.verdict, Verdict::Delivered { reached: None, note: None });
    }

    #[test]
    fn what_cannot_be_written_is_a_dead_letter_that_says_why() {
        for recipient in ["app", "a/b/c", "/app", "team/", "Team/app", "team/a b"] {
            assert!(
                sent(&template(""), recipient, 200).unwrap_err().contains("is no PromotionStrategy"),
                "{recipient}"
            );
        }
        let error = |text: &str| sent(text, "team/app", 200).unwrap_err();
        assert!(error("message: m").contains("no `commitStatus` section"));
        assert!(error("commitStatus: {key: Sync, phase: success}").contains("no key"));
        assert!(
            error(&format!("commitStatus: {{key: a, phase: good, sha: {SHA}}}"))
                .contains("pending, success or failure")
        );
        // The default is the Application's sync revision, here a short one.
        assert!(error("commitStatus: {key: a, phase: success}").contains("'0123456789abcdef' is no sha"));
        assert!(
            error(&format!("commitStatus: {{key: a, phase: success, sha: {SHA}, url: 'javascript:1'}}"))
                .contains("no url")
        );
    }

    #[test]
    fn answers_are_judged() {
        let verdict = |status| sent(&template(""), "team/app", status).unwrap().outcome.verdict;
        assert!(matches!(verdict(403), Verdict::Credentials { .. }));
        for status in [404, 409, 412] {
            assert_eq!(verdict(status), Verdict::SlowRetry { cause: "words".into() });
        }
        assert!(matches!(verdict(422), Verdict::Permanent { .. }));
        assert!(matches!(verdict(500), Verdict::Retry { .. }));
    }
}
