//! A TCP proxy between a node and its coordinator that imitates bad networks.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the network does to connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weather {
    /// Carries everything normally.
    Fair,
    /// Delays everything by this much, in each direction.
    Slow(Duration),
    /// Holds back what the node sends until the weather changes; the other direction works.
    NodeUnheard,
    /// Holds back what the coordinator sends until the weather changes; the other direction works.
    NodeDeaf,
    /// Drops everything permanently without closing connections, as if a machine in between had
    /// lost its state.
    HalfOpen,
    /// Closes all connections and accepts no new ones.
    Cut,
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    FromNode,
    ToNode,
}

/// A proxy between one node and the coordinator. It ends when the value is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    weather: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug)]
struct Now {
    weather: Weather,
    /// Set when the owner of this value is dropped.
    over: bool,
    connections: Vec<Arc<Connection>>,
}

#[derive(Debug)]
struct Connection {
    node: TcpStream,
    coordinator: TcpStream,
    /// Whether the connection has been through [`Weather::HalfOpen`].
    dead: Mutex<bool>,
}

impl Connection {
    fn is_dead(&self) -> bool {
        *self.dead.lock().unwrap()
    }

    fn close(&self) {
        // Either end may have closed the connection already.
        drop(self.node.shutdown(Shutdown::Both));
        drop(self.coordinator.shutdown(Shutdown::Both));
    }
}

impl Proxy {
    /// Listens on a free port of an address, for connections to `upstream`.
    pub fn start(listen: IpAddr, upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((listen, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let now = Now { weather: Weather::Fair, over: false, connections: Vec::new() };
        let shared =
            Arc::new(Shared { upstream, weather: Mutex::new(now), changed: Condvar::new() });
        let accepting = std::thread::spawn({
            let shared = shared.clone();
            move || shared.accept(&listener)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens to all connections, existing and new.
    pub fn set(&self, weather: Weather) {
        let mut now = self.shared.weather.lock().unwrap();
        now.weather = weather;
        match weather {
            Weather::Cut => now.connections.drain(..).for_each(|connection| connection.close()),
            Weather::HalfOpen => {
                now.connections.iter().for_each(|connection| {
                    *connection.dead.lock().unwrap() = true;
                });
            }
            _ => {}
        }
        drop(now);
        self.shared.changed.notify_all();
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.shared.weather.lock().unwrap().connections.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.weather.lock().unwrap().over = true;
        self.set(Weather::Cut);
        // Wakes up the listener.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

impl Shared {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for node in listener.incoming() {
            if self.weather.lock().unwrap().over {
                return;
            }
            let Ok(node) = node else { continue };
            if self.weather.lock().unwrap().weather == Weather::Cut {
                continue;
            }
            // The node sees a closed connection if the coordinator is not running.
            let Ok(coordinator) = TcpStream::connect(self.upstream) else { continue };
            drop(node.set_nodelay(true));
            drop(coordinator.set_nodelay(true));
            let mut now = self.weather.lock().unwrap();
            let dead = Mutex::new(now.weather == Weather::HalfOpen);
            let connection = Arc::new(Connection { node, coordinator, dead });
            now.connections.push(connection.clone());
            drop(now);
            for direction in [Direction::FromNode, Direction::ToNode] {
                let (shared, connection) = (self.clone(), connection.clone());
                std::thread::spawn(move || shared.carry(&connection, direction));
            }
        }
    }

    /// Carries bytes in one direction until either end closes.
    fn carry(&self, connection: &Arc<Connection>, direction: Direction) {
        let (mut from, mut to) = match direction {
            Direction::FromNode => (&connection.node, &connection.coordinator),
            Direction::ToNode => (&connection.coordinator, &connection.node),
        };
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            self.wait_until_carried(direction, connection);
            if connection.is_dead() {
                continue;
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        // On a dead connection, nobody learns that the other end has gone.
        if !connection.is_dead() {
            connection.close();
        }
        let mut now = self.weather.lock().unwrap();
        now.connections.retain(|other| !Arc::ptr_eq(other, connection));
    }

    fn wait_until_carried(&self, direction: Direction, connection: &Connection) {
        let arrived = Instant::now();
        let mut now = self.weather.lock().unwrap();
        loop {
            if now.over || connection.is_dead() {
                return;
            }
            let patience = match (now.weather, direction) {
                (Weather::Slow(delay), _) => delay.saturating_sub(arrived.elapsed()),
                (Weather::NodeUnheard, Direction::FromNode)
                | (Weather::NodeDeaf, Direction::ToNode) => Duration::from_secs(3600),
                _ => Duration::ZERO,
            };
            if patience.is_zero() {
                return;
            }
            now = self.changed.wait_timeout(now, patience).unwrap().0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a proxy in front of an echo server.
    fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start([127, 0, 0, 1].into(), listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
        let stream = TcpStream::connect(proxy.address()).unwrap();
        (proxy, stream)
    }

    fn answers(stream: &mut TcpStream, byte: u8) -> bool {
        let mut answer = [0];
        stream.write_all(&[byte]).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == [byte]
    }

    #[test]
    fn what_was_held_back_arrives_when_the_weather_is_fair_again() {
        for weather in [Weather::NodeUnheard, Weather::NodeDeaf, Weather::Slow(Duration::MAX)] {
            let (proxy, mut stream) = echo();
            assert!(answers(&mut stream, 1));
            proxy.set(weather);
            stream.write_all(&[2]).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let mut answer = [0];
            assert!(stream.read_exact(&mut answer).is_err(), "{weather:?}");
            proxy.set(Weather::Fair);
            stream.set_read_timeout(None).unwrap();
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [2]);
        }
    }

    #[test]
    fn a_half_open_connection_stays_dead_and_a_new_one_works() {
        let (proxy, mut stream) = echo();
        assert!(answers(&mut stream, 1));
        proxy.set(Weather::HalfOpen);
        proxy.set(Weather::Fair);
        stream.write_all(&[2]).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(stream.read_exact(&mut [0]).is_err());
        assert!(answers(&mut TcpStream::connect(proxy.address()).unwrap(), 3));
    }

    #[test]
    fn a_cut_closes_connections_and_accepts_none() {
        let (proxy, mut stream) = echo();
        assert!(answers(&mut stream, 1));
        proxy.set(Weather::Cut);
        assert!(!answers(&mut stream, 2));
        assert!(!answers(&mut TcpStream::connect(proxy.address()).unwrap(), 3));
        proxy.set(Weather::Fair);
        assert!(answers(&mut TcpStream::connect(proxy.address()).unwrap(), 4));
    }
}
