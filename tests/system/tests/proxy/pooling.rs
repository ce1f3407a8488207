//! A pool in transaction mode between stores and their PostgreSQL server, as `PgBouncer` is one, and less
//! kind: each transaction of a client goes over another connection of the server than the one before
//! it, over one that another client, of another process, has set up and used. Clients sign in over a
//! connection of their own, which is the pool's from then on. Until it is told to move, it is a pool in
//! session mode.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};

use crate::proxy::role;

pub(crate) struct Pooling {
    port: u16,
    pool: Arc<Pool>,
    task: JoinHandle<()>,
}

/// The server's connections that no transaction has; whoever gave one back last gets another.
struct Pool {
    server_port: u16,
    pooled: &'static [&'static str],
    free: Mutex<VecDeque<Server>>,
    count: Semaphore,
    opened: AtomicUsize,
    moves: AtomicBool,
    moved: AtomicUsize,
}

struct Server {
    number: usize,
    stream: TcpStream,
}

impl Pooling {
    /// In front of a server of this machine, for connections of these roles; others have one of the
    /// server's for themselves.
    pub(crate) async fn to(server_port: u16, pooled: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pool = Arc::new(Pool {
            server_port,
            pooled,
            free: Mutex::default(),
            count: Semaphore::new(0),
            opened: AtomicUsize::default(),
            moves: AtomicBool::default(),
            moved: AtomicUsize::default(),
        });
        let ours = pool.clone();
        let task = tokio::spawn(async move {
            // Ended with this task.
            let mut clients = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let pool = ours.clone();
                // A client that goes, or a server that does, is an error, and its end.
                clients.spawn(async move { drop(pool.serve(client).await) });
            }
        });
        Self { port, pool, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Transaction mode, from now on.
    pub(crate) fn move_them(&self) {
        self.pool.moves.store(true, Ordering::SeqCst);
    }

    /// How many transactions went over another connection than the one before it.
    pub(crate) fn moved(&self) -> usize {
        self.pool.moved.load(Ordering::SeqCst)
    }
}

impl Drop for Pooling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pool {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let startup = read_startup(&mut client).await?;
        let mut stream = TcpStream::connect(("127.0.0.1", self.server_port)).await?;
        let _ = (client.set_nodelay(true), stream.set_nodelay(true));
        stream.write_all(&startup).await?;
        if !role(&startup).is_some_and(|role| self.pooled.contains(&role.as_str())) {
            tokio::io::copy_bidirectional(&mut client, &mut stream).await?;
            return Ok(());
        }
        sign_in(&mut client, &mut stream).await?;
        let mut last = self.opened.fetch_add(1, Ordering::SeqCst);
        self.give(Server { number: last, stream });
        loop {
            let asked = read_batch(&mut client).await;
            let mut server = self.take(last).await;
            // There is one for each client; the one that is taken for one who left is closed.
            let mut asked = asked?;
            self.moved.fetch_add(usize::from(server.number != last), Ordering::SeqCst);
            last = server.number;
            // One that fails half way is not given back.
            loop {
                server.stream.write_all(&asked).await?;
                if relay_answer(&mut server.stream, &mut client).await? == IDLE {
                    break;
                }
                asked = read_batch(&mut client).await?;
            }
            self.give(server);
        }
    }

    fn give(&self, server: Server) {
        self.free.lock().unwrap().push_back(server);
        self.count.add_permits(1);
    }

    async fn take(&self, last: usize) -> Server {
        self.count.acquire().await.unwrap().forget();
        let mut free = self.free.lock().unwrap();
        let moves = self.moves.load(Ordering::SeqCst);
        let wanted = free.iter().position(|server| (server.number != last) == moves);
        free.remove(wanted.unwrap_or(0)).unwrap()
    }
}

/// What `ReadyForQuery` says outside of a transaction.
const IDLE: u8 = b'I';

/// Requests of a password in the clear, by MD5, and both steps of SCRAM.
const ASKS: &[u8] = &[3, 5, 10, 11];

/// Everything until the server is ready, in both directions.
async fn sign_in(client: &mut TcpStream, server: &mut TcpStream) -> io::Result<()> {
    loop {
        let message = read_message(server).await?;
        client.write_all(&message).await?;
        match message[0] {
            b'Z' => return Ok(()),
            b'R' if ASKS.contains(&message[8]) => {
                let answer = read_message(client).await?;
                server.write_all(&answer).await?;
            }
            _ => {}
        }
    }
}

/// What a client sends until it waits for an answer.
async fn read_batch(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut batch = Vec::new();
    loop {
        let message = read_message(client).await?;
        batch.extend_from_slice(&message);
        match message[0] {
            // Sync, Query.
            b'S' | b'Q' => return Ok(batch),
            b'X' => return Err(io::ErrorKind::ConnectionAborted.into()),
            _ => {}
        }
    }
}

/// Until the server is ready again; in what state.
async fn relay_answer(server: &mut TcpStream, client: &mut TcpStream) -> io::Result<u8> {
    loop {
        let message = read_message(server).await?;
        client.write_all(&message).await?;
        if message[0] == b'Z' {
            return Ok(message[5]);
        }
    }
}

/// A message with its tag and its length.
async fn read_message(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let tag = from.read_u8().await?;
    let mut message = vec![tag];
    read_rest(from, &mut message).await?;
    Ok(message)
}

/// The first message, which has no tag.
async fn read_startup(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    read_rest(client, &mut message).await?;
    Ok(message)
}

async fn read_rest(from: &mut TcpStream, message: &mut Vec<u8>) -> io::Result<()> {
    let length = from.read_u32().await?;
    let begin = message.len();
    message.extend_from_slice(&length.to_be_bytes());
    message.resize(begin + length as usize, 0);
    from.read_exact(&mut message[begin + 4..]).await?;
    Ok(())
}
