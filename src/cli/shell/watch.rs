//! Events and updates that come while a person goes on typing. It never asks for them.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::cli::output;
use crate::client::schema::Schema;
use crate::client::{Notification, Session, Subscription};

/// A subscription that is followed. Dropping it ends it.
#[derive(Debug)]
pub struct Watching(JoinHandle<()>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watching {
    /// Tells what a subscription brings until it ends.
    pub fn start(
        schema: Arc<Schema>,
        session: Session,
        mut subscription: Subscription,
        tell: impl Fn(String) + Send + 'static,
    ) -> Watching {
        Watching(tokio::spawn(async move {
            let mut why = "the server has ended it".to_owned();
            while let Some(next) = subscription.next().await {
                match next {
                    Ok(notification) => tell(line(&schema, &notification)),
                    Err(error) => why = error.to_string(),
                }
            }
            tell(format!("nothing is followed any more: {why}\n"));
            drop(session);
        }))
    }
}

/// A notification in one line: when, what, and its values.
fn line(schema: &Schema, notification: &Notification) -> String {
    let event = std::slice::from_ref(&notification.event);
    let paths = output::paths(schema, None, event);
    let mut lines = paths.lines();
    let first = lines.next().unwrap_or_default();
    let top = first.get(1..).and_then(|rest| rest.split(['/', '=', '[']).next()).unwrap_or_default();
    let before = format!("/{top}/");
    let values = paths.lines().filter_map(|line| line.strip_prefix(&before));
    let values: Vec<&str> = values.collect();
    format!("{} {top} {}\n", notification.time, values.join(" "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::client::Element;
    use crate::client::schema::Text;

    #[test]
    fn a_notification_is_a_line() {
        let text =
            "module a { namespace urn:a; prefix a; notification n { leaf x { type string; } list l { key k;
            leaf k { type string; } leaf v { type string; } } } }";
        let text = Text { text: text.to_owned(), implemented: true, features: Vec::new() };
        let event = "<n xmlns='urn:a'><x>one two</x><l><k>1</k><v>3</v></l></n>";
        let event = Element::parse(event.as_bytes(), 9).unwrap();
        let notification = Notification { time: "2026-01-01T00:00:00Z".to_owned(), id: None, event };
        let line = line(&Schema::read(&[text]), &notification);
        assert_eq!(line, "2026-01-01T00:00:00Z a:n x=one two l[k='1']/v=3\n");
    }
}
