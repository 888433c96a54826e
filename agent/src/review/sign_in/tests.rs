use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use super::*;
use crate::account::set_password;
use crate::config::SignInTimes;
use crate::review::http::router;
use crate::store::labels::Role;
use crate::testing::{self, Served};

const PASSWORD: &str = "correct horse battery";

/// A local API with `ada` and `bob`, who have passwords.
struct Site {
    served: Served,
    _folder: tempfile::TempDir,
}

/// What the API answered.
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Site {
    async fn start(secure: bool) -> Self {
        let scratch = crate::store::tests::scratch();
        let store = Arc::new(scratch.store);
        for name in ["ada", "bob"] {
            testing::person(&store, name, Role::Annotator);
            set_password(&store, name, PASSWORD, 0).unwrap();
        }
        let accounts = Accounts::new(SignInTimes::default());
        let desk = Desk {
            doors: Arc::new(Doors { accounts, gate: None, secure }),
            ..testing::desk(store)
        };
        let served = Served::start(router(desk)).await;
        Self { served, _folder: scratch.folder }
    }

    fn own(&self) -> String {
        format!("Origin: http://{}", self.served.address())
    }

    async fn ask(&self, line: &str, headers: &[&str], body: Value) -> Answer {
        let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
        let (address, line) = (self.served.address(), line.to_owned());
        tokio::task::spawn_blocking(move || ask(address, &line, &headers, &body)).await.unwrap()
    }

    /// Signs in, and gives the cookie and what pages show.
    async fn enter(&self, name: &str) -> (String, String) {
        let body = json!({"name": name, "password": PASSWORD});
        let answer = self.ask("POST /api/sign-in", &[&self.own()], body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        (answer.cookie(), format!("X-Insitu-Page: {}", answer.body["page"].as_str().unwrap()))
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The cookie as a browser sends it back.
    fn cookie(&self) -> String {
        let set = self.header("set-cookie").unwrap();
        format!("Cookie: {}", set.split(';').next().unwrap())
    }
}

fn ask(address: SocketAddr, line: &str, headers: &[String], body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
}

#[tokio::test]
async fn a_browser_signs_in_works_and_signs_out() {
    let site = Site::start(false).await;
    let own = site.own();
    let body = json!({"name": "ada", "password": PASSWORD});
    let answer = site.ask("POST /api/sign-in", &[&own], body).await;
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("insitu_session="), "{set}");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let cookie = answer.cookie();

    let session = site.ask("GET /api/session", &[&cookie], Value::Null).await;
    assert_eq!(session.status, 200);
    assert_eq!(
        (&session.body["name"], &session.body["role"]),
        (&json!("ada"), &json!("annotator"))
    );
    assert_eq!(session.body["page"], answer.body["page"]);
    assert_eq!(session.body["idle_until"], json!("1970-01-01T00:30:00Z"));
    assert_eq!(session.body["ends_at"], json!("1970-01-01T12:00:00Z"));
    assert_eq!(site.ask("GET /api/me", &[&cookie], Value::Null).await.status, 200);

    let page = format!("X-Insitu-Page: {}", session.body["page"].as_str().unwrap());
    let gone = site.ask("POST /api/sign-out", &[&cookie, &own, &page], Value::Null).await;
    assert_eq!(gone.status, 204);
    assert!(gone.header("set-cookie").unwrap().contains("insitu_session=; "));
    for line in ["GET /api/session", "POST /api/sign-out"] {
        let again = site.ask(line, &[&cookie, &own, &page], Value::Null).await;
        assert_eq!(again.status, 401, "{line} after the sign-out, cookie or not");
    }
}

/// Asking for items leases them.
#[tokio::test]
async fn what_another_site_makes_a_browser_ask_for_is_refused() {
    let site = Site::start(false).await;
    let (cookie, _) = site.enter("ada").await;
    for (from, status) in
        [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)]
    {
        let from = format!("Sec-Fetch-Site: {from}");
        let answer = site.ask("GET /api/me", &[&cookie, &from], Value::Null).await;
        assert_eq!(answer.status, status, "{from}");
    }
}

#[tokio::test]
async fn signing_in_ends_the_sign_in_that_the_browser_had() {
    let site = Site::start(false).await;
    let (former, _) = site.enter("ada").await;
    let body = json!({"name": "bob", "password": PASSWORD});
    let answer = site.ask("POST /api/sign-in", &[&site.own(), &former], body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(site.ask("GET /api/me", &[&former], Value::Null).await.status, 401);
    assert_eq!(site.ask("GET /api/me", &[&answer.cookie()], Value::Null).await.status, 200);
}

#[tokio::test]
async fn what_another_site_makes_a_browser_ask_changes_nothing() {
    let site = Site::start(false).await;
    let own = site.own();
    let (cookie, page) = site.enter("ada").await;
    let foreign: &[&[&str]] = &[
        &[],
        &[&page],
        &[&own],
        &["Origin: https://evil.example", &page],
        &["Origin: null", &page],
        &["Origin: http://127.0.0.1:1", &page],
        &["Sec-Fetch-Site: cross-site", &page],
        &["Sec-Fetch-Site: same-site", &own, &page],
        &["Sec-Fetch-Site: none", &page],
    ];
    for headers in foreign {
        let headers = [&[cookie.as_str()], *headers].concat();
        let answer = site.ask("POST /api/sign-out", &headers, Value::Null).await;
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    // Nor does it sign a browser in as somebody else.
    let body = json!({"name": "ada", "password": PASSWORD});
    for headers in [&[][..], &["Origin: https://evil.example"], &["Sec-Fetch-Site: cross-site"]] {
        let answer = site.ask("POST /api/sign-in", headers, body.clone()).await;
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    let twice = format!("{cookie}; insitu_session={}", "0".repeat(64));
    assert_eq!(site.ask("GET /api/session", &[&twice], Value::Null).await.status, 401);
    let still = ["Sec-Fetch-Site: same-origin", cookie.as_str(), page.as_str()];
    assert_eq!(site.ask("POST /api/sign-out", &still, Value::Null).await.status, 204);
}

#[tokio::test]
async fn a_page_left_open_by_one_person_does_nothing_as_the_next() {
    let site = Site::start(false).await;
    let own = site.own();
    let (_, page_of_ada) = site.enter("ada").await;
    let (cookie_of_bob, _) = site.enter("bob").await;
    for line in ["POST /api/sign-out", "GET /api/projects"] {
        let answer = site.ask(line, &[&cookie_of_bob, &own, &page_of_ada], Value::Null).await;
        assert_eq!(answer.status, 401, "{line}: the page asks to sign in again");
    }
    assert_eq!(
        site.ask("GET /api/session", &[&cookie_of_bob], Value::Null).await.body["name"],
        "bob"
    );
}

#[tokio::test]
async fn a_new_password_signs_out_all_browsers_but_this_one() {
    let site = Site::start(false).await;
    let own = site.own();
    let (other, _) = site.enter("ada").await;
    let (cookie, page) = site.enter("ada").await;
    let headers = [cookie.as_str(), &own, &page];
    for (current, new, status) in
        [("wrong horse battery", "a better horse", 403), (PASSWORD, "too short", 422)]
    {
        let body = json!({"current": current, "new": new});
        assert_eq!(site.ask("POST /api/password", &headers, body).await.status, status, "{new}");
    }
    let body = json!({"current": PASSWORD, "new": "a better horse"});
    let changed = site.ask("POST /api/password", &headers, body).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(site.ask("GET /api/session", &[&changed.cookie()], Value::Null).await.status, 200);
    for old in [&other, &cookie] {
        assert_eq!(site.ask("GET /api/session", &[old], Value::Null).await.status, 401);
    }
}

#[tokio::test]
async fn guesses_are_answered_with_a_wait() {
    let site = Site::start(false).await;
    let own = site.own();
    let mut last = None;
    for _ in 0..11 {
        let body = json!({"name": "ada", "password": "a wrong guess"});
        last = Some(site.ask("POST /api/sign-in", &[&own], body).await);
    }
    let last = last.unwrap();
    assert_eq!(last.status, 429);
    assert!(last.header("retry-after").unwrap().parse::<u32>().unwrap() >= 30);
    let missing = site.ask("POST /api/sign-in", &[&own], json!({"name": "ada"})).await;
    assert_eq!(missing.status, 422);
}

#[tokio::test]
async fn under_tls_the_cookie_leaves_it_never() {
    let site = Site::start(true).await;
    let body = json!({"name": "ada", "password": PASSWORD});
    let plain = site.ask("POST /api/sign-in", &[&site.own()], body.clone()).await;
    assert_eq!(plain.status, 403, "a page without TLS");
    let own = format!("Origin: https://{}", site.served.address());
    let answer = site.ask("POST /api/sign-in", &[&own], body).await;
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-insitu_session="), "{set}");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{set}");
    let unprefixed = answer.cookie().replace("__Host-", "");
    assert_eq!(site.ask("GET /api/session", &[&unprefixed], Value::Null).await.status, 401);
}
