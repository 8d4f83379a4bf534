//! A subscriber that always comes back with the last id that it has got. It knows nothing of what the events say.

use std::io::{self, ErrorKind};
use std::time::Duration;

use agentconf::clock::Stopwatch;

use crate::clients::{Doors, Restconf, read_chunk, read_head};

/// An event: its id and its data.
pub type Event = (String, String);

/// Longest time without an event, in which somebody always writes.
const SILENCE: Duration = Duration::from_secs(15);

/// Follows until nobody listens any more, or an event is about `marker`; what came after the events that there are.
///
/// # Errors
/// What came is no stream of events, or nothing came.
pub fn follow(doors: &Doors, seen: &mut Vec<Event>, marker: &str) -> Result<(), String> {
    loop {
        let Some(made) = Restconf::new(doors) else { return Ok(()) };
        // The server may be about to end.
        let Ok(client) = made else { continue };
        match read(client, seen, marker) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(error.to_string()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(format!("no event comes after {:?}", seen.last()));
            }
            Err(_) => {}
        }
    }
}

fn read(client: Restconf, seen: &mut Vec<Event>, marker: &str) -> io::Result<()> {
    let last = seen.last().map_or("0".to_owned(), |(id, _)| id.clone());
    let mut connection = client.follow(&last)?;
    connection.get_ref().set_read_timeout(Some(SILENCE))?;
    let (status, _) = read_head(&mut connection)?;
    match status {
        200 => {}
        // It is about to end.
        503 => return Err(io::Error::other("not now")),
        _ => {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("{status} for the events after {last}"),
            ));
        }
    }
    let (mut text, mut heard) = (String::new(), Stopwatch::start());
    loop {
        while let Some((block, rest)) = text.split_once("\n\n") {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if !block.starts_with(':') {
                let Some((id, data)) = field("id: ").zip(field("data: ")) else {
                    return Err(io::Error::new(ErrorKind::InvalidData, format!("no event: {block}")));
                };
                seen.push((id.to_owned(), data.to_owned()));
                heard = Stopwatch::start();
                if data.contains(marker) {
                    return Ok(());
                }
            }
            text = rest.to_owned();
        }
        // That the stream is alive is said in between too.
        if heard.elapsed() > SILENCE {
            return Err(ErrorKind::TimedOut.into());
        }
        let chunk = read_chunk(&mut connection)?;
        text.push_str(&String::from_utf8(chunk).map_err(io::Error::other)?);
    }
}
