//! A UDP network in memory, for quinn endpoints on a paused tokio clock.
//!
//! Datagrams are delayed, lost, duplicated and reordered by a seeded generator, and time is tokio's:
//! on a current-thread runtime started with `start_paused(true)`, an hour of a bad network passes in
//! milliseconds, and two runs of one seed see the same datagrams at the same times
//! ([`Network::trace`]). Use Ed25519 certificates: ECDSA signatures vary in length, and with them
//! the datagrams.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, TokioRuntime, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

/// Longest datagram that passes, in bytes: Ethernet's frame less the IPv6 and UDP headers.
pub const DATAGRAM_BYTES_MAX: usize = 1452;
/// Datagrams that may be under way to one socket; what comes on top is lost, as in a full router.
pub const QUEUE_MAX: usize = 4096;

/// How bad the network is, in each direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions {
    /// Time from one end to the other.
    pub delay: Duration,
    /// Up to so much more, evenly: datagrams overtake one another.
    pub jitter: Duration,
    /// Datagrams lost of 1000.
    pub lost_per_mille: u64,
    /// Datagrams that arrive twice of 1000.
    pub doubled_per_mille: u64,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Datagrams sent.
    pub sent: u64,
    /// Of these, how many were lost: by chance, on a cut line, too long, or to nobody.
    pub lost: u64,
    /// A hash of all datagrams' times, ends, lengths and fates.
    pub hash: u64,
}

/// A network. Clones are the same network.
#[derive(Clone, Debug)]
pub struct Network {
    state: Arc<Mutex<State>>,
}

impl Network {
    /// An empty network; `seed` decides what happens to each datagram.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        let state = State {
            conditions,
            random: Random(seed),
            start: Instant::now(),
            sockets: BTreeMap::new(),
            cut: BTreeSet::new(),
            sent: 0,
            trace: Trace::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A quinn endpoint at `address`, for dialing and (once it has a server's configuration) for
    /// listening. A new endpoint takes the place of an old one at the same address.
    ///
    /// # Errors
    /// When quinn refuses, or no tokio runtime is there.
    pub fn endpoint(&self, address: SocketAddr) -> io::Result<Endpoint> {
        self.endpoint_with(EndpointConfig::default(), address)
    }

    /// [`Network::endpoint`] with settings of its own.
    ///
    /// # Errors
    /// As there.
    pub fn endpoint_with(
        &self,
        mut config: EndpointConfig,
        address: SocketAddr,
    ) -> io::Result<Endpoint> {
        let mut seed = [0; 32];
        let mut state = self.lock();
        for bytes in seed.as_chunks_mut::<8>().0 {
            *bytes = state.random.next().to_le_bytes();
        }
        state.sockets.insert(address, Inbox::default());
        drop(state);
        config.rng_seed(Some(seed));
        let network = self.clone();
        let timer = Mutex::new(Box::pin(sleep_until(Instant::now())));
        let socket = Arc::new(Socket { network, address, timer });
        Endpoint::new_with_abstract_socket(config, None, socket, Arc::new(TokioRuntime))
    }

    /// Changes the conditions for what is sent from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.lock().conditions = conditions;
    }

    /// Loses all that is sent from or to `host`, until [`Network::heal`].
    pub fn cut(&self, host: IpAddr) {
        self.lock().cut.insert(host);
    }

    /// Undoes [`Network::cut`].
    pub fn heal(&self, host: IpAddr) {
        self.lock().cut.remove(&host);
    }

    /// What happened so far.
    pub fn trace(&self) -> Trace {
        self.lock().trace
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    conditions: Conditions,
    random: Random,
    start: Instant,
    sockets: BTreeMap<SocketAddr, Inbox>,
    cut: BTreeSet<IpAddr>,
    sent: u64,
    trace: Trace,
}

/// What is under way to one socket, soonest first; of one time, first sent first.
#[derive(Debug, Default)]
struct Inbox {
    datagrams: BinaryHeap<Reverse<Datagram>>,
    waiting: Option<Waker>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    due: Instant,
    number: u64,
    from: SocketAddr,
    bytes: Vec<u8>,
}

impl State {
    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        // Drawn whatever happens, so that one datagram's fate does not depend on another's.
        let (lost, doubled) = (self.random.per_mille(), self.random.per_mille());
        let cut = self.cut.contains(&from.ip()) || self.cut.contains(&to.ip());
        let passes = lost >= self.conditions.lost_per_mille
            && !cut
            && bytes.len() <= DATAGRAM_BYTES_MAX
            && self.sockets.get(&to).is_some_and(|inbox| inbox.datagrams.len() < QUEUE_MAX);
        let copies = match (passes, doubled < self.conditions.doubled_per_mille) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        self.note(from, to, bytes.len(), copies);
        for _ in 0..copies {
            let due = Instant::now() + self.conditions.delay + self.jitter();
            self.sent += 1;
            let datagram = Datagram { due, number: self.sent, from, bytes: bytes.to_vec() };
            if let Some(inbox) = self.sockets.get_mut(&to) {
                inbox.datagrams.push(Reverse(datagram));
                if let Some(waker) = inbox.waiting.take() {
                    waker.wake();
                }
            }
        }
    }

    /// Whole microseconds: tokio's timers tick in milliseconds, and finer steps would not be seen.
    fn jitter(&mut self) -> Duration {
        let micros = u64::try_from(self.conditions.jitter.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.next() % micros.saturating_add(1).max(1))
    }

    fn note(&mut self, from: SocketAddr, to: SocketAddr, length: usize, copies: u64) {
        let time = self.start.elapsed().as_nanos();
        self.trace.sent += 1;
        self.trace.lost += u64::from(copies == 0);
        for byte in format!("{time} {from} {to} {length} {copies};").bytes() {
            // FNV-1a.
            self.trace.hash = (self.trace.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn per_mille(&mut self) -> u64 {
        self.next() % 1000
    }
}

/// One socket of the network, as quinn wants it.
struct Socket {
    network: Network,
    address: SocketAddr,
    /// Wakes the reader when the next datagram is due.
    timer: Mutex<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.address)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let length = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let mut state = self.network.lock();
        for bytes in transmit.contents.chunks(length) {
            state.send(self.address, transmit.destination, bytes);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut state = self.network.lock();
            let inbox = state.sockets.entry(self.address).or_default();
            let mut received = 0;
            for (buffer, meta) in buffers.iter_mut().zip(metas.iter_mut()) {
                let Some(datagram) = inbox.next_due() else { break };
                let length = datagram.bytes.len().min(buffer.len());
                buffer[..length].copy_from_slice(&datagram.bytes[..length]);
                *meta = RecvMeta::default();
                meta.addr = datagram.from;
                meta.len = length;
                meta.stride = length;
                received += 1;
            }
            if received > 0 {
                return Poll::Ready(Ok(received));
            }
            inbox.waiting = Some(context.waker().clone());
            let Some(Reverse(next)) = inbox.datagrams.peek() else {
                return Poll::Pending;
            };
            let due = next.due;
            drop(state);
            let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
            timer.as_mut().reset(due);
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl Inbox {
    fn next_due(&mut self) -> Option<Datagram> {
        let Reverse(next) = self.datagrams.peek()?;
        if next.due > Instant::now() {
            return None;
        }
        self.datagrams.pop().map(|Reverse(datagram)| datagram)
    }
}

/// A full queue loses datagrams; it does not make the sender wait.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
