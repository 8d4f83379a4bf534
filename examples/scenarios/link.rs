//! A connection between an agent and a server that can be made to drop: everything goes through a port of its own. It never
//! looks at what goes through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::play::{Failure, tell};

/// The link of one agent to one server.
#[derive(Debug)]
pub struct Link {
    /// Where the agent finds the server.
    pub address: SocketAddr,
    cuts: watch::Sender<u32>,
    /// How many attempts to connect still fail.
    refused: Arc<AtomicU32>,
}

impl Link {
    /// A link of `who` to `server`.
    pub async fn to(server: SocketAddr, who: &'static str) -> Result<Link, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (cuts, cut) = watch::channel(0);
        let refused = Arc::new(AtomicU32::new(0));
        let left = Arc::clone(&refused);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if left.load(Ordering::SeqCst) > 0 {
                    if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                        tell("the stage", format_args!("the link of {who} is there again"));
                    }
                    continue;
                }
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        // Either side may go whenever it likes.
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Ok(Link { address, cuts, refused })
    }

    /// Drops what is connected, and the next attempts to connect.
    pub fn cut(&self, attempts: u32) {
        self.refused.store(attempts, Ordering::SeqCst);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}
