//! The port of a server, before anybody listens on it.

use std::{fmt, io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// As many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A port that is ours, and still closed: its number is known (the development cookie is named
/// after it), nobody else is given it, and whoever opens it says so.
pub struct Door {
    address: SocketAddr,
    socket: Option<TcpSocket>,
    told: Box<dyn FnOnce() + Send>,
}

impl Door {
    /// Takes the port; port 0 is any free one.
    ///
    /// # Errors
    /// Somebody listens there, or the address is not this machine's.
    pub fn reserve(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // A restarted server must not wait for the connections of the one before.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { address: socket.local_addr()?, socket: Some(socket), told: Box::new(|| ()) })
    }

    /// Has `tell` called once the door is open: whoever connects then is served.
    pub fn when_open(self, tell: impl FnOnce() + Send + 'static) -> Self {
        Self { told: Box::new(tell), ..self }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens it.
    ///
    /// # Errors
    /// Another process has opened this very port meanwhile.
    pub fn listen(self) -> io::Result<TcpListener> {
        let listener = match self.socket {
            Some(socket) => socket.listen(BACKLOG)?,
            None => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        (self.told)();
        Ok(listener)
    }

    /// For a server that binds by itself, as Rocket's does: the address that it is to bind. Call
    /// [`opened`](Self::opened) when it has.
    ///
    /// On Linux the port stays reserved meanwhile: two sockets may be bound to one address as long
    /// as none of them listens, and no third program is given it. Elsewhere it is let go here.
    pub fn address_to_bind(&mut self) -> SocketAddr {
        if !cfg!(target_os = "linux") {
            self.socket = None;
        }
        self.address
    }

    /// The server listens.
    pub fn opened(self) {
        (self.told)();
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[tokio::test]
    async fn an_open_door_is_nobody_elses() {
        let listener = Door::reserve(loopback()).unwrap().listen().unwrap();
        let error = Door::reserve(listener.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_server_that_binds_by_itself_finds_the_port_free() {
        let (tell, told) = std::sync::mpsc::channel();
        let mut door = Door::reserve(loopback()).unwrap().when_open(move || tell.send(()).unwrap());
        let listener = TcpListener::bind(door.address_to_bind()).await.unwrap();
        assert!(told.try_recv().is_err(), "not open yet");
        door.opened();
        told.try_recv().unwrap();
        assert_ne!(listener.local_addr().unwrap().port(), 0);
    }
}
