//! Where a link in a message about an approval leads, on the listener of callbacks: it says how to decide, and decides nothing. The same
//! for a run that is not there, so that it tells nobody which there are.

use super::frame::render;
use super::{Layout, Text, Words};
use crate::gate::approval::RunId;
use actix_web::HttpResponse;
use askama::Template;

#[derive(Template)]
#[template(path = "callback.html")]
struct Page {
    layout: Layout,
    id: Text,
}

/// The page.
pub(in crate::server) fn show(id: &RunId) -> HttpResponse {
    render(&page(id))
}

fn page(id: &RunId) -> Page {
    let words = Words::default();
    Page { layout: Layout::bare("Approval", &words), id: words.show(&id.to_string()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::server::pages::tests::check;

    #[test]
    fn it_says_how_to_decide_and_has_nothing_that_does() {
        let html = page(&RunId::new([0xab; 16])).render().unwrap();
        assert!(check(&html).contains("gatepost approvals approve abababab"));
        assert!(!html.contains("<script") && !html.contains("<nav") && !html.contains("<button"));
    }
}
