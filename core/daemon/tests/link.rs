//! Both sides of the link over real sockets on loopback: who gets in, and what bad input costs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use insitu_daemon::clock::ManualClock;
use insitu_daemon::credentials::{Credentials, KeyRequest};
use insitu_daemon::enroll::{self, EnrollError};
use insitu_daemon::identity::Identity;
use insitu_daemon::link::client::{self, CallError, Connector, Timeouts};
use insitu_daemon::link::server::Limits;
use insitu_protocol::bytes::Fixed;
use insitu_protocol::frame;
use insitu_protocol::ids;
use insitu_protocol::request::{self, Request};
use insitu_protocol::response::{Refusal, Response};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use support::{
    FACTS, Federation, POLL_PANICS, POLL_TAKES_300_MS, connect, connector, hasty, raw, serve,
    serve_as,
};

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, CallError>) -> Refusal {
    match result {
        Err(CallError::Refused { source }) => source,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn untrusted<T: std::fmt::Debug>(result: Result<T, CallError>) {
    assert!(matches!(result, Err(CallError::Untrusted { .. })), "{result:?}");
}

#[tokio::test]
async fn the_handler_sees_the_certificate_and_the_client_its_answers() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits::default());
    let agent = federation.agent("va-long-beach");
    let connector = connector(running.address, &agent, federation.clock.clone());
    let (link, answer) = connector.connect(FACTS).await.unwrap();
    assert_eq!(answer.now_unix_s, 1_772_323_200);

    let release = vec![3; 1 << 20];
    let receipt = link.submit(release.clone()).await.unwrap();
    assert_eq!((receipt.sequence, receipt.chain), (1 << 20, ids::digest(&release)));
    assert_eq!(link.poll(0).await.unwrap(), []);
    let (total_bytes, chunk) = link.fetch(Fixed([0; 32]), 256 * 1024).await.unwrap();
    assert_eq!((total_bytes, chunk.0.len()), (1 << 20, 256 * 1024));

    let seen = running.handler.seen.lock().unwrap();
    assert_eq!(seen.len(), 4);
    for peer in seen.iter() {
        assert_eq!(Identity::Agent(peer.identity.clone()), *agent.identity());
        assert_eq!(peer.serial, *agent.serial());
        assert_eq!(peer.not_after, agent.not_after());
    }
}

#[tokio::test]
async fn an_address_is_text_and_may_be_a_name() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits::default());
    let agent = federation.agent("a");
    let connect = async |address: String| {
        let clock = federation.clock.clone();
        let endpoint = support::endpoint();
        let connector = Connector::new(endpoint, address, &agent, clock, Timeouts::default());
        connector.unwrap().connect(FACTS).await.map(|_| ())
    };
    connect(format!("localhost:{}", running.address.port())).await.unwrap();
    let unknown = connect("coordinator.invalid:4433".to_owned()).await.unwrap_err();
    assert!(matches!(unknown, CallError::Unreachable { .. }) && unknown.is_transient());
}

#[tokio::test]
async fn another_authority_is_refused_on_both_sides() {
    let (federation, other) = (Federation::new("heart"), Federation::new("heart"));
    let running = serve(&federation, Limits::default());
    // The client does not take the server's certificate ...
    untrusted(connect(&running, &other.agent("a"), &federation).await);
    // ... and the server does not take the client's.
    let spliced = splice(&other.agent("a"), &federation.agent("a"));
    assert_eq!(refusal(connect(&running, &spliced, &federation).await), Refusal::NotMember);
    assert!(running.handler.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn another_federation_is_refused_even_under_the_same_authority() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits::default());
    let foreign = federation.sign("spiffe://lungs/site/a/agent/a1");
    // The client expects the coordinator of its own federation ...
    untrusted(connect(&running, &foreign, &federation).await);
    // ... and the server agents of its own.
    let connection = raw::member(&running, &foreign).await;
    let closed = connection.closed().await.to_string();
    assert!(closed.contains("not a member"), "{closed}");
    assert!(running.handler.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_agent_cannot_pose_as_the_coordinator_nor_the_coordinator_as_an_agent() {
    let federation = Federation::new("heart");
    let impostor = federation.agent("evil");
    let clock = federation.clock.clone();
    let running = serve_as(&federation, &impostor, Limits::default(), clock);
    untrusted(connect(&running, &federation.agent("a"), &federation).await);

    let running = serve(&federation, Limits::default());
    let coordinator = federation.authority.issue_server().unwrap();
    assert_eq!(refusal(connect(&running, &coordinator, &federation).await), Refusal::NotMember);
}

#[tokio::test]
async fn certificates_are_judged_by_each_side_s_clock() {
    let federation = Federation::new("heart");
    let agent = federation.agent("a");
    let later = |days: u64| {
        let clock = ManualClock::new(agent.not_before());
        clock.advance(Duration::from_hours(24 * days));
        Arc::new(clock)
    };
    let credentials = federation.authority.issue_server().unwrap();
    let running = serve_as(&federation, &credentials, Limits::default(), later(31));
    assert_eq!(refusal(connect(&running, &agent, &federation).await), Refusal::NotMember);

    let running = serve(&federation, Limits::default());
    untrusted(connector(running.address, &agent, later(91)).connect(FACTS).await);
}

#[tokio::test]
async fn without_a_certificate_nobody_asks() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits::default());
    let connection = raw::connect(running.address, None, Some(request::ALPN)).await.unwrap();
    let hello = frame::encode(&Request::Hello(FACTS)).unwrap();
    if let Ok((mut send, mut recv)) = connection.open_bi().await {
        drop(send.write_all(&hello).await);
        drop(send.finish());
        assert!(recv.read_to_end(1024).await.is_err());
    }
    connection.closed().await;
    assert!(running.handler.seen.lock().unwrap().is_empty());
    // Nor does another protocol help, or none.
    let agent = federation.agent("a");
    for protocol in [Some(&b"h3"[..]), None] {
        assert!(raw::connect(running.address, Some(&agent), protocol).await.is_err());
    }
}

#[tokio::test]
async fn revocation_and_expiry_reach_live_connections() {
    let federation = Federation::new("heart");
    let running = serve(&federation, hasty());
    let (first, second) = (federation.agent("a"), federation.agent("b"));
    let link = connect(&running, &first, &federation).await.unwrap();
    let other = connect(&running, &second, &federation).await.unwrap();

    running.handler.revoke(&first);
    timeout(Duration::from_secs(2), link.closed()).await.expect("the connection was closed");
    assert_eq!(refusal(link.poll(0).await), Refusal::NotMember);
    assert_eq!(refusal(connect(&running, &first, &federation).await), Refusal::NotMember);
    other.poll(0).await.expect("others go on");

    federation.clock.advance(Duration::from_hours(24 * 31));
    timeout(Duration::from_secs(2), other.closed()).await.expect("the connection was closed");
}

#[tokio::test]
async fn a_revoked_certificate_gets_no_answer_even_between_two_checks() {
    let federation = Federation::new("heart");
    let limits = Limits { recheck: Duration::from_hours(1), ..hasty() };
    let running = serve(&federation, limits);
    let agent = federation.agent("a");
    let link = connect(&running, &agent, &federation).await.unwrap();
    running.handler.revoke(&agent);
    assert_eq!(refusal(link.submit(vec![1; 64]).await), Refusal::NotMember);
    assert_eq!(running.handler.seen.lock().unwrap().len(), 1);
}

/// Bytes on a stream, and the refusal they earn.
async fn check_refused(bytes: &[u8], end: bool, expected: Refusal) {
    let federation = Federation::new("heart");
    let running = serve(&federation, hasty());
    let connection = raw::member(&running, &federation.agent("a")).await;
    let start = Instant::now();
    let answer = raw::send(&connection, bytes, end).await;
    assert_eq!(answer, Some(Response::Refused(expected)));
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(running.handler.seen.lock().unwrap().is_empty());
    // It cost that stream only.
    let hello = frame::encode(&Request::Hello(FACTS)).unwrap();
    let answer = raw::send(&connection, &hello, true).await;
    assert!(matches!(answer, Some(Response::Hello(_))), "{answer:?}");
}

#[tokio::test]
async fn oversized_requests_are_refused_by_their_announcement() {
    // A poll of 17 bytes where 16 are allowed; the 17 bytes never come.
    let refusal = Refusal::TooLong { got_bytes: 17, limit_bytes: 16 };
    check_refused(&[17, 0, 0, 0, 2], false, refusal).await;
    let got_bytes = u64::from(u32::MAX);
    let limit_bytes = request::RELEASE_BYTES_MAX as u64 + 16;
    let refusal = Refusal::TooLong { got_bytes, limit_bytes };
    check_refused(&[0xff, 0xff, 0xff, 0xff, 1], false, refusal).await;
}

#[tokio::test]
async fn unknown_kinds_are_refused_by_name() {
    check_refused(&[9, 0, 0, 0, 200], false, Refusal::UnknownKind { kind: 200 }).await;
}

#[tokio::test]
async fn truncated_requests_are_refused() {
    let hello = frame::encode(&Request::Hello(FACTS)).unwrap();
    for length in 0..hello.len() {
        check_refused(&hello[..length], true, Refusal::Malformed).await;
    }
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    check_refused(&[0, 0, 0, 0], true, Refusal::Malformed).await;
    let mut hello = frame::encode(&Request::Hello(FACTS)).unwrap();
    hello.push(0);
    check_refused(&hello, true, Refusal::Malformed).await;
    // An engine that does not exist.
    check_refused(&[9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 9], true, Refusal::Malformed).await;
}

/// What is slow may be good, and be sent again.
const TRY_AGAIN: Refusal = Refusal::Busy { retry_after_ms: 1_000 };

#[tokio::test]
async fn slow_requests_run_into_a_deadline() {
    let submit = frame::encode(&Request::Submit { release: vec_of(5000) }).unwrap();
    // From 1: a stream exists for the server from its first byte on.
    for length in [1, 4, 5, submit.len() - 1] {
        check_refused(&submit[..length], false, TRY_AGAIN).await;
    }
}

#[tokio::test]
async fn a_drip_does_not_extend_the_deadline() {
    let federation = Federation::new("heart");
    let running = serve(&federation, hasty());
    let connection = raw::member(&running, &federation.agent("a")).await;
    let (mut send, recv) = raw::open(&connection).await;
    let start = Instant::now();
    let mut drip = JoinSet::new();
    drip.spawn(async move {
        let mut sent = 0;
        // One byte each 20 ms: each read makes progress.
        while send.write_all(&[if sent < 4 { [64, 0, 0, 0][sent] } else { 0 }]).await.is_ok() {
            sent += 1;
            sleep(Duration::from_millis(20)).await;
        }
    });
    let answer = raw::answer(recv).await;
    assert_eq!(answer, Some(Response::Refused(TRY_AGAIN)));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    timeout(Duration::from_secs(1), drip.join_next()).await.expect("the server stopped the drip");
}

#[tokio::test]
async fn a_panic_costs_one_stream() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits::default());
    let link = connect(&running, &federation.agent("a"), &federation).await.unwrap();
    assert_eq!(refusal(link.poll(POLL_PANICS).await), Refusal::Failed);
    link.poll(0).await.unwrap();
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_cut() {
    let federation = Federation::new("heart");
    let limits = Limits { handle: Duration::from_millis(50), ..hasty() };
    let running = serve(&federation, limits);
    let link = connect(&running, &federation.agent("a"), &federation).await.unwrap();
    assert_eq!(refusal(link.poll(POLL_TAKES_300_MS).await), Refusal::Failed);
    link.poll(0).await.unwrap();
}

#[tokio::test]
async fn streams_connections_and_memory_are_bounded() {
    let federation = Federation::new("heart");
    let limits = Limits {
        streams_max: 2,
        connections_per_site_max: 1,
        buffer_bytes_max: 64 * 1024,
        ..hasty()
    };
    let running = serve(&federation, limits);
    let agent = federation.agent("a");
    let link = Arc::new(connect(&running, &agent, &federation).await.unwrap());
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        let link = Arc::clone(&link);
        calls.spawn(async move { link.poll(POLL_TAKES_300_MS).await.unwrap() });
    }
    calls.join_all().await;
    assert_eq!(running.handler.most_running.load(Ordering::SeqCst), 2);

    let busy = refusal(connect(&running, &agent, &federation).await);
    assert!(matches!(busy, Refusal::Busy { .. }) && busy.is_transient());
    connect(&running, &federation.agent("b"), &federation).await.expect("another site");

    link.submit(vec![0; 60 * 1024]).await.unwrap();
    assert!(matches!(refusal(link.submit(vec![0; 66 * 1024]).await), Refusal::Busy { .. }));

    link.close();
    let again = async || connect(&running, &agent, &federation).await.is_ok();
    timeout(Duration::from_secs(2), async { while !again().await {} }).await.expect("a free place");
}

#[tokio::test]
async fn who_announces_much_and_sends_nothing_takes_its_own_site_s_memory_alone() {
    let federation = Federation::new("heart");
    let limits = Limits {
        body: Duration::from_secs(60),
        buffer_bytes_max: 128 * 1024,
        site_buffer_bytes_max: 64 * 1024,
        ..hasty()
    };
    let running = serve(&federation, limits);
    let connection = raw::member(&running, &federation.agent("a")).await;
    let submit = frame::encode(&Request::Submit { release: vec_of(60 * 1024) }).unwrap();
    let (mut announced, mut answers) = (Vec::new(), JoinSet::new());
    for _ in 0..2 {
        let (mut send, recv) = raw::open(&connection).await;
        send.write_all(&submit[..5]).await.unwrap();
        announced.push(send);
        answers.spawn(raw::answer(recv));
    }
    // One of them waits for its body and the other finds no room, though half of all is free.
    let first = timeout(Duration::from_secs(30), answers.join_next()).await;
    assert_eq!(first.unwrap().unwrap().unwrap(), Some(Response::Refused(TRY_AGAIN)));
    let link = connect(&running, &federation.agent("b"), &federation).await.unwrap();
    link.submit(vec![0; 60 * 1024]).await.unwrap();
}

#[tokio::test]
async fn a_full_server_refuses_before_the_handshake() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits { connections_max: 1, ..hasty() });
    let _link = connect(&running, &federation.agent("a"), &federation).await.unwrap();
    let refused = connect(&running, &federation.agent("b"), &federation).await.unwrap_err();
    assert!(refused.is_transient(), "{refused:?}");
}

#[tokio::test]
async fn shutdown_lets_requests_finish_and_takes_no_new_ones() {
    let federation = Federation::new("heart");
    let mut running = serve(&federation, hasty());
    let agent = federation.agent("a");
    let link = Arc::new(connect(&running, &agent, &federation).await.unwrap());
    let mut call = JoinSet::new();
    let calling = Arc::clone(&link);
    call.spawn(async move { calling.poll(POLL_TAKES_300_MS).await });
    sleep(Duration::from_millis(100)).await;
    running.trigger.request();
    call.join_next().await.unwrap().unwrap().expect("what was in flight was answered");
    timeout(Duration::from_secs(2), running.tasks.join_next()).await.expect("the server ended");
    assert!(link.is_closed());
    let error = link.poll(0).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn nobody_there_is_transient() {
    let federation = Federation::new("heart");
    let agent = federation.agent("a");
    // Bound, and never answering.
    let silent = std::net::UdpSocket::bind(support::loopback()).unwrap();
    let endpoint = support::endpoint();
    let timeouts =
        Timeouts { connect: Duration::from_millis(200), call: Duration::from_millis(200) };
    let address = silent.local_addr().unwrap().to_string();
    let clock = federation.clock.clone();
    let connector = Connector::new(endpoint, address, &agent, clock, timeouts).unwrap();
    let error = connector.connect(FACTS).await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { .. }) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_token_makes_one_member() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits::default());
    let token = running.handler.token("va-long-beach");
    let join = async |token: &enroll::Token| {
        let address = running.address.to_string();
        let agent = "a7".parse().unwrap();
        let key = KeyRequest::generate().unwrap();
        let clock = federation.clock.clone();
        enroll::join(&support::endpoint(), &address, token, agent, key, clock).await
    };
    let member = join(&token).await.unwrap();
    assert_eq!(
        member.credentials.identity().to_string(),
        "spiffe://heart/site/va-long-beach/agent/a7"
    );
    assert_eq!(member.bundle_key, Fixed([9; 32]));
    connect(&running, &member.credentials, &federation).await.unwrap();

    let again = join(&token).await.unwrap_err();
    let EnrollError::Call { source } = again else { panic!("{again:?}") };
    assert_eq!(refusal::<()>(Err(source)), Refusal::Token);
    assert_eq!(running.handler.redeemed.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_secret_goes_to_the_pinned_authority_only() {
    let (federation, other) = (Federation::new("heart"), Federation::new("heart"));
    let (real, false_one) = (serve(&federation, hasty()), serve(&other, hasty()));
    let token = real.handler.token("a");
    let address = false_one.address.to_string();
    let agent = "a1".parse().unwrap();
    let clock = federation.clock.clone();
    let key = KeyRequest::generate().unwrap();
    let joined = enroll::join(&support::endpoint(), &address, &token, agent, key, clock).await;
    let Err(EnrollError::Call { source }) = joined else { panic!("{joined:?}") };
    untrusted::<()>(Err(source));
    assert_eq!(false_one.handler.redeemed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn renewal_replaces_key_and_certificate_together() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits::default());
    let path = federation.folder.path().join("credentials.pem");
    let old = federation.agent("a");
    old.store(&path).unwrap();
    let link = connect(&running, &old, &federation).await.unwrap();
    federation.clock.advance(Duration::from_hours(24 * 20));
    let new = client::renew(&link, &old, &path, &*federation.clock).await.unwrap();
    assert_eq!(new.identity(), old.identity());
    assert_ne!(new.serial(), old.serial());
    assert!(new.not_after() > old.not_after());

    federation.clock.advance(Duration::from_hours(24 * 15));
    let loaded = Credentials::load(&path).unwrap();
    assert_eq!(loaded.serial(), new.serial());
    connect(&running, &loaded, &federation).await.unwrap();
    assert_eq!(refusal(connect(&running, &old, &federation).await), Refusal::NotMember);
}

#[tokio::test]
async fn the_coordinator_renews_its_own_certificate_while_it_serves() {
    let federation = Federation::new("heart");
    let running = serve(&federation, Limits::default());
    federation.clock.advance(Duration::from_hours(24 * 91));
    let agent = federation.agent("a");
    untrusted(connect(&running, &agent, &federation).await);
    let renewed = federation.authority.issue_server().unwrap();
    running.server.use_credentials(&renewed).unwrap();
    connect(&running, &agent, &federation).await.unwrap();
}

fn vec_of(length: usize) -> insitu_protocol::bytes::Bytes {
    insitu_protocol::bytes::Bytes(vec![0; length])
}

/// Credentials with one's certificate and key and the other's authority, as an attacker has them.
fn splice(own: &Credentials, trusted: &Credentials) -> Credentials {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.pem");
    let read = |credentials: &Credentials| {
        credentials.store(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        text.split_inclusive("-----\n").map(str::to_owned).collect::<Vec<_>>()
    };
    let (mut own, trusted) = (read(own), read(trusted));
    // Begin and end of: certificate, authority, key.
    own[2..4].clone_from_slice(&trusted[2..4]);
    std::fs::write(&path, own.concat()).unwrap();
    Credentials::load(&path).unwrap()
}
