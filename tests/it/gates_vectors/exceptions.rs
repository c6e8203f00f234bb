//! Where Gatepost differs from the reference on purpose (`spec/gates.md` 21): when, why, and what must hold instead.
//!
//! A rule is found by what was recorded, not by a scenario's name.

use super::case::Case;
use super::compare;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A reason to differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The reference forgets what was stored of environments when one of them fails.
    StateIsKept,
    /// The reference carries an answer over to a commit that it does not ask about before the interval is over.
    NewCommitIsAskedAbout,
    /// The reference says success for a commit that nobody asked about.
    UnaskedIsPending,
    /// The reference renders the texts of a finished gate without their variables.
    TextsStay,
    /// The reference asks for a token before each request.
    TokenIsCached,
    /// The reference sends a line break at the end of a token, which no request may hold.
    TokenIsTrimmed,
    /// The reference asks about no further environment after one has failed.
    OthersGoOn,
}

impl Rule {
    /// The rule that a scenario falls under.
    pub fn of(case: &Case) -> Option<Self> {
        let polls = case.gates().all(|gate| !gate["mode"]["polling"].is_null());
        let moved_unasked =
            pairs(case).any(|(before, after)| !moved(before, after).is_empty() && same_count(before, after));
        let asks_all_at_once = case.gates().any(|gate| gate["mode"]["context"] == "promotionstrategy");
        if pairs(case).any(|(before, after)| !entries(before).is_empty() && failed(after) && entries(after).is_empty())
            && !asks_all_at_once
        {
            return Some(Self::StateIsKept);
        }
        let error_for_moved =
            strategy_moves(case) && pairs(case).any(|(before, after)| failed(after) && same_count(before, after));
        if polls && (moved_unasked || error_for_moved) {
            return Some(Self::NewCommitIsAskedAbout);
        }
        if pairs(case).any(|(before, after)| same_count(before, after) && !unasked_successes(before, after).is_empty())
        {
            return Some(Self::UnaskedIsPending);
        }
        if case.checkpoints().last().is_some_and(|last| last["commitStatuses"].to_string().contains("<no value>"))
            && polls
            && pairs(case).all(|(before, after)| moved(before, after).is_empty())
            && pairs(case).next().is_some()
        {
            return Some(Self::TextsStay);
        }
        if case
            .checkpoints()
            .iter()
            .any(|checkpoint| message(checkpoint).contains("invalid header field value for \"Authorization\""))
        {
            return Some(Self::TokenIsTrimmed);
        }
        let first = case.checkpoints().first();
        if first.is_some_and(|first| failed(first) && (1..environments(case)).contains(&made(first)))
            && !asks_all_at_once
        {
            return Some(Self::OthersGoOn);
        }
        (token_requests(&recorded_requests(case)) > 1).then_some(Self::TokenIsCached)
    }

    /// Why.
    pub fn reason(self) -> &'static str {
        match self {
            Self::StateIsKept => "one environment's failure is its own: what is stored of it and of the others stays",
            Self::NewCommitIsAskedAbout => "a new commit inside the polling interval is asked about at once",
            Self::UnaskedIsPending => "a carried success is pending for a commit that was not asked about",
            Self::TextsStay => "description and URL keep their variables after success",
            Self::TokenIsCached => "an OAuth2 token is used until shortly before it expires",
            Self::TokenIsTrimmed => "a line break at the end of a token is not part of it",
            Self::OthersGoOn => "every environment is asked about, whatever became of another",
        }
    }

    /// Requests that a `waitRequests` waits for.
    pub fn requests(self, _case: &Case) -> Option<u64> {
        None
    }

    /// Status that a `waitReady` waits for.
    pub fn ready<'a>(self, _case: &Case, recorded: Option<&'a str>) -> Option<&'a str> {
        match self {
            // The commit was asked about, so there is no missing answer to fail on.
            Self::NewCommitIsAskedAbout | Self::TokenIsTrimmed => None,
            _ => recorded,
        }
    }

    /// What must hold at the checkpoint instead.
    pub fn check(self, case: &Case, nth: usize, actual: &Value) -> Result<(), String> {
        let recorded = &case.checkpoints()[nth];
        let Some(before) = nth.checked_sub(1).map(|before| &case.checkpoints()[before]) else {
            return match self {
                Self::TokenIsTrimmed => token_is_trimmed(actual),
                Self::OthersGoOn => others_go_on(case, recorded, actual),
                _ => first(self, case, recorded, actual),
            };
        };
        match self {
            Self::StateIsKept => state_is_kept(before, recorded, actual),
            Self::NewCommitIsAskedAbout => new_commit_is_asked_about(case, before, actual),
            Self::UnaskedIsPending => unasked_is_pending(case, before, recorded, actual),
            Self::TextsStay => {
                compare::same_children(before, actual)?;
                compare::same_gates(recorded, actual)?;
                compare::same_count(case, recorded, actual)
            }
            Self::TokenIsCached | Self::TokenIsTrimmed | Self::OthersGoOn => compare::same_gates(recorded, actual),
        }
    }

    /// What must hold of the requests instead.
    pub fn check_requests(self, case: &Case, actual: &[Value]) -> Result<(), String> {
        if self == Self::TokenIsTrimmed {
            let value =
                actual.first().map(|request| request["headers"]["authorization"][0].clone()).unwrap_or_default();
            let legal = value.as_str().is_some_and(|value| value.starts_with("Bearer ") && value.trim() == value);
            return if legal { Ok(()) } else { Err(format!("Authorization: {value}")) };
        }
        if self == Self::OthersGoOn {
            return Ok(());
        }
        let recorded = recorded_requests(case);
        let paths = |requests: &[Value]| {
            let mut paths: Vec<String> = requests.iter().map(|request| request["path"].to_string()).collect();
            paths.sort();
            paths.dedup();
            paths
        };
        if paths(&recorded) != paths(actual) {
            return Err(format!("asked {:?} instead of {:?}", paths(actual), paths(&recorded)));
        }
        match self {
            Self::TokenIsCached => {
                let others = |requests: &[Value]| requests.len() - token_requests(requests);
                let ok = token_requests(actual) == 1 && others(actual) == others(&recorded);
                if ok { Ok(()) } else { Err(format!("{} token requests in {actual:#?}", token_requests(actual))) }
            }
            Self::NewCommitIsAskedAbout if actual.len() <= recorded.len() => {
                Err(format!("{} requests: the new commit was not asked about", actual.len()))
            }
            Self::TextsStay | Self::UnaskedIsPending => compare::same_requests(case, actual),
            _ => Ok(()),
        }
    }
}

/// Before anything differs all is as recorded, but for the number of tokens.
fn first(rule: Rule, case: &Case, recorded: &Value, actual: &Value) -> Result<(), String> {
    compare::same_children(recorded, actual)?;
    compare::same_gates(recorded, actual)?;
    if rule == Rule::TokenIsCached { Ok(()) } else { compare::same_count(case, recorded, actual) }
}

/// A failure leaves the entries there; afterwards all is as recorded.
fn state_is_kept(before: &Value, recorded: &Value, actual: &Value) -> Result<(), String> {
    if !failed(recorded) {
        compare::same_children(recorded, actual)?;
        return compare::same_gates(recorded, actual);
    }
    if !failed(actual) {
        return Err(format!("no failure in {actual}"));
    }
    let (was, is) = (gates(before), gates(actual));
    // Who was asked about the new commit fails on the answer, not on the lack of one.
    if same_count(before, actual) {
        compare::same_message(compare::ready(&gates(recorded)[0]["status"]), compare::ready(&is[0]["status"]))?;
    }
    compare::same_children(before, actual)?;
    for (was, is) in was.iter().zip(is) {
        if was["status"]["environments"] != is["status"]["environments"] {
            return Err(format!("kept {} instead of {}", is["status"]["environments"], was["status"]["environments"]));
        }
    }
    Ok(())
}

/// The answer decides, and where it could not be had, nothing is said of the new commit.
fn new_commit_is_asked_about(case: &Case, before: &Value, actual: &Value) -> Result<(), String> {
    if actual["requestsMade"].as_u64() <= before["requestsMade"].as_u64() {
        return Err(format!("{} requests: the new commit was not asked about", actual["requestsMade"]));
    }
    if failed(actual) {
        return Err(format!("failed: {actual}"));
    }
    let approves = last_answer_approves(case);
    let was = by_title(before);
    for (title, child) in by_title(actual) {
        let same_commit = was.get(&title).is_some_and(|was| was["spec"]["sha"] == child["spec"]["sha"]);
        let phase = if approves { "success" } else { "pending" };
        let wanted = if same_commit { was[&title]["spec"]["phase"].clone() } else { json!(phase) };
        if child["spec"]["phase"] != wanted {
            return Err(format!("{title} is {} instead of {wanted}", child["spec"]["phase"]));
        }
    }
    if moved(before, actual).is_empty() { Err("the new commit is not reported on".to_owned()) } else { Ok(()) }
}

/// What was recorded as a success for a commit that nobody asked about is pending; its last success is the older one's.
fn unasked_is_pending(case: &Case, before: &Value, recorded: &Value, actual: &Value) -> Result<(), String> {
    compare::same_count(case, recorded, actual)?;
    let unasked = unasked_successes(before, recorded);
    let found = by_title(actual);
    for (title, child) in by_title(recorded) {
        let mut wanted = child.clone();
        if unasked.contains(&title) {
            wanted["spec"]["phase"] = json!("pending");
        }
        if found.get(&title) != Some(&wanted) {
            return Err(format!("{title}: {:?} instead of {wanted}", found.get(&title)));
        }
    }
    let last = |checkpoint: &Value| gates(checkpoint)[0]["status"]["environments"][0]["lastSuccessfulSha"].clone();
    if last(actual) == last(before) { Ok(()) } else { Err(format!("lastSuccessfulSha is {}", last(actual))) }
}

/// The token works.
fn token_is_trimmed(actual: &Value) -> Result<(), String> {
    let passed = by_title(actual).values().all(|child| child["spec"]["phase"] == "success");
    if made(actual) == 1 && passed && !failed(actual) { Ok(()) } else { Err(format!("not passed: {actual}")) }
}

/// All were asked about, and the failure says what was recorded of the first.
fn others_go_on(case: &Case, recorded: &Value, actual: &Value) -> Result<(), String> {
    compare::same_message(compare::ready(&gates(recorded)[0]["status"]), compare::ready(&gates(actual)[0]["status"]))?;
    compare::same_children(recorded, actual)?;
    let (was, is) = (entries(recorded), entries(actual));
    let of_all = is.len() == environments(case) || was.is_empty();
    let ok =
        failed(actual) && made(actual) == environments(case) && of_all && was.iter().all(|entry| is.contains(entry));
    if ok { Ok(()) } else { Err(format!("not all were asked about: {actual}")) }
}

fn made(checkpoint: &Value) -> usize {
    checkpoint["requestsMade"].as_u64().and_then(|made| usize::try_from(made).ok()).unwrap_or_default()
}

fn message(checkpoint: &Value) -> String {
    gates(checkpoint)
        .iter()
        .map(|gate| compare::ready(&gate["status"])["message"].to_string().replace("\\\"", "\""))
        .collect()
}

/// How many environments the strategy has.
fn environments(case: &Case) -> usize {
    let mut strategies = case.list("objects").iter().filter(|object| object["kind"] == "PromotionStrategy");
    strategies.next().and_then(|strategy| strategy["spec"]["environments"].as_array()).map_or(0, Vec::len)
}

/// Checkpoints, each with the one before.
fn pairs(case: &Case) -> impl Iterator<Item = (&Value, &Value)> {
    case.checkpoints().iter().zip(case.checkpoints().iter().skip(1))
}

fn same_count(before: &Value, after: &Value) -> bool {
    before["requestsMade"] == after["requestsMade"]
}

fn gates(checkpoint: &Value) -> Vec<Value> {
    checkpoint["webRequestCommitStatuses"].as_array().cloned().unwrap_or_default()
}

fn entries(checkpoint: &Value) -> Vec<Value> {
    let entries = |gate: Value| gate["status"]["environments"].as_array().cloned().unwrap_or_default();
    gates(checkpoint).into_iter().flat_map(entries).collect()
}

fn failed(checkpoint: &Value) -> bool {
    gates(checkpoint).iter().any(|gate| compare::ready(&gate["status"])["reason"] == "ReconciliationError")
}

fn by_title(checkpoint: &Value) -> BTreeMap<String, Value> {
    let children = checkpoint["commitStatuses"].as_array().into_iter().flatten();
    children.map(|child| (child["spec"]["name"].as_str().unwrap_or_default().to_owned(), child.clone())).collect()
}

/// CommitStatuses that report on another commit than before.
fn moved(before: &Value, after: &Value) -> Vec<String> {
    let was = by_title(before);
    let changed =
        |(title, child): &(String, Value)| was.get(title).is_some_and(|was| was["spec"]["sha"] != child["spec"]["sha"]);
    by_title(after).into_iter().filter(changed).map(|(title, _)| title).collect()
}

/// Of these the ones that are a success, as before, without a request between.
fn unasked_successes(before: &Value, after: &Value) -> Vec<String> {
    let (was, is) = (by_title(before), by_title(after));
    let mut moved = moved(before, after);
    moved.retain(|title| was[title]["spec"]["phase"] == "success" && is[title]["spec"]["phase"] == "success");
    moved
}

/// Whether a step gives an environment another proposed commit.
fn strategy_moves(case: &Case) -> bool {
    let commits = |status: &Value| -> Vec<Value> {
        let environments = status["environments"].as_array().cloned().unwrap_or_default();
        environments.iter().map(|environment| environment["proposed"]["hydrated"]["sha"].clone()).collect()
    };
    let mut strategies = case.list("objects").iter().filter(|object| object["kind"] == "PromotionStrategy");
    let Some(first) = strategies.next().map(|strategy| commits(&strategy["status"])) else { return false };
    let patches =
        case.list("steps").iter().filter(|step| step["op"] == "patchStatus" && step["kind"] == "PromotionStrategy");
    patches.map(|step| commits(&step["status"])).any(|commits| commits != first)
}

/// What the script says once the counted answers are used up, seen by the gate's own expression as recorded.
fn last_answer_approves(case: &Case) -> bool {
    let Some(last) = case.list("httpScript").last() else { return false };
    let approved = &last["respond"]["json"]["approved"];
    let expression =
        case.gates().next().map(|gate| gate["success"]["when"]["expression"].to_string()).unwrap_or_default();
    // One recorded gate wants the opposite, so that its first answer passes.
    *approved == !expression.contains("approved == false")
}

fn recorded_requests(case: &Case) -> Vec<Value> {
    case.json["expected"]["requests"].as_array().cloned().unwrap_or_default()
}

fn token_requests(requests: &[Value]) -> usize {
    let grants =
        requests.iter().filter(|request| request["body"].as_str().is_some_and(|body| body.starts_with("grant_type=")));
    grants.count()
}
