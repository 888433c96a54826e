use serde_json::json;

use super::*;
use crate::store::roles::Role;
use crate::store::tests;
use crate::store::trail::Filter;
use crate::testing;

const PASSWORD: &str = "correct horse battery";
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A store that is also used off the runtime's threads.
struct Scratch {
    store: Arc<Store>,
    folder: tempfile::TempDir,
}

fn site() -> (Scratch, Accounts) {
    let tests::Scratch { store, folder } = tests::scratch();
    let scratch = Scratch { store: Arc::new(store), folder };
    testing::person(&scratch.store, "ada", Role::Annotator);
    testing::person(&scratch.store, "eve", Role::Expert);
    set_password(&scratch.store, "ada", PASSWORD, 0).unwrap();
    (scratch, Accounts::new(SignInTimes::default()))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

async fn enter(
    (scratch, accounts): &(Scratch, Accounts),
    name: &str,
    password: &str,
    second: i64,
) -> Result<Fresh, AccountError> {
    let password = Zeroizing::new(password.to_owned());
    accounts.sign_in(&scratch.store, name, password, PEER, at(second)).await
}

fn whose((scratch, accounts): &(Scratch, Accounts), fresh: &Fresh, second: i64) -> Option<String> {
    let browser = accounts.known(&scratch.store, &fresh.cookie, second).unwrap();
    browser.map(|browser| browser.person.name)
}

#[tokio::test]
async fn unknown_names_and_wrong_passwords_are_told_apart_by_nothing() {
    let site = site();
    let mut told = Vec::new();
    for (name, password) in
        [("ada", "wrong horse battery"), ("bob", PASSWORD), ("eve", PASSWORD), ("", "")]
    {
        told.push(enter(&site, name, password, 0).await.unwrap_err().to_string());
    }
    assert!(told.iter().all(|text| text == "the name or the password is wrong"), "{told:?}");
    let fresh = enter(&site, "ada", PASSWORD, 0).await.unwrap();
    assert_eq!(whose(&site, &fresh, 0).as_deref(), Some("ada"));
}

#[tokio::test]
async fn a_browser_is_signed_out_when_idle_and_in_the_end() {
    let site = site();
    let (minute, hour) = (60, 3600);
    let fresh = enter(&site, "ada", PASSWORD, 0).await.unwrap();
    assert!(whose(&site, &fresh, 30 * minute - 1).is_some());
    assert!(whose(&site, &fresh, 59 * minute).is_some(), "it was heard of half an hour ago");
    assert!(whose(&site, &fresh, 59 * minute + 30 * minute).is_none(), "idle for half an hour");

    let fresh = enter(&site, "ada", PASSWORD, 0).await.unwrap();
    let quarters = (1..48).map(|quarter| quarter * 15 * minute);
    for second in quarters {
        assert!(whose(&site, &fresh, second).is_some(), "at {second}");
    }
    assert!(whose(&site, &fresh, 12 * hour).is_none(), "twelve hours, however busy");
    let swept = site.1.sweep(&site.0.store, 12 * hour).unwrap();
    assert_eq!(swept, 2);
}

#[tokio::test]
async fn what_changes_an_account_signs_its_person_out_everywhere_and_nobody_else() {
    let site = site();
    let store = &site.0.store;
    set_password(store, "eve", PASSWORD, 0).unwrap();
    let eve = enter(&site, "eve", PASSWORD, 0).await.unwrap();
    let ada = enter(&site, "ada", PASSWORD, 0).await.unwrap();
    set_password(store, "ada", "another horse battery", 1).unwrap();
    assert!(whose(&site, &ada, 1).is_none(), "a new password");

    let ada = enter(&site, "ada", "another horse battery", 2).await.unwrap();
    set_role(store, None, "ada", Role::Expert).unwrap();
    assert!(whose(&site, &ada, 2).is_none(), "another role");
    assert!(matches!(
        set_role(store, None, "ada", Role::Application),
        Err(AccountError::Role { .. })
    ));

    let ada = enter(&site, "ada", "another horse battery", 3).await.unwrap();
    assert_eq!(ada.browser.person.role, Role::Expert);
    remove(store, None, "ada", 4).unwrap();
    assert!(whose(&site, &ada, 4).is_none(), "removed");
    let again = enter(&site, "ada", "another horse battery", 5).await;
    assert!(matches!(again, Err(AccountError::Wrong)));
    let token = store.read("test", |tx| tx.person_by_token(blake3::hash(b"ada").as_bytes()));
    assert_eq!(token.unwrap(), None);
    assert!(whose(&site, &eve, 5).is_some(), "somebody else");
}

#[tokio::test]
async fn guessing_is_slowed_down_for_an_account_and_for_an_address() {
    let site = site();
    for _ in 0..ACCOUNT_BURST {
        assert!(matches!(enter(&site, "ada", "guess", 0).await, Err(AccountError::Wrong)));
    }
    let limited = enter(&site, "ada", PASSWORD, 0).await;
    assert!(matches!(limited, Err(AccountError::Limited { after }) if after == ACCOUNT_EVERY));
    assert!(matches!(enter(&site, "eve", "guess", 0).await, Err(AccountError::Wrong)), "another");
    enter(&site, "ada", PASSWORD, 30).await.unwrap();

    let (scratch, accounts) = &site;
    for _ in 0..ACCOUNT_BURST {
        assert!(matches!(enter(&site, "ada", "guess", 500).await, Err(AccountError::Wrong)));
    }
    let (password, from) = (Zeroizing::new(PASSWORD.to_owned()), "192.0.2.7".parse().unwrap());
    let hers = accounts.sign_in(&scratch.store, "ada", password, from, at(500)).await;
    hers.expect("nobody is locked out by guesses from elsewhere");

    let one: IpAddr = "2001:db8::1".parse().unwrap();
    let neighbour: IpAddr = "2001:db8::ffff".parse().unwrap();
    let other: IpAddr = "2001:db8:0:1::1".parse().unwrap();
    for i in 0..PEER_BURST {
        assert!(accounts.attempt(&i.to_string(), one, at(1000)).is_ok());
    }
    assert!(accounts.attempt("x", neighbour, at(1000)).is_err(), "one network");
    assert!(accounts.attempt("x", other, at(1000)).is_ok());
}

fn refusals(store: &Store) -> Vec<serde_json::Value> {
    let filter = Filter { what: Some(What::SignInRefused), ..Filter::default() };
    let events = store.read("test", |tx| tx.events(&filter, 0, 100)).unwrap();
    events.iter().map(|event| serde_json::from_str(&event.detail).unwrap()).collect()
}

#[tokio::test]
async fn refused_sign_ins_are_counted_by_account_and_written_when_the_store_is_swept() {
    let site = site();
    let store = &site.0.store;
    // Its limit is on the way, too.
    for _ in 0..2 * ACCOUNT_BURST {
        enter(&site, "ada", "guess", 0).await.unwrap_err();
    }
    for name in ["bob", "correct horse battery", ""] {
        enter(&site, name, PASSWORD, 0).await.unwrap_err();
    }
    enter(&site, "ada", PASSWORD, 600).await.unwrap();
    site.1.count_refusal_by_provider();
    assert!(refusals(store).is_empty(), "nothing is written while somebody waits");
    site.1.sweep(store, 60).unwrap();
    let expected = [
        json!({"name": "ada", "by": "password", "count": 20}),
        json!({"name": null, "by": "password", "count": 3}),
        json!({"by": "provider", "count": 1}),
    ];
    assert_eq!(refusals(store), expected, "and no name that nobody has");
    site.1.sweep(store, 120).unwrap();
    assert_eq!(refusals(store), expected, "once");

    let ada = store.read("test", |tx| tx.person_named("ada")).unwrap().unwrap();
    let wrong = || Zeroizing::new("wrong horse battery".to_owned());
    let changed = site.1.change_password(store, &ada, wrong(), wrong(), (PEER, at(900))).await;
    assert!(matches!(changed, Err(AccountError::Current)));
    site.1.sweep(store, 960).unwrap();
    let last = json!({"name": "ada", "by": "password", "count": 1});
    assert_eq!(refusals(store).last(), Some(&last), "a guess at a password that is to be changed");
}

#[tokio::test]
async fn whoever_is_guessed_at_the_log_gets_few_rows() {
    let site = site();
    let store = &site.0.store;
    for index in 0..30_u32 {
        let name = format!("person {index}");
        testing::person(store, &name, Role::Annotator);
        let peer = IpAddr::V4(std::net::Ipv4Addr::from(index));
        let password = Zeroizing::new("guess".to_owned());
        site.1.sign_in(store, &name, password, peer, at(0)).await.unwrap_err();
    }
    site.1.sweep(store, 60).unwrap();
    let written = refusals(store);
    assert_eq!(written.len(), 17, "sixteen people and the rest");
    let counts = written.iter().map(|row| row["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 30, "none is left out");
}

#[tokio::test]
async fn the_log_names_who_changed_somebody() {
    let site = site();
    let store = &site.0.store;
    let by = || Some(Who { role: "admin", name: "ida".to_owned() });
    enter(&site, "ada", PASSWORD, 0).await.unwrap();
    assert_eq!(sign_out(store, by(), "ada").unwrap(), 1);
    assert_eq!(sign_out(store, by(), "ada").unwrap(), 0, "of which nothing is noted");
    set_role(store, by(), "ada", Role::Expert).unwrap();
    site.1
        .set_password(store, by().unwrap(), "ada", Zeroizing::new(PASSWORD.to_owned()), 1)
        .await
        .unwrap();
    remove(store, by(), "ada", 2).unwrap();
    let unknown = sign_out(store, by(), "nobody");
    assert!(matches!(unknown, Err(AccountError::Unknown { .. })));
    let filter = Filter { who: Some("ida".to_owned()), ..Filter::default() };
    let events = store.read("test", |tx| tx.events(&filter, 0, 100)).unwrap();
    let done: Vec<&str> = events.iter().map(|event| event.what.as_str()).collect();
    assert_eq!(done, ["signed-out", "person-changed", "person-changed", "person-removed"]);
}

#[tokio::test]
async fn who_signs_in_often_is_not_limited() {
    let site = site();
    let mut browsers = Vec::new();
    for _ in 0..2 * BROWSERS_MAX {
        browsers.push(enter(&site, "ada", PASSWORD, 0).await.unwrap());
    }
    let left = browsers.iter().filter(|fresh| whose(&site, fresh, 0).is_some()).count();
    assert_eq!(left, usize::try_from(BROWSERS_MAX).unwrap(), "as many as are allowed at a time");
}

#[tokio::test]
async fn a_restart_keeps_people_signed_in_and_the_files_hold_no_secret() {
    let site = site();
    let fresh = enter(&site, "ada", PASSWORD, 0).await.unwrap();
    let (Scratch { store, folder }, _) = site;
    let mut secret = [0; 32];
    hex::decode_to_slice(fresh.cookie.as_str(), &mut secret).unwrap();
    drop(store);
    let again = Store::open(folder.path()).unwrap();
    let accounts = Accounts::new(SignInTimes::default());
    let browser = accounts.known(&again, &fresh.cookie, 1).unwrap().unwrap();
    assert!(browser.is_page(&fresh.browser.page_token));

    let secrets: [&[u8]; 4] = [
        PASSWORD.as_bytes(),
        fresh.cookie.as_bytes(),
        &secret,
        fresh.browser.page_token.as_bytes(),
    ];
    let mut looked = 0;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        looked += bytes.len();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "a secret is in a file");
        }
    }
    assert!(looked > 10_000, "the store was looked at");
    assert!(!format!("{fresh:?}").contains(fresh.cookie.as_str()), "nor does Debug tell it");
}

#[test]
fn a_page_of_one_sign_in_is_none_of_another() {
    let (scratch, accounts) = site();
    let ada = scratch.store.read("test", |tx| tx.person_named("ada")).unwrap().unwrap();
    let one = accounts.open(&scratch.store, ada.clone(), None, 0).unwrap().browser;
    let two = accounts.open(&scratch.store, ada, None, 0).unwrap().browser;
    assert!(one.is_page(&one.page_token));
    assert!(!one.is_page(&two.page_token));
    assert!(!one.is_page(""));
    one.sign_out(&scratch.store).unwrap();
    let left = scratch.store.read("test", |tx| tx.sign_in(&one.secret)).unwrap();
    assert_eq!(left, None);
}

/// A token, or a browser that came by the identity provider, makes no way in that outlives it.
#[tokio::test]
async fn nobody_gives_themselves_a_first_password() {
    let (scratch, accounts) = site();
    let eve = scratch.store.read("test", |tx| tx.person_named("eve")).unwrap().unwrap();
    let password = || Zeroizing::new(PASSWORD.to_owned());
    let changed =
        accounts.change_password(&scratch.store, &eve, password(), password(), (PEER, at(0))).await;
    assert!(matches!(changed, Err(AccountError::Current)));
    assert_eq!(scratch.store.read("test", |tx| tx.password(eve.person)).unwrap(), None);
}

/// What was verified before the password changed opens nothing, and replaces nothing, after.
#[test]
fn a_password_that_changed_meanwhile_signs_nobody_in() {
    let (scratch, accounts) = site();
    let store = &scratch.store;
    let ada = store.read("test", |tx| tx.person_named("ada")).unwrap().unwrap();
    let verified = store.read("test", |tx| tx.password(ada.person)).unwrap();
    set_password(store, "ada", "another horse battery", 1).unwrap();
    let used = store.read("test", |tx| tx.password(ada.person)).unwrap();
    let late = accounts.open(store, ada.clone(), verified.as_deref(), 2);
    assert!(matches!(late, Err(AccountError::Wrong)));
    let late = put_password(store, None, ("ada", "late"), verified.as_deref(), 2);
    assert!(matches!(late, Err(AccountError::Current)));
    assert_eq!(store.read("test", |tx| tx.password(ada.person)).unwrap(), used);
    accounts.open(store, ada, used.as_deref(), 3).unwrap();
}

/// What is typed to sign in is trimmed: a name that is not would be nobody's.
#[test]
fn a_name_is_one_with_which_somebody_can_sign_in() {
    assert!(is_name("Ada Lovelace"));
    for name in ["", " ada", "ada ", "ada\u{a0}", "\u{3000}ada", "a\nda"] {
        assert!(!is_name(name), "{name:?}");
    }
}
