//! Managing people over HTTP, for administrators: who there is, what they may do, their passwords.

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Caller, Desk, Failure};
use super::people::add_account;
use super::sign_in::Typed;
use super::{PersonError, Vacancy, end_of, listed, vacancies};
use crate::account;
use crate::store::StoreError;
use crate::store::labels::{Person, Terms};
use crate::store::roles::{Action, Role};
use crate::store::trail::Who;

/// The routes; merged with those of the review page.
pub(super) fn routes() -> Router<Desk> {
    Router::new()
        .route("/api/people", get(list).post(add))
        .route("/api/vacancies", get(vacant))
        .route("/api/people/{name}", delete(remove))
        .route("/api/people/{name}/role", post(set_role))
        .route("/api/people/{name}/browsers", delete(sign_out))
        .route("/api/people/{name}/password", post(set_password))
}

/// Somebody who may manage people.
struct Manager(Person);

impl FromRequestParts<Desk> for Manager {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Failure> {
        let Caller(person) = Caller::from_request_parts(parts, desk).await?;
        if person.role.may(Action::ManagePeople) {
            return Ok(Self(person));
        }
        Err(Failure {
            status: StatusCode::FORBIDDEN,
            error: format!("managing people is not for the role {}", person.role.name()),
            hint: "ask an administrator",
        })
    }
}

impl Manager {
    /// Whom the audit log names.
    fn who(&self) -> Option<Who> {
        Some((&self.0).into())
    }

    /// Nobody ends their own rights by mistake: the last administrator could not undo it here.
    fn of_another(&self, name: &str) -> Result<(), Failure> {
        if self.0.name != name {
            return Ok(());
        }
        Err(Failure {
            status: StatusCode::CONFLICT,
            error: "this is yourself".to_owned(),
            hint: "ask another administrator, or use `insitu-agent person` at the machine",
        })
    }
}

impl From<PersonError> for Failure {
    fn from(error: PersonError) -> Self {
        let (status, hint) = match error {
            PersonError::Store(source) => return source.into(),
            PersonError::Taken { .. } => (StatusCode::CONFLICT, "choose another name"),
            PersonError::Name | PersonError::Over { .. } | PersonError::NotExpert { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "mend it and retry")
            }
            PersonError::Unknown { .. } => (StatusCode::NOT_FOUND, "reload the list"),
            PersonError::Randomness | PersonError::File(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "try again")
            }
        };
        Self { status, error: error.to_string(), hint }
    }
}

async fn list(State(desk): State<Desk>, _: Manager) -> Result<Json<Value>, Failure> {
    desk.work(|desk| Ok(Json(everybody(desk)?))).await
}

fn everybody(desk: &Desk) -> Result<Value, StoreError> {
    let now = desk.clock.now().as_second();
    let read =
        |tx: &crate::store::Tx<'_>| Ok::<_, StoreError>((tx.people()?, tx.with_passwords()?));
    let (people, with_passwords) = desk.store.read("people", read)?;
    let has_password = |person: &Person| with_passwords.contains(&person.person);
    let browsers = desk.doors.accounts.browsers(&desk.store, now)?;
    let all = people.iter().map(|person| {
        let mut row = listed(person, has_password(person), now);
        row["browsers"] = json!(browsers.get(&person.person).copied().unwrap_or(0));
        row
    });
    Ok(all.collect())
}

/// The queues of all projects that wait for somebody who is not there.
async fn vacant(State(desk): State<Desk>, _: Manager) -> Result<Json<Value>, Failure> {
    desk.work(|desk| {
        let now = desk.clock.now().as_second();
        let shown = desk.store.read("vacancies", |tx| {
            let mut shown = Vec::new();
            for project in tx.projects()? {
                shown.extend(vacancies(tx, &project, now)?.iter().map(Vacancy::shown));
            }
            Ok::<_, StoreError>(shown)
        })?;
        Ok(Json(Value::Array(shown)))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPerson {
    name: String,
    role: String,
    password: Typed,
    /// The last day, in UTC.
    #[serde(default)]
    until: Option<Date>,
}

async fn add(
    State(desk): State<Desk>,
    Manager(manager): Manager,
    body: Result<Json<NewPerson>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let Json(NewPerson { name, role, password, until }) = body?;
    let (role, password) = (role_named(&role)?, password.take());
    // Before anything is stored: a person who can never sign in would only take the name.
    account::check_new(role, &password)?;
    let now = desk.clock.now().as_second();
    let until = until.map(end_of).transpose();
    let until = until.map_err(|_| PersonError::Over { what: "the calendar" })?;
    let terms = Terms { until, ..Terms::default() };
    let hash = desk.doors.accounts.hash(password).await?;
    desk.work(move |desk| {
        add_account(&desk.store, &manager, (&name, role, terms), &hash, now)?;
        Ok((StatusCode::CREATED, Json(json!({"added": name}))))
    })
    .await
}

async fn remove(
    State(desk): State<Desk>,
    manager: Manager,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    manager.of_another(&name)?;
    desk.work(move |desk| {
        account::remove(&desk.store, manager.who(), &name, desk.clock.now().as_second())?;
        Ok(Json(json!({"removed": name})))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRole {
    role: String,
}

async fn set_role(
    State(desk): State<Desk>,
    manager: Manager,
    Path(name): Path<String>,
    body: Result<Json<NewRole>, JsonRejection>,
) -> Result<Json<Value>, Failure> {
    manager.of_another(&name)?;
    let Json(NewRole { role }) = body?;
    desk.work(move |desk| {
        account::set_role(&desk.store, manager.who(), &name, role_named(&role)?)?;
        Ok(Json(json!({"name": name, "role": role})))
    })
    .await
}

/// For a browser that was left open, or lost.
async fn sign_out(
    State(desk): State<Desk>,
    manager: Manager,
    Path(name): Path<String>,
) -> Result<Json<Value>, Failure> {
    manager.of_another(&name)?;
    desk.work(move |desk| {
        let browsers = account::sign_out(&desk.store, manager.who(), &name)?;
        Ok(Json(json!({"name": name, "browsers": browsers})))
    })
    .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    new: Typed,
}

/// For somebody who has forgotten theirs. One's own is changed by showing the one in use.
async fn set_password(
    State(desk): State<Desk>,
    manager: Manager,
    Path(name): Path<String>,
    body: Result<Json<NewPassword>, JsonRejection>,
) -> Result<Json<Value>, Failure> {
    manager.of_another(&name)?;
    let Json(NewPassword { new }) = body?;
    let now = desk.clock.now().as_second();
    let accounts = &desk.doors.accounts;
    accounts.set_password(&desk.store, (&manager.0).into(), &name, new.take(), now).await?;
    Ok(Json(json!({"name": name})))
}

fn role_named(name: &str) -> Result<Role, Failure> {
    Role::named(name).ok_or_else(|| Failure {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        error: "there is no such role".to_owned(),
        hint: "annotator, expert, lead, steward or admin",
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::review::http::router;
    use crate::testing::{self, Served};

    #[tokio::test]
    async fn an_administrator_manages_everybody_but_themselves() {
        let scratch = crate::store::tests::scratch();
        let store = Arc::new(scratch.store);
        testing::person(&store, "ida", Role::Admin);
        testing::person(&store, "viewer", Role::Application);
        let served = Served::start(router(testing::desk(Arc::clone(&store)))).await;
        let ask = async |line: &str, body: Value, status: u16| {
            let (got, answer) = served.ask("ida", line, &body).await;
            assert_eq!(got, status, "{line} {body}: {answer}");
            answer
        };
        let ada =
            |role: &str, password: &str| json!({"name": "ada", "role": role, "password": password});
        let (good, new) = ("correct horse battery", json!({"new": "a better horse"}));
        ask("POST /api/people", ada("annotator", "too short"), 422).await;
        ask("POST /api/people", ada("application", good), 403).await;
        ask("POST /api/people", ada("king", good), 422).await;
        ask("POST /api/people", ada("annotator", good), 201).await;
        ask("POST /api/people", ada("annotator", good), 409).await;
        ask("POST /api/people/ada/role", json!({"role": "expert"}), 200).await;
        ask("POST /api/people/ada/role", json!({"role": "application"}), 403).await;
        let eve = |until: &str| json!({"name": "eve", "role": "expert", "password": good, "until": until});
        ask("POST /api/people", eve("1969-12-30"), 422).await;
        ask("POST /api/people", eve("someday"), 422).await;
        ask("POST /api/people", eve("1970-03-31"), 201).await;
        ask("POST /api/people/ada/password", new.clone(), 200).await;
        ask("POST /api/people/viewer/password", new.clone(), 403).await;
        ask("POST /api/people/nobody/password", new.clone(), 404).await;
        let eve = store.read("test", |tx| tx.person_named("eve")).unwrap().unwrap();
        store.tx("test", |tx| tx.add_sign_in(&[7; 32], eve.person, 9, 0)).unwrap();
        let listed = ask("GET /api/people", Value::Null, 200).await;
        assert_eq!(
            (&listed[1]["until"], &listed[1]["browsers"]),
            (&json!("1970-04-01T00:00:00Z"), &json!(1))
        );
        let out = ask("DELETE /api/people/eve/browsers", Value::Null, 200).await;
        assert_eq!(out["browsers"], 1);
        ask("DELETE /api/people/nobody/browsers", Value::Null, 404).await;
        ask("DELETE /api/people/ida/browsers", Value::Null, 409).await;
        assert_eq!(listed[0]["browsers"], 0);
        assert_eq!(listed[0]["name"], "ada");
        assert_eq!((&listed[0]["role"], &listed[0]["password"]), (&json!("expert"), &json!(true)));
        assert!(!listed.to_string().contains("argon2"), "{listed}");

        let filter =
            crate::store::trail::Filter { who: Some("ida".to_owned()), ..Default::default() };
        let events = store.read("test", |tx| tx.events(&filter, 0, 100)).unwrap();
        let done: Vec<&str> = events.iter().map(|event| event.what.as_str()).collect();
        assert_eq!(
            done,
            ["person-added", "person-changed", "person-added", "person-changed", "signed-out"],
            "in her name"
        );

        ask("POST /api/people/ida/role", json!({"role": "annotator"}), 409).await;
        ask("POST /api/people/ida/password", new, 409).await;
        ask("DELETE /api/people/ida", Value::Null, 409).await;
        ask("DELETE /api/people/ada", Value::Null, 200).await;
        let listed = ask("GET /api/people", Value::Null, 200).await;
        assert_eq!((&listed[0]["ended"], &listed[0]["password"]), (&json!(true), &json!(false)));
    }
}
