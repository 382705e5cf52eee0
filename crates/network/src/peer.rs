//! The other end of a connection to the hub, and the number of connections of each account.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::ivn::{AccountName, IvnId};
use crate::origin::Origin;
use crate::socket_limit::Socket;

/// The authenticated other end of a connection: an extension of every request that the hub passes
/// on.
///
/// Only this value states the origin of a request; a request's own statements about it must not be
/// believed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    pub(crate) ivn: IvnId,
    pub(crate) account: Option<AccountName>,
    pub(crate) identity: Option<[u8; 32]>,
    pub(crate) address: SocketAddr,
}

impl Peer {
    /// The IVN whose hub was dialled, and whose authority issued the certificate if there is one.
    pub fn ivn(&self) -> IvnId {
        self.ivn
    }

    /// The account of the certificate; `None` for a connection without one, which can only join.
    pub fn account(&self) -> Option<&AccountName> {
        self.account.as_ref()
    }

    /// The account's identity key when the certificate was issued; `None` without one. The routes
    /// check whether the account still has that key.
    pub fn identity(&self) -> Option<&[u8; 32]> {
        self.identity.as_ref()
    }

    /// The address of the other end, for logs.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The holder of a connection.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Holder {
    Account(AccountName),
    /// Someone without a certificate, who can only join.
    Joining(Origin),
}

/// The open connections of one IVN, by holder.
#[derive(Debug)]
pub(crate) struct Connections {
    stopping: CancellationToken,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    by_holder: HashMap<Holder, Held>,
    joining: usize,
}

#[derive(Debug)]
struct Held {
    open: usize,
    sever: CancellationToken,
}

/// How many connections an IVN allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    pub(crate) per_account: usize,
    /// Without a certificate, from one origin.
    pub(crate) joining_per_origin: usize,
    /// Without a certificate, in total.
    pub(crate) joining: usize,
}

/// The limit that a connection would exceed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exceeded {
    PerAccount(usize),
    JoiningPerOrigin(usize),
    Joining(usize),
}

impl Connections {
    pub(crate) fn new(stopping: CancellationToken) -> Self {
        Self { stopping, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection in, if that exceeds no limit.
    pub(crate) fn enter(
        self: &Arc<Self>,
        holder: Holder,
        limits: ConnectionLimits,
    ) -> Result<Admission, Exceeded> {
        let mut open = self.open();
        let held = open.by_holder.get(&holder).map_or(0, |held| held.open);
        match holder {
            Holder::Account(_) if held >= limits.per_account => {
                return Err(Exceeded::PerAccount(limits.per_account));
            }
            Holder::Joining(_) if held >= limits.joining_per_origin => {
                return Err(Exceeded::JoiningPerOrigin(limits.joining_per_origin));
            }
            Holder::Joining(_) if open.joining >= limits.joining => {
                return Err(Exceeded::Joining(limits.joining));
            }
            Holder::Joining(_) => open.joining += 1,
            Holder::Account(_) => {}
        }
        let new = || Held { open: 0, sever: self.stopping.child_token() };
        let entry = open.by_holder.entry(holder.clone()).or_insert_with(new);
        entry.open += 1;
        let severed = entry.sever.clone();
        Ok(Admission { connections: self.clone(), holder, severed })
    }

    /// Severs the connections of an account, and returns their number. New ones are not affected.
    pub(crate) fn sever(&self, account: &AccountName) -> usize {
        let mut open = self.open();
        let Some(held) = open.by_holder.get_mut(&Holder::Account(account.clone())) else {
            return 0;
        };
        held.sever.cancel();
        held.sever = self.stopping.child_token();
        held.open
    }

    /// Severs the connections that an account has now, and no later ones; `None` if it has no
    /// connections.
    pub(crate) fn take_sever(&self, account: &AccountName) -> Option<CancellationToken> {
        let mut open = self.open();
        let held = open.by_holder.get_mut(&Holder::Account(account.clone()))?;
        Some(std::mem::replace(&mut held.sever, self.stopping.child_token()))
    }

    pub(crate) fn sever_all(&self) {
        for entry in self.open().by_holder.values_mut() {
            entry.sever.cancel();
            entry.sever = self.stopping.child_token();
        }
    }
}

/// A connection that was counted in; dropping it counts it out.
#[derive(Debug)]
pub(crate) struct Admission {
    connections: Arc<Connections>,
    holder: Holder,
    severed: CancellationToken,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if matches!(self.holder, Holder::Joining(_)) {
            open.joining = open.joining.saturating_sub(1);
        }
        if let Some(held) = open.by_holder.get_mut(&self.holder) {
            held.open = held.open.saturating_sub(1);
            if held.open == 0 {
                open.by_holder.remove(&self.holder);
            }
        }
    }
}

/// A connection's bytes, until it is severed, or its peer takes none of them for too long. Stays
/// counted as long as anyone holds it, also as a WebSocket.
pub(crate) struct Severable<S> {
    stream: S,
    severed: Pin<Box<WaitForCancellationFutureOwned>>,
    admission: Admission,
    _socket: Socket,
    write_timeout: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Severable<S> {
    pub(crate) fn new(
        stream: S,
        admission: Admission,
        socket: Socket,
        write_timeout: Duration,
    ) -> Self {
        let severed = Box::pin(admission.severed.clone().cancelled_owned());
        Self { stream, severed, admission, _socket: socket, write_timeout, stalled: None }
    }

    fn check(&self) -> io::Result<()> {
        if self.admission.severed.is_cancelled() { Err(severed()) } else { Ok(()) }
    }

    /// Fails a write that has been pending for too long.
    fn limit_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stalled = None;
            return write;
        }
        let timeout = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        match stalled.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Severable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Every connection has a waiting reader, so waking readers is enough.
        if self.severed.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(severed()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Severable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let write = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.limit_stall(context, write)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        let flush = Pin::new(&mut self.stream).poll_flush(context);
        self.limit_stall(context, flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.limit_stall(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

fn severed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the hub ended the connection")
}
