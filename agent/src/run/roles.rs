//! Which roles the local API serves what: every route that asks for a right, for every role.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::edge;
use crate::erasure;
use crate::label_studio;
use crate::quality;
use crate::review::http::router;
use crate::store::roles::{Action, Role};
use crate::testing::{self, Masks, Served};

#[tokio::test]
async fn every_role_is_served_what_the_table_allows() {
    let scratch = crate::store::tests::scratch();
    let store = Arc::new(scratch.store);
    let project = testing::put(&store, &testing::project()).definition.name.to_string();
    for role in Role::ALL {
        testing::person(&store, role.name(), role);
    }
    let desk = testing::desk(Arc::clone(&store));
    let sources = std::iter::empty().collect();
    let app = router(desk.clone())
        .merge(edge::http::router(desk.clone(), sources, Arc::new(Masks::default())))
        .merge(quality::http::router(desk.clone(), BTreeMap::new()))
        .merge(erasure::http::router(desk.clone(), &[]))
        .merge(label_studio::page::router(desk, &[]));
    let served = Served::start(app).await;
    let item = "00".repeat(16);
    let asked = [
        (format!("GET /api/projects/{project}/next"), Action::Label),
        (format!("GET /api/projects/{project}/next?queue=synthetic"), Action::Label),
        (format!("POST /api/items/{item}/lease"), Action::Lead),
        (format!("POST /api/items/{item}/requeue"), Action::Lead),
        (format!("GET /api/projects/{project}/quality"), Action::SeeFigures),
        (format!("GET /api/projects/{project}/quality/label-errors"), Action::Lead),
        (format!("GET /api/projects/{project}/quality/next"), Action::Lead),
        (format!("GET /v1/projects/{project}"), Action::SendItems),
        ("POST /v1/items".to_owned(), Action::SendItems),
        (format!("GET /v1/items/1?project={project}"), Action::SendItems),
        (format!("POST /v1/items/1?project={project}"), Action::SendItems),
        (format!("POST /v1/items/1/corrections?project={project}"), Action::SendItems),
        ("GET /api/people".to_owned(), Action::ManagePeople),
        ("POST /api/people".to_owned(), Action::ManagePeople),
        ("DELETE /api/people/nobody".to_owned(), Action::ManagePeople),
        ("POST /api/people/nobody/role".to_owned(), Action::ManagePeople),
        ("POST /api/people/nobody/password".to_owned(), Action::ManagePeople),
        ("DELETE /api/people/nobody/browsers".to_owned(), Action::ManagePeople),
        ("GET /api/vacancies".to_owned(), Action::ManagePeople),
        (format!("GET /api/items/{item}"), Action::Reveal),
        (format!("POST /api/items/{item}/reveal"), Action::Reveal),
        ("POST /api/erasures".to_owned(), Action::Erase),
        ("POST /api/erasures/preview".to_owned(), Action::Erase),
        ("GET /api/label-studio".to_owned(), Action::Connect),
        (format!("GET /api/label-studio/{project}"), Action::Connect),
    ];
    for role in Role::ALL {
        let shown = served.ask(role.name(), "GET /api/status", &Value::Null).await;
        assert_eq!(shown, (200, role.name().into()), "the report for this role");
    }
    for (line, action) in &asked {
        for role in Role::ALL {
            let (status, body) = served.ask(role.name(), line, &Value::Null).await;
            let refused = status == 403;
            assert_eq!(refused, !role.may(*action), "{} {line}: {status} {body}", role.name());
        }
    }
}
