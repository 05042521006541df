//! `syslog`: takes messages over TCP, TLS and UDP, as RFC 5424 and RFC 3164 have them, into the spool.
//!
//! Promises: an address that cannot be had, or a certificate that cannot be read, is an error at the start; over TCP a
//! sender waits while there is no room; memory is bounded by the number of connections and the longest message. Over UDP
//! nobody can wait: what there is no room for is dropped, counted and said.

mod address;
pub(crate) mod frame;
pub(crate) mod message;
mod names;
mod receiver;
mod rfc3164;
mod rfc5424;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod udp;

use std::sync::Arc;

use crate::agent::config::http::Tls;
use crate::agent::config::scrape::{Scrape, Syslog, SyslogProtocol};
use crate::agent::intake::Stop;
use crate::agent::intake::labelling::Labelling;
use crate::agent::intake::syslog::receiver::Receiver;
use crate::agent::metrics::Metrics;
use crate::agent::spool::Spool;

/// A listener that has its address and waits to be run.
pub(crate) struct Listener {
    receiver: Receiver,
    socket: Socket,
}

enum Socket {
    Tcp(tokio::net::TcpListener, Option<tokio_rustls::TlsAcceptor>),
    Udp(tokio::net::UdpSocket),
}

/// What the spool of a listener is called: the same in each run.
pub(crate) fn spool_name(scrape: &Scrape, settings: &Syslog) -> String {
    let protocol = match settings.listen_protocol {
        SyslogProtocol::Tcp => "tcp",
        SyslogProtocol::Udp => "udp",
    };
    format!("syslog {} {protocol} {}", scrape.job_name, settings.listen_address)
}

impl Listener {
    /// Takes the address; within the runtime.
    ///
    /// # Errors
    ///
    /// The address cannot be had, or what TLS needs cannot be read.
    pub(crate) fn bind(
        scrape: &Scrape,
        settings: &Syslog,
        spool: Spool,
        metrics: &Arc<Metrics>,
    ) -> anyhow::Result<Listener> {
        let labelling = Labelling::new(&scrape.relabel_configs, &settings.labels, &scrape.job_name, "syslog");
        let receiver = Receiver::new(settings.clone(), labelling, spool, Arc::clone(metrics));
        let socket = match settings.listen_protocol {
            SyslogProtocol::Tcp => {
                let acceptor = (settings.tls_config != Tls::default()).then(|| tls::acceptor(&settings.tls_config));
                Socket::Tcp(address::listen(&settings.listen_address)?, acceptor.transpose()?)
            }
            SyslogProtocol::Udp => Socket::Udp(address::receive(&settings.listen_address)?),
        };
        Ok(Listener { receiver, socket })
    }

    /// Where it listens.
    #[cfg(test)]
    fn address(&self) -> std::net::SocketAddr {
        match &self.socket {
            Socket::Tcp(listener, _) => listener.local_addr().expect("it is bound"),
            Socket::Udp(socket) => socket.local_addr().expect("it is bound"),
        }
    }

    /// Receives until it is stopped.
    pub(crate) async fn run(self, stop: Stop) {
        match self.socket {
            Socket::Tcp(listener, acceptor) => tcp::serve(listener, acceptor, Arc::new(self.receiver), stop).await,
            Socket::Udp(socket) => udp::serve(socket, self.receiver, stop).await,
        }
    }
}
