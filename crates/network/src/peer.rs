//! The other end of a connection to the hub, and the number of connections of each account.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::ivn::{AccountName, IvnId};

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

/// The open connections of one IVN, by account.
#[derive(Debug)]
pub(crate) struct Connections {
    stopping: CancellationToken,
    by_account: Mutex<HashMap<Option<AccountName>, Account>>,
}

#[derive(Debug)]
struct Account {
    open: usize,
    sever: CancellationToken,
}

impl Connections {
    pub(crate) fn new(stopping: CancellationToken) -> Self {
        Self { stopping, by_account: Mutex::default() }
    }

    /// Counts a connection in, if its account then has at most `limit`.
    pub(crate) fn enter(
        self: &Arc<Self>,
        account: Option<&AccountName>,
        limit: usize,
    ) -> Option<Admission> {
        let mut by_account = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = by_account
            .entry(account.cloned())
            .or_insert_with(|| Account { open: 0, sever: self.stopping.child_token() });
        if entry.open >= limit {
            return None;
        }
        entry.open += 1;
        Some(Admission {
            connections: self.clone(),
            account: account.cloned(),
            severed: entry.sever.clone(),
        })
    }

    /// Severs the connections of an account, and returns their number. New ones are not affected.
    pub(crate) fn sever(&self, account: &AccountName) -> usize {
        let mut by_account = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = by_account.get_mut(&Some(account.clone())) else { return 0 };
        entry.sever.cancel();
        entry.sever = self.stopping.child_token();
        entry.open
    }

    /// Severs the connections that an account has now, and no later ones; `None` if it has no
    /// connections.
    pub(crate) fn take_sever(&self, account: &AccountName) -> Option<CancellationToken> {
        let mut by_account = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = by_account.get_mut(&Some(account.clone()))?;
        Some(std::mem::replace(&mut entry.sever, self.stopping.child_token()))
    }

    pub(crate) fn sever_all(&self) {
        let mut by_account = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in by_account.values_mut() {
            entry.sever.cancel();
            entry.sever = self.stopping.child_token();
        }
    }
}

/// A connection that was counted in; dropping it counts it out.
#[derive(Debug)]
pub(crate) struct Admission {
    connections: Arc<Connections>,
    account: Option<AccountName>,
    severed: CancellationToken,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut by_account =
            self.connections.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = by_account.get_mut(&self.account) {
            entry.open = entry.open.saturating_sub(1);
            if entry.open == 0 {
                by_account.remove(&self.account);
            }
        }
    }
}

/// A connection's bytes, until it is severed. Stays counted as long as anyone holds it, also as a
/// WebSocket.
pub(crate) struct Severable<S> {
    stream: S,
    severed: Pin<Box<WaitForCancellationFutureOwned>>,
    admission: Admission,
}

impl<S> Severable<S> {
    pub(crate) fn new(stream: S, admission: Admission) -> Self {
        let severed = Box::pin(admission.severed.clone().cancelled_owned());
        Self { stream, severed, admission }
    }

    fn check(&self) -> io::Result<()> {
        if self.admission.severed.is_cancelled() { Err(severed()) } else { Ok(()) }
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
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
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
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

fn severed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the hub ended the connection")
}
